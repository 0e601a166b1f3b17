/** The engine on the shipped bundle: real tokenizer and models, a small view made by hand. */
import { fileURLToPath } from 'node:url';
import type { CompletionReport, TokenCounts } from 'hef-shared';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { neverCancelled } from '../../server/base/cancellation.ts';
import type { NodeId } from '../../server/base/ids.ts';
import { silentLogger } from '../../server/base/logger.ts';
import { type CompletionEngine, createCompletionEngine } from '../../server/completion/engine.ts';
import type { CompletionRequest } from '../../server/completion/types.ts';
import { type Bundle, loadBundle } from '../../server/inference/bundle.ts';
import { createModels } from '../../server/inference/models.ts';
import type { Models } from '../../server/inference/types.ts';
import type { SnippetSource } from '../../server/retrieval/snippets.ts';
import type { WorkspaceView } from '../../server/retrieval/view.ts';

const FOLDER = '/workspace';
const K = 32;
let bundle: Bundle;
let models: Models;
let engine: CompletionEngine;

beforeAll(async () => {
	bundle = await loadBundle(fileURLToPath(new URL('../../models/hef-nano', import.meta.url)));
	models = await createModels(bundle, { executionProvider: 'cpu', threads: 2, logger: silentLogger });
	const view = handMadeView(40, bundle.manifest.embedder.dimension);
	const snippets: SnippetSource = {
		similar: async (_, k) =>
			Array.from({ length: k }, (_, i) => ({
				id: `n${i}` as NodeId,
				text: `export function helper${i}() {}`,
				node: { level: 'chunk' as const, path: `lib/f${i}.ts`, startLine: 0, endLine: 9, score: 0.5 },
			})),
		read: async (chunks) => chunks.map(({ id, node }) => ({ id, node, text: `export function of_${id}() {}` })),
		invalidate() {},
	};
	engine = createCompletionEngine({
		bundle,
		models,
		workspace: (folder) => (folder === FOLDER ? { view, snippets } : undefined),
		now: () => performance.now(),
	});
}, 60_000);
afterAll(() => models.dispose());

/** Nodes with vectors of their own, searched exactly. */
function handMadeView(count: number, dimension: number): WorkspaceView {
	const ids = Array.from({ length: count }, (_, i) => `n${i}` as NodeId);
	const vectors = new Map(ids.map((id, i) => [id, unit(Float32Array.from({ length: dimension }, (_, j) => Math.sin(i * 7 + j)))]));
	const partial: Partial<WorkspaceView> = {
		generation: Symbol(),
		size: count,
		search: (query, k, options) =>
			ids
				.filter(options?.filter ?? (() => true))
				.map((id) => ({ id, score: dot(query, vectors.get(id) as Float32Array) }))
				.sort((a, b) => b.score - a.score)
				.slice(0, k),
		occurrences: (id) => [{ level: 'chunk', path: `lib/f${id.slice(1)}.ts`, startLine: 0, endLine: 9 }],
		vector: (id) => vectors.get(id),
		file: () => undefined,
		filesOfModule: () => [],
		filesBeside: () => [],
	};
	return partial as WorkspaceView;
}

function unit(vector: Float32Array): Float32Array {
	const norm = Math.sqrt(dot(vector, vector));
	return vector.map((value) => value / norm);
}

function dot(a: Float32Array, b: Float32Array): number {
	return a.reduce((sum, value, i) => sum + value * (b[i] as number), 0);
}

const CODE = `import { Store } from './store.js';

export class Session {
	private readonly store: Store;

	constructor(store: Store) {
		this.store = store;
	}

	async load(id: string): Promise<string | undefined> {
		const value = await this.$0
	}
}
`;

function request(code: string, options: Partial<CompletionRequest> = {}): CompletionRequest {
	const offset = code.indexOf('$0');
	return {
		uri: 'file:///workspace/session.ts',
		folder: FOLDER,
		path: 'session.ts',
		text: code.replace('$0', ''),
		offset,
		context: 'hef',
		multiLine: 'never',
		explicit: true,
		minConfidence: 0,
		...options,
	};
}

const complete = (code: string, options?: Partial<CompletionRequest>) => engine.complete(request(code, options), neverCancelled);

/** What is shown; 8-bit activations move the confidence in the sixth digit with the pieces of a prefill. */
const texts = (report: CompletionReport | undefined) => report?.items.map(({ insertText, range }) => ({ insertText, range }));

test('every mode answers, and counts what its prompt held', async () => {
	const none = await complete(CODE, { context: 'none', fresh: true });
	const snippets = await complete(CODE, { context: 'snippets', fresh: true });
	const hef = await complete(CODE, { context: 'hef', fresh: true });
	expect(none?.tokens).toMatchObject({ pseudo: 0, entities: 0, snippets: 0 });
	expect(snippets?.tokens).toMatchObject({ pseudo: 0, entities: 0 });
	expect(snippets?.tokens.snippets).toBeGreaterThan(50);
	expect(hef?.tokens).toMatchObject({ pseudo: K, snippets: 0 });
	expect(hef?.nodes).toHaveLength(K);
	for (const report of [none, snippets, hef]) expect(report?.tokens.generated).toBeGreaterThan(0);
});

