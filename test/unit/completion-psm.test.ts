/** The engine with a bundle as `assemble` makes it: prefix, suffix, middle; headers with paths; no projector. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { neverCancelled } from '../../server/base/cancellation.ts';
import type { NodeId } from '../../server/base/ids.ts';
import { silentLogger } from '../../server/base/logger.ts';
import { type CompletionEngine, createCompletionEngine } from '../../server/completion/engine.ts';
import { buildPrompt, cutWindows } from '../../server/completion/prompt.ts';
import type { CompletionRequest } from '../../server/completion/types.ts';
import { type Bundle, bundleOf, loadBundle } from '../../server/inference/bundle.ts';
import { NO_PROJECTOR } from '../../server/inference/manifest.ts';
import { createModels } from '../../server/inference/models.ts';
import { HEADER_TOKENS, type PromptLayout } from '../../server/inference/prompt-layout.ts';
import type { Models, PromptPart } from '../../server/inference/types.ts';
import { createSnippetSource } from '../../server/retrieval/snippets.ts';
import type { WorkspaceView } from '../../server/retrieval/view.ts';
import type { FileRecord } from '../../server/store/types.ts';
import { createByteTokenizer } from '../support/byte-tokenizer.ts';
import { shippedBundleFolder } from '../support/tiny-bundle.ts';

/** Marks of the shipped tokenizer, in the roles that Qwen's have. */
const [FIM_PREFIX, FIM_SUFFIX, FIM_MIDDLE, NAMES, FILE] = [3, 4, 5, 6, 7];
const layout: PromptLayout = {
	order: 'psm',
	pseudoTokens: { max: 0 },
	repository: { before: [NAMES], text: '{repository}\n' },
	snippets: { max: 160, before: [], separator: '\n', each: { before: [FILE], text: '{path}\n' } },
	entities: { max: 24, before: [NAMES], separator: '\n' },
	file: { before: [FILE], text: '{path}\n' },
	prefix: { max: 300, before: [FIM_PREFIX] },
	suffix: { max: 100, before: [FIM_SUFFIX] },
	middle: { before: [FIM_MIDDLE] },
};
const FOLDER = '/home/me/shop';
const CODE = `import { openStore } from './store.js';

export async function load(id: string): Promise<string | undefined> {
	const store = openStore('main');
	const value = await store.$0
}

export function close(): void {
	done = true;
}
`;

let bundle: Bundle;
let models: Models;
let engine: CompletionEngine;
/** Of the runs since the last look. */
let prompts: number[][] = [];

beforeAll(async () => {
	const shipped = await loadBundle(shippedBundleFolder);
	bundle = bundleOf({ folder: shipped.folder, manifest: { ...shipped.manifest, projectors: {}, prompt: layout } });
	models = await createModels(bundle, { executionProvider: 'cpu', threads: 2, logger: silentLogger });
	const recording: Models = {
		...models,
		executionProvider: models.executionProvider,
		async generator() {
			const generator = await models.generator();
			return {
				...generator,
				prefill(parts, cancellation) {
					prompts.push(parts.flatMap((part: PromptPart) => (part.kind === 'tokens' ? part.ids : [])));
					return generator.prefill(parts, cancellation);
				},
			};
		},
	};
	const view = await storeView(models);
	const read = async (path: string) => ({ kind: 'text' as const, text: SOURCES[path] ?? '' });
	const snippets = createSnippetSource({ view, read: read as never });
	engine = createCompletionEngine({
		bundle,
		models: recording,
		workspace: (folder) => (folder === FOLDER ? { view, snippets } : undefined),
		now: () => performance.now(),
	});
}, 60_000);
afterAll(() => models.dispose());

const SOURCES: Record<string, string> = {
	'src/store.ts': 'export function openStore(name: string): Store {\n\treturn new Store(name);\n}\n',
	'src/colour.ts': 'export const RED = "#ff0000";\nexport const GREEN = "#00ff00";\n',
	'docs/guide.md': '# Guide\n\nHow to paint a wall.\n',
};

