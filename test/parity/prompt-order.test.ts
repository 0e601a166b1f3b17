/** Prompts of both orders against what the training package lays out (models/training/tests/test_assemble.py reads the same file). */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { buildPrompt, cutWindows } from '../../server/completion/prompt.ts';
import { fieldsOf } from '../../server/inference/manifest-fields.ts';
import { readLayout } from '../../server/inference/prompt-layout.ts';
import { loadTokenizer } from '../../server/inference/tokenizer.ts';
import { fixturesFolder, tinyBundleFolder } from '../support/tiny-bundle.ts';

interface Case {
	config: { order: string };
	layout: unknown;
	before: string;
	suffix: string | null;
	entities: string[] | null;
	snippets: string[] | null;
	ids: number[];
}

const cases = JSON.parse(await readFile(join(fixturesFolder, 'prompt-orders.json'), 'utf8')) as Case[];
const tokenizer = await loadTokenizer(join(tinyBundleFolder, 'tokenizer.json'), 384);

test.each(cases.map((each, i) => [`${each.config.order}, ${i}`, each] as const))('%s', (_, each) => {
	const problems: string[] = [];
	const layout = readLayout(fieldsOf(each.layout, 'prompt', problems));
	expect(problems).toEqual([]);
	const windows = cutWindows({ prefix: each.before, suffix: each.suffix ?? '', layout }, tokenizer);
	const snippets = each.snippets?.map((text) => ({ path: 'a.ts', text }));
	const context = { ...(snippets ? { snippets } : {}), ...(each.entities ? { entities: each.entities } : {}) };
	expect(buildPrompt(windows, context, layout, tokenizer).parts).toEqual([{ kind: 'tokens', ids: each.ids }]);
});
