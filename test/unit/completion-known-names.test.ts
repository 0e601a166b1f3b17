import { expect, test } from 'vitest';
import { selectEntities } from '../../server/completion/entities.ts';
import { createKnownNames } from '../../server/completion/known-names.ts';
import { createNameUses } from '../../server/completion/name-uses.ts';
import { PathIndex } from '../../server/retrieval/path-index.ts';
import type { FileRecord } from '../../server/store/types.ts';
import { createByteTokenizer } from '../support/byte-tokenizer.ts';
import { createRandom } from '../support/random.ts';

const PATHS = Array.from({ length: 30 }, (_, n) => `src/${'abc'[n % 3]}/file${n}.ts`);

/** A repository whose names repeat across files and classes, and whose files change. */
function repository() {
	const random = createRandom(7);
	const words = ['read', 'write', 'Store', 'open', 'JSON', 'parse', 'Index', 'node', 'Vector', 'close'];
	const word = () => random.pick(words);
	const definition = () => (random.below(3) === 0 ? `${word()}.${word()}${word()}` : `${word()}${word()}`);
	const names = createNameUses();
	const paths = new PathIndex();
	const records = new Map<string, FileRecord>();
	const change = (path: string) => {
		const entities = Array.from({ length: 1 + random.below(20) }, (_, line) => ({ name: definition(), line }));
		records.set(path, { entities } as unknown as FileRecord);
		paths.add(path);
		const text = Array.from({ length: 40 }, () => definition().replace('.', ' ')).join(' ');
		names.put(
			path,
			text,
			entities.map(({ name }) => name),
		);
	};
	for (const path of PATHS) change(path);
	const request = () => {
		const n = random.below(PATHS.length);
		const imports = [word(), word()].map((name, i) => `import { ${name}${word()} } from './file${(n + i) % 30}';\n`).join('');
		const [near, visible] = [`${word()}${word()}`, `${word()} ${word()}${word()}`];
		const node = { level: 'chunk', path: random.pick(PATHS), startLine: 2, endLine: 9, score: 1 } as const;
		const prefix = `${imports}${visible}\n${near}${random.below(2) ? '.' : ' '}`;
		return { nodes: [node], visible, prefix, path: PATHS[n] as string };
	};
	const files = {
		file: (of: string) => records.get(of),
		filesOfModule: (name: string) => paths.ofModule(name),
		filesBeside: (of: string) => paths.beside(of),
	};
	return { names, files, request, change, random };
}

test('what is kept of names changes no list, whatever changes in between', () => {
	const { names, files, request, change, random } = repository();
	const known = createKnownNames();
	const options = { files, names, tokenizer: createByteTokenizer(), separator: ' ' };
	const lists: string[][] = [];
	for (let n = 0; n < 200; n++) {
		const asked = { ...options, ...request(), maxTokens: 20 + random.below(400) };
		const list = selectEntities({ ...asked, known });
		expect(list).toEqual(selectEntities(asked));
		lists.push(list);
		if (n % 4 === 0) change(random.pick(PATHS));
	}
	expect(new Set(lists.map((list) => list.join(' '))).size).toBeGreaterThan(100);
});

test('one spelling is one name within a ranking, also after many', () => {
	const known = createKnownNames();
	for (let n = 0; n < 10_001; n++) known.name(`kept${n}`);
	const before = known.name('again').bare;
	known.begin();
	const [one, two] = known.names(['Class.again', 'again']);
	expect(one?.bare).toBe(two?.bare);
	expect(one?.bare).not.toBe(before);
});