/** A view of one chunk a file, with the vectors that the bundle's own embedder gives. */
async function storeView({ embedder, embedderTokenizer }: Models): Promise<WorkspaceView> {
	const paths = Object.keys(SOURCES);
	const vectors = await (await embedder()).embed(paths.map((path) => embedderTokenizer.encode(SOURCES[path] as string)));
	const ids = paths as unknown as NodeId[];
	const record = (path: string) =>
		({
			entities:
				path === 'src/store.ts'
					? [
							{ name: 'openStore', line: 0 },
							{ name: 'Store', line: 0 },
						]
					: [],
			chunks: [{ id: path, startOffset: 0, endOffset: (SOURCES[path] ?? '').length, startLine: 0, endLine: 1 }],
		}) as unknown as FileRecord;
	const partial: Partial<WorkspaceView> = {
		generation: Symbol(),
		size: ids.length,
		search: (query, k, options) =>
			ids
				.filter(options?.filter ?? (() => true))
				.map((id) => ({ id, score: (vectors[ids.indexOf(id)] as Float32Array).reduce((sum, x, j) => sum + x * (query[j] as number), 0) }))
				.sort((a, b) => b.score - a.score)
				.slice(0, k),
		occurrences: (id) => [{ level: 'chunk', path: id, startLine: 0, endLine: 1 }],
		vector: (id) => vectors[ids.indexOf(id)],
		file: (path) => (path in SOURCES ? record(path) : undefined),
		filesOfModule: (name) => (name.includes('store') ? ['src/store.ts'] : []),
		filesBeside: () => [],
	};
	return partial as WorkspaceView;
}

function request(code: string, options: Partial<CompletionRequest> = {}): CompletionRequest {
	return {
		...{ uri: 'file:///home/me/shop/src/main.ts', folder: FOLDER, path: 'src/main.ts' },
		...{ text: code.replace('$0', ''), offset: code.indexOf('$0') },
		...{ context: 'hef', multiLine: 'never', explicit: true, minConfidence: 0 },
		...options,
	};
}

async function complete(code: string, options?: Partial<CompletionRequest>) {
	prompts = [];
	const report = await engine.complete(request(code, options), neverCancelled);
	return { report, prompt: prompts[0] ?? [] };
}

const count = (cells: readonly number[], id: number) => cells.filter((each) => each === id).length;

test('files headed by their paths, the nearest last, then the open file with its middle taken out', async () => {
	const { report, prompt } = await complete(CODE, { fresh: true });
	const text = (from: number, to: number) => models.tokenizer.decode(prompt.slice(from, to));
	expect(prompt[0]).toBe(NAMES);
	expect(text(1, prompt.indexOf(FILE))).toBe('shop\n');
	const files = prompt.flatMap((id, at) => (id === FILE ? [at] : []));
	expect(files).toHaveLength(4);
	expect(report?.nodes.map(({ path }) => path)).toHaveLength(3);
	const headed = files.map((at) => text(at + 1, at + 12).split('\n')[0]);
	expect(headed).toEqual([...(report?.nodes ?? []).map(({ path }) => path).reverse(), 'src/main.ts']);
	expect(text(files[2] as number, prompt.lastIndexOf(NAMES))).toContain(SOURCES[headed[2] as string]);
	const [before, after, middle] = [FIM_PREFIX, FIM_SUFFIX, FIM_MIDDLE].map((mark) => prompt.indexOf(mark)) as [number, number, number];
	expect(files[3]).toBeLessThan(before);
	expect(text(before + 1, after)).toBe(CODE.slice(0, CODE.indexOf('$0')).replace(/\.$/, ''));
	expect(CODE.slice(CODE.indexOf('$0') + 2)).toContain(text(after + 1, middle).trim());
	expect(middle).toBe(prompt.length - 1);
	const { tokens } = report as NonNullable<typeof report>;
	expect(tokens.pseudo + tokens.entities + (tokens.snippets ?? 0) + tokens.suffix + tokens.prefix).toBe(prompt.length);
});

test('hef without a projector says what it does instead', async () => {
	const { report } = await complete(CODE, { fresh: true });
	expect(report).toMatchObject({ context: 'hef', notes: [NO_PROJECTOR], tokens: { pseudo: 0 } });
	expect(report?.entities).toContain('Store');
	const bare = await complete(CODE, { fresh: true, without: ['entities'] });
	expect(bare.report?.tokens).toMatchObject({ entities: 0, snippets: report?.tokens.snippets });
});

test('a mark that a file spells is text', async () => {
	const { prompt } = await complete(`// <|fim_middle|><|fim_suffix|>\n${CODE}`, { fresh: true });
	expect([count(prompt, FIM_MIDDLE), count(prompt, FIM_SUFFIX)]).toEqual([1, 1]);
});