test('equal requests give equal answers, whatever the cache holds', async () => {
	const first = await complete(CODE, { fresh: true });
	await complete('def main():\n\treturn $0', { fresh: true, context: 'none' });
	const again = await complete(CODE, { fresh: true });
	expect(texts(again)).toEqual(texts(first));
	expect(again?.nodes).toEqual(first?.nodes);
});

test('typing one character reuses nearly the whole KV cache and holds the context', async () => {
	engine.forget('file:///workspace/session.ts');
	const first = await complete(CODE);
	const typed = await complete(CODE.replace('$0', 'zq$0'));
	expect(typed?.nodes).toEqual(first?.nodes);
	const { pseudo, entities, suffix, prefix, reused = 0 } = typed?.tokens ?? { pseudo: 0, entities: 0, suffix: 0, prefix: 0 };
	expect(pseudo + entities + suffix + prefix - reused).toBeLessThanOrEqual(8);
	expect(typed?.timingsMs).toMatchObject({ embed: 0, retrieve: 0, project: 0 });
});

test('what should come is scored behind the same prompt, and changes no answer', async () => {
	const alone = { fresh: true, without: ['copy'] } as const;
	const plain = await complete(CODE, alone);
	const scored = await complete(CODE, { ...alone, gold: 'store.get(id);' });
	expect(texts(scored)).toEqual(texts(plain));
	expect(plain?.evidence).toBeUndefined();
	const { gold, features } = scored?.evidence ?? { gold: { logProb: Number.NaN, nTokens: 0 }, features: {} };
	expect(gold.nTokens).toBeGreaterThan(3);
	const nonsense = await complete(CODE, { fresh: true, gold: 'zq)}w#;;(' });
	expect(nonsense?.evidence?.gold.logProb).toBeLessThan(gold.logProb - 5);
	const own = scored?.items[0]?.insertText ?? '';
	const itself = await complete(CODE, { ...alone, gold: own });
	// The end of the line, which decoding adds, costs something more.
	expect(itself?.evidence?.gold.logProb).toBeGreaterThanOrEqual((features.sumLogProb as number) - 0.05);
	expect((await complete(CODE, { fresh: true, gold: 'store.get(id);', context: 'none' }))?.evidence?.gold.logProb).not.toBe(gold.logProb);
});

test('retrieval can be held to some levels', async () => {
	expect((await complete(CODE, { fresh: true, levels: ['chunk'] }))?.nodes).toHaveLength(K);
	expect((await complete(CODE, { fresh: true, levels: ['directory'] }))?.nodes).toEqual([]);
});

describe('the next line', () => {
	const first = CODE;
	const second = CODE.replace('$0', 'read(id);\n\t\t$0');
	const positions = ({ pseudo, entities, suffix, prefix, reused = 0 }: TokenCounts) => pseudo + entities + suffix + prefix - reused;
	const typed = { explicit: false };

	test('is served from the context nearby at once, and from its own once that was prepared', async () => {
		engine.forget('file:///workspace/session.ts');
		const answer = (await complete(first, typed)) as CompletionReport;
		const near = await complete(second, typed);
		expect(near?.timingsMs).toMatchObject({ embed: 0, retrieve: 0, project: 0 });
		expect(near?.nodes).toEqual(answer.nodes);
		engine.forget('file:///workspace/session.ts');
		await complete(first, typed);
		await engine.prepare(request(second, typed), neverCancelled);
		const prepared = await complete(second, typed);
		expect(prepared?.timingsMs).toMatchObject({ embed: 0, retrieve: 0, project: 0 });
		expect(positions(prepared?.tokens as TokenCounts)).toBe(0);
		expect(texts(prepared)).toEqual(texts(await complete(second, { ...typed, fresh: true })));
	});

	test('is prepared after an answer, and the line in use keeps its cache', async () => {
		engine.forget('file:///workspace/session.ts');
		const typedFirst = request(first, typed);
		const answer = (await engine.complete(typedFirst, neverCancelled)) as CompletionReport;
		await engine.prepareNext(typedFirst, answer, neverCancelled);
		const written = `${CODE.replace('$0', `${answer.items[0]?.insertText ?? ''}\n\t\tz$0`)}`;
		const next = await complete(written, typed);
		expect(next?.timingsMs).toMatchObject({ embed: 0, retrieve: 0, project: 0 });
		expect(positions(next?.tokens as TokenCounts)).toBeLessThanOrEqual(8);
		const back = await complete(CODE.replace('$0', 'zq$0'), typed);
		expect(positions(back?.tokens as TokenCounts)).toBeLessThanOrEqual(8);
	});

	test('far away the context is renewed before the answer', async () => {
		engine.forget('file:///workspace/session.ts');
		await complete(first, typed);
		const far = await complete(`${'// line\n'.repeat(20)}${second}`, typed);
		expect(far?.timingsMs.embed).toBeGreaterThan(0);
	});

	test('preparing is dropped when it is told to stop', async () => {
		engine.forget('file:///workspace/session.ts');
		await engine.prepare(request(second, typed), { aborted: true });
		const answer = await complete(second, { ...typed, fresh: true });
		expect(answer?.tokens.generated).toBeGreaterThan(0);
	});

	test('a place is prepared in short runs, so that whoever comes waits for little', async () => {
		await complete(CODE, { fresh: true });
		engine.forget('file:///workspace/session.ts');
		let looks = 0;
		const cancellation = {
			get aborted() {
				looks++;
				return false;
			},
		};
		await engine.prepare(request(second, typed), cancellation);
		const { pseudo, entities, suffix, prefix } = (await complete(second, typed))?.tokens ?? {
			pseudo: 0,
			entities: 0,
			suffix: 0,
			prefix: 0,
		};
		expect(pseudo + entities + suffix + prefix).toBeGreaterThan(100);
		expect(looks).toBeGreaterThan((pseudo + entities + suffix + prefix) / 32);
	});
});

