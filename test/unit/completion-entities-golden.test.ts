/** Training draws its entity lists by the same rules (models/training/tests/test_entities.py reads the same file). */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { selectEntities } from '../../server/completion/entities.ts';
import { createNameUses } from '../../server/completion/name-uses.ts';
import { PathIndex } from '../../server/retrieval/path-index.ts';
import type { FileRecord } from '../../server/store/types.ts';
import { createByteTokenizer } from '../support/byte-tokenizer.ts';

interface Golden {
	files: { path: string; text: string; entities: string[] }[];
	cases: { name: string; path: string; prefix: string; visible: string; expected: string[] }[];
}

const { files, cases } = JSON.parse(readFileSync(new URL('../fixtures/entities-golden.json', import.meta.url), 'utf8')) as Golden;
const names = createNameUses();
for (const { path, text, entities } of files) names.put(path, text, entities);
const paths = new PathIndex();
for (const { path } of files) paths.add(path);
const records = new Map(
	files.map(({ path, entities }) => [path, { entities: entities.map((name, line) => ({ name, line })) } as unknown as FileRecord]),
);

test.each(cases)('entities equal those of training: $name', ({ path, prefix, visible, expected }) => {
	const view = {
		file: (of: string) => records.get(of),
		filesOfModule: (name: string) => paths.ofModule(name),
		filesBeside: (of: string) => paths.beside(of),
	};
	const options = { nodes: [], tokenizer: createByteTokenizer(), maxTokens: 1000, separator: ' ' };
	expect(selectEntities({ ...options, prefix, visible, path, files: view, names })).toEqual(expected);
});