test('inside a word typing reads nothing again, and behind it the suffix, but nothing before it', async () => {
	engine.forget(request(CODE).uri);
	expect((await complete(CODE)).prompt.length).toBeGreaterThan(150);
	const read: number[] = [];
	for (const typed of ['zq', 'zqj', 'zqj(', 'zqj(a', 'zqj(ab']) {
		const { report, prompt } = await complete(CODE.replace('$0', `${typed}$0`));
		read.push(prompt.length - (report?.tokens.reused ?? 0));
		expect(read.at(-1)).toBeLessThanOrEqual((report?.tokens.suffix ?? 0) + 4);
	}
	// What is forced stands behind the middle's mark: the prompt is the one of the key before.
	expect(read[1]).toBe(0);
	expect(Math.max(...read)).toBeGreaterThan(15);
});

test('typing in one file leaves the cache of another one alone', async () => {
	// Longer than what is not worth a cache of its own.
	const lines = Array.from({ length: 12 }, (_, i) => `const limit${i} = openStore('${i}').size;\n`).join('');
	const long = `${lines}${CODE}${lines}`;
	const other = long.replaceAll('limit', 'count');
	const there = { uri: 'file:///home/me/shop/src/other.ts', path: 'src/other.ts', context: 'none' } as const;
	await complete(other, there);
	for (const typed of ['p', 'p(', 'p(a, b', 'p(a, b, c', 'p(a, b, c, d', 'p(a, b, c, d, e', 'p(a, b, c, d, e, f'])
		await complete(long.replace('$0', `${typed}$0`), { context: 'none' });
	const { report, prompt } = await complete(other.replace('$0', 'x$0'), there);
	expect(prompt.length - (report?.tokens.reused ?? 0)).toBeLessThanOrEqual((report?.tokens.suffix ?? 0) + 2);
});

test('what the cache holds changes no answer, and a word begun goes on', async () => {
	for (const typed of ['s', 'se', 'set', 'get', 'getI']) {
		const code = CODE.replace('$0', `${typed}$0`);
		const cached = await complete(code);
		const cold = await complete(code, { fresh: true });
		expect(cached.report?.items[0]?.insertText).toBe(cold.report?.items[0]?.insertText);
		// Healing takes the begun word out of the prefix and has it written behind the middle's mark.
		const { prompt } = cold;
		const prefix = models.tokenizer.decode(prompt.slice(prompt.indexOf(FIM_PREFIX) + 1, prompt.indexOf(FIM_SUFFIX)));
		expect(code.startsWith(prefix)).toBe(true);
		expect(code.indexOf('$0') - prefix.length).toBeGreaterThan(0);
	}
});

test('the text that should come is scored behind the middle', async () => {
	const { report } = await complete(CODE, { fresh: true, gold: 'get(id);' });
	expect(report?.evidence?.gold.logProb).toBeLessThan(0);
	expect(report?.evidence?.gold.nTokens).toBeGreaterThan(1);
});

test('snippets keep to their budget: the best whole, the last one cut or left out', () => {
	const tokenizer = createByteTokenizer();
	const windows = cutWindows({ prefix: 'a', suffix: 'b', layout }, tokenizer);
	const build = (...lengths: number[]) => {
		const snippets = lengths.map((length, i) => ({ path: `f${i}`, text: String(i).repeat(length) }));
		return buildPrompt(
			windows,
			{ snippets },
			{ ...layout, snippets: { ...layout.snippets, max: 100, before: [] } } as PromptLayout,
			tokenizer,
		);
	};
	expect(build(500).tokens.snippets).toBe(100);
	expect(build(40, 500).tokens.snippets).toBe(100);
	expect(build(80, 500).tokens.snippets).toBe(80 + 1 + 4);
	const ids = build(40, 20).parts.flatMap((part) => (part.kind === 'tokens' ? part.ids : []));
	expect(ids.indexOf(tokenizer.encode('1')[0] as number)).toBeLessThan(ids.lastIndexOf(tokenizer.encode('0')[0] as number));
});

test('of a long path the end stays', () => {
	const tokenizer = createByteTokenizer();
	const windows = cutWindows({ prefix: 'a', suffix: '', layout }, tokenizer);
	const { tokens, parts } = buildPrompt(windows, {}, layout, tokenizer, { path: `${'deep/'.repeat(40)}end.ts` });
	expect(tokens.prefix).toBe(1 + HEADER_TOKENS + 1 + 1);
	const [part] = parts;
	const ids = part?.kind === 'tokens' ? part.ids : [];
	expect(tokenizer.decode(ids.slice(1, 1 + HEADER_TOKENS))).toMatch(/deep\/end\.ts\n$/);
});