test('a cancelled request answers nothing and leaves the next one right', async () => {
	const expected = await complete(CODE, { fresh: true });
	let looks = 0;
	const cancellation = {
		get aborted() {
			return ++looks > 2;
		},
	};
	expect(await engine.complete(request(CODE, { fresh: true }), cancellation)).toBeUndefined();
	expect(texts(await complete(CODE, { fresh: true }))).toEqual(texts(expected));
});

test('outside of any folder the open file alone is used, and said so', async () => {
	const { folder: _, ...outside } = request(CODE, { fresh: true });
	const report = await engine.complete(outside, neverCancelled);
	expect(report?.tokens.pseudo).toBe(0);
	expect(report?.notes?.[0]).toContain('no workspace folder');
});

test('a bundle without the llavacode projector says so', async () => {
	const report = await complete(CODE, { context: 'llavacode', fresh: true });
	if (bundle.manifest.projectors.llavacode) expect(report?.tokens.pseudo).toBeGreaterThan(0);
	else expect(report?.notes).toEqual(['the bundle has no llavacode projector']);
});

test.each(['', '\u{10ffff}'.repeat(50), `x${'\ud800'}y`, '\t'.repeat(2000), `${'a'.repeat(100_000)}`])('odd text %#', async (text) => {
	expect(await complete(`${text}$0`, { fresh: true })).toBeDefined();
});

describe('analogous lines', () => {
	const PARALLEL = `test('allows game queries', () => {
	const gameQuery = load('gameQuery');
	expect(gameQuery.kind).toBe('game');
});

test('allows callback queries', () => {
	const callbackQuery = load('callbackQuery');
	$0
});
`;
	const renamed = "expect(callbackQuery.kind).toBe('callback');";
	/** A bundle that trusts them; the shipped one has weights that were fitted. */
	const trusting = (): CompletionEngine => {
		const manifest = { ...bundle.manifest, analogy: { intercept: 6 } };
		return createCompletionEngine({ bundle: { ...bundle, manifest }, models, workspace: () => undefined, now: () => performance.now() });
	};
	const shown = async (code: string, options: Partial<CompletionRequest> = {}) =>
		(await trusting().complete(request(code, options), neverCancelled))?.items.map(({ insertText }) => insertText);

	test('are written with the names that stand here, from the start of the line and from its middle', async () => {
		expect(await shown(PARALLEL)).toEqual([renamed]);
		expect(await shown(PARALLEL.replace('$0', 'expect(callb$0'))).toEqual([renamed.slice('expect(callb'.length)]);
	});

	test('go on counting', async () => {
		const counting = `
check('file1', 1);
check('file2', 2);
check('file3', 3);
$0
`;
		expect(await shown(counting)).toEqual(["check('file4', 4);"]);
	});

	test('count nothing where they are left out', async () => {
		expect(await shown(PARALLEL, { without: ['analogy'] })).not.toEqual([renamed]);
	});

	test('go on to the end of their block where one is wanted', async () => {
		const header = PARALLEL.slice(0, PARALLEL.indexOf('\n\tconst callbackQuery'));
		const body = `\n\tconst callbackQuery = load('callbackQuery');\n\t${renamed}\n});`;
		expect(await shown(`${header}$0\n`, { multiLine: 'always' })).toEqual([body]);
	});

	test('are looked for while a place is prepared', async () => {
		const engine = trusting();
		await engine.prepare(request(PARALLEL), neverCancelled);
		expect(texts(await engine.complete(request(PARALLEL), neverCancelled))).toMatchObject([{ insertText: renamed }]);
	});
});
