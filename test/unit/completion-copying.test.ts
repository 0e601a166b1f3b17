/** The copy model in decoding: the mixture, and that running ahead changes nothing but the time. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { neverCancelled } from '../../server/base/cancellation.ts';
import { decodeCopies } from '../../server/completion/copy-only.ts';
import { createCopySources } from '../../server/completion/copy-source.ts';
import { type CopySource, decodeGreedily } from '../../server/completion/decode.ts';
import { healPrefix } from '../../server/completion/healing.ts';
import { copyFeatures, copyShare, likelyTokens, modelDistribution, restricted } from '../../server/completion/mixing.ts';
import { decodeMostProbable } from '../../server/completion/search.ts';
import { createLogitReader } from '../../server/completion/speculation.ts';
import { endOfBlock, endOfLine } from '../../server/completion/stop-rules.ts';
import type { CompletionRequest } from '../../server/completion/types.ts';
import { AnalogyFinder } from '../../server/copying/analogies.ts';
import { createAnalogySession } from '../../server/copying/analogy-session.ts';
import { createBlockTokenizer } from '../../server/copying/block-tokens.ts';
import { type CopyPrediction, type CopySession, createCopySession } from '../../server/copying/copy-model.ts';
import { createNgramIndex } from '../../server/copying/ngram-index.ts';
import { DEFAULT_COPY_WEIGHTS } from '../../server/inference/copy-weights.ts';
import { KnownLogits } from '../../server/inference/known-logits.ts';
import type { Generator, Models } from '../../server/inference/types.ts';
import { createByteTokenizer } from '../support/byte-tokenizer.ts';
import { createRandom } from '../support/random.ts';
import { openModels, shippedBundleFolder, tinyBundleFolder, tokens } from '../support/tiny-bundle.ts';

const prediction = (probabilities: Record<number, number>, more: Partial<CopyPrediction> = {}): CopyPrediction => ({
	probabilities: new Map(Object.entries(probabilities).map(([token, p]) => [Number(token), p])),
	matchLength: 6,
	support: 3,
	openFileShare: 0.5,
	likeness: 0.5,
	...more,
});

describe('the mixture', () => {
	const logits = Float32Array.from([0, 2, 1, -1]);
	const softmax = [...logits].map((logit, _, all) => Math.exp(logit) / all.reduce((sum, each) => sum + Math.exp(each), 0));
	/** λ = 1/2, whatever the features. */
	const half = { intercept: 0 };

	test('is the weighted sum of both distributions', () => {
		const model = modelDistribution(logits);
		expect(model.top).toBe(1);
		expect(model.entropy).toBeCloseTo(-softmax.reduce((sum, p) => sum + p * Math.log(p), 0), 6);
		const [choice] = likelyTokens(model, prediction({ 3: 0.9, 1: 0.1 }), half);
		expect(choice.token).toBe(3);
		expect(Math.exp(choice.logProb)).toBeCloseTo(0.5 * (softmax[3] as number) + 0.5 * 0.9, 6);
		expect(choice.copied).toBeCloseTo(0.45 / Math.exp(choice.logProb), 6);
	});

	test('without a copy is the generator', () => {
		const [choice] = likelyTokens(modelDistribution(logits), undefined, half);
		expect(choice).toEqual({ token: 1, logProb: expect.closeTo(Math.log(softmax[1] as number), 6), copied: 0 });
		expect(likelyTokens(modelDistribution(logits), prediction({ 3: 1 }), { intercept: -50 })[0].token).toBe(1);
		expect(likelyTokens(modelDistribution(logits), prediction({ 3: 1 }), { intercept: 50 })[0].token).toBe(3);
	});

	test('names the others from a probability on, the end of the line as one', () => {
		const model = modelDistribution(logits);
		const copy = prediction({ 3: 1 });
		const p = (token: number) => 0.5 * (softmax[token] as number) + (token === 3 ? 0.5 : 0);
		expect([0, 1, 2, 3].map(p).map((each) => each.toFixed(2))).toEqual(['0.04', '0.32', '0.12', '0.52']);
		const named = (options: Parameters<typeof likelyTokens>[3]) =>
			likelyTokens(model, copy, half, options).map(({ token, logProb }) => [token, Math.exp(logProb)]);
		expect(named({ least: 0.1 })).toEqual([3, 1, 2].map((token) => [token, expect.closeTo(p(token), 6)]));
		expect(named({ least: 0.4 })).toEqual([[3, expect.closeTo(p(3), 6)]]);
		// Token 3 stands for both, and what is copied is its share of them.
		const lineEnds = new Set([1, 3]);
		expect(named({ least: 0.1, lineEnds })).toEqual([
			[3, expect.closeTo(p(1) + p(3), 6)],
			[2, expect.closeTo(p(2), 6)],
		]);
		expect(likelyTokens(model, copy, half, { lineEnds })[0].copied).toBeCloseTo(0.5 / (p(1) + p(3)), 6);
		expect(likelyTokens(model, undefined, half, { lineEnds: new Set([2, 1]) })[0]).toMatchObject({ token: 1, copied: 0 });
		expect(likelyTokens(modelDistribution(logits, [0, 3]), undefined, half, { least: 0.01 }).map(({ token }) => token)).toEqual([0, 3]);
	});

	test('stays within the allowed tokens', () => {
		const model = modelDistribution(logits, [0, 3]);
		expect(model.top).toBe(0);
		const copy = restricted(prediction({ 1: 0.75, 3: 0.25 }), (token) => token !== 1);
		expect(copy?.probabilities).toEqual(new Map([[3, 1]]));
		const [{ token, logProb }] = likelyTokens(model, copy, half);
		const p3 = Math.exp(-1) / (1 + Math.exp(-1));
		expect([token, Math.exp(logProb)]).toEqual([3, expect.closeTo(0.5 * p3 + 0.5, 6)]);
		expect(restricted(prediction({ 1: 1 }), () => false)).toBeUndefined();
	});

	test('trusts longer matches more with the default weights, and a sure generator more', () => {
		const share = (copy: Partial<CopyPrediction>, scale: number) =>
			copyShare(copyFeatures(prediction({ 3: 1 }, copy), modelDistribution(logits.map((logit) => logit * scale))), DEFAULT_COPY_WEIGHTS);
		expect(share({ matchLength: 12 }, 1)).toBeGreaterThan(share({ matchLength: 2 }, 1));
		expect(share({}, 0.1)).toBeGreaterThan(share({}, 5));
	});
});

describe('copying alone', () => {
	const tokenizer = createByteTokenizer();
	const session = (prefix: string) =>
		createCopySession({ prefix, suffix: '', path: 'a', tokenizer: createBlockTokenizer(tokenizer), repository: undefined });
	const rules = { tokenizer, maxNewTokens: 64, stop: endOfLine, cancellation: neverCancelled };

	test('repeats the line that began like this one, and scores it by its frequency', () => {
		const decoded = decodeCopies({ ...rules, forced: '', session: session('let first = next();\nlet second = next();\nlet s') });
		expect(decoded).toMatchObject({ text: 'econd = next();', reason: 'stopRule', copied: 1 });
		expect(Math.exp(decoded.sumLogProb)).toBeCloseTo(1, 6);
	});

	test('writes what is forced even where nothing like it stands', () => {
		expect(decodeCopies({ ...rules, forced: 'qz', session: session('abc') })).toMatchObject({ text: '', nTokens: 2, reason: 'stopToken' });
	});

	test('sees a cancellation', () => {
		const cancelled = decodeCopies({ ...rules, forced: '', cancellation: { aborted: true }, session: session('aaaa') });
		expect(cancelled.reason).toBe('cancelled');
	});
});

/** Text that repeats itself in part, as code does: pieces of a small stock of lines, with other names. */
function repetitiveText(seed: number, nLines: number): string {
	const random = createRandom(seed);
	const names = ['store', 'session', 'items', 'value', 'index', 'result'];
	const shapes = [
		(a: string, b: string) => `const ${a} = await this.${b}.load(id);`,
		(a: string, b: string) => `if (${a} === undefined) return ${b};`,
		(a: string, b: string) => `this.${a}.set(${b}, { ${a}, kind: '${b}' });`,
		(a: string, b: string) => `for (const ${a} of ${b}.values()) total += ${a}.length;`,
		(a: string) => `expect(${a}.size).toBe(3);`,
	];
	return Array.from({ length: nLines }, () => `\t${random.pick(shapes)(random.pick(names), random.pick(names))}\n`).join('');
}

describe.each([
	['tiny bundle', tinyBundleFolder, 24, 60],
	['shipped bundle', shippedBundleFolder, 40, 16],
])('speculation with the %s', (_, folder, nCursors, nLines) => {
	let models: Models;
	let generator: Generator;
	beforeAll(async () => {
		models = await openModels(folder);
		generator = await models.generator();
	}, 60_000);
	afterAll(() => models.dispose());

	const repository = () => {
		const index = createNgramIndex();
		for (const _ of index.put('other.ts', Uint32Array.from(models.tokenizer.encode(repetitiveText(99, 200)))));
		return index;
	};

	const decodeAt = async (text: string, speculate: boolean, block: boolean) => {
		const { tokenizer } = models;
		const { kept, forced } = healPrefix(text, tokenizer);
		const prompt = [tokens([5, ...tokenizer.encode(kept).slice(-300)])];
		const prefilled = await generator.prefill(prompt, neverCancelled);
		if (!prefilled) throw new Error('not cancelled');
		const blockTokenizer = createBlockTokenizer(tokenizer);
		const before = text.slice(0, text.lastIndexOf('\n') + 1);
		const analogies = createAnalogySession({
			...{ typed: text.slice(before.length), forced, tokenizer: blockTokenizer },
			find: () => new AnalogyFinder(blockTokenizer).find({ before, after: '', path: 'open.ts', repository: undefined }),
		});
		const options = { suffix: '', path: 'open.ts', tokenizer: blockTokenizer, repository: repository(), analogies };
		const session = createCopySession({ ...options, prefix: kept });
		// Copies count enough to be followed often, and not always.
		const copy: CopySource = {
			session,
			weights: { intercept: -1, logMatchLength: 1 },
			analogyWeights: { intercept: -1, logShaped: 1 },
			speculate,
		};
		const rules = block
			? { stop: endOfBlock('\t'), maxNewTokens: 48, singleLine: false }
			: { stop: endOfLine, maxNewTokens: 32, singleLine: true };
		const { logits, positions } = prefilled;
		return (block ? decodeGreedily : decodeMostProbable)({
			...{ generator, tokenizer, logits, positions, forced, copy, ...rules },
			...{ cancellation: neverCancelled, timeBudgetMs: 60_000, now: () => 0 },
		});
	};

	test(`writes the same at ${nCursors} cursors`, { timeout: 120_000 }, async () => {
		const random = createRandom(3);
		let copied = 0;
		for (let cursor = 0; cursor < nCursors; cursor++) {
			const text = repetitiveText(cursor, nLines);
			const cut = text.slice(0, text.length - 1 - random.below(40));
			const plain = await decodeAt(cut, false, cursor % 3 === 0);
			const speculated = await decodeAt(cut, true, cursor % 3 === 0);
			expect([cut, speculated.text, speculated.nTokens, speculated.reason]).toEqual([cut, plain.text, plain.nTokens, plain.reason]);
			expect(speculated.sumLogProb).toBeCloseTo(plain.sumLogProb, 1);
			copied += plain.copied;
		}
		expect(copied / nCursors).toBeGreaterThan(0.2);
	});
});

describe('where it is copied from', () => {
	const blockTokenizer = createBlockTokenizer(createByteTokenizer());
	const weights = { copy: { intercept: 0 }, analogy: { intercept: 0 } };
	const request = { uri: 'file:///open.ts', path: 'open.ts' } as CompletionRequest;
	const first = 'if (a) {\n\tbegin(a, [a]);\n\tone(a);\n\tawait a;\n}\n';
	const predictionAt = (kept: string, suffix: string) => {
		const sources = createCopySources({ tokenizer: blockTokenizer, weights });
		return sources.at({ kept, forced: '', suffix }, request, undefined, false).session.predictAnalogy()?.analogy;
	};

	test('lines behind the cursor count where they go on in its block', () => {
		const before = `${first}if (b) {\n\tbegin(b, [b]);\n\t`;
		expect(predictionAt(before, '\n\tawait b;\n}\n')).toMatchObject({ before: { shaped: 2 }, behind: { shaped: 2 } });
		expect(predictionAt(before, '\n\n}\nawait b;\n')).toMatchObject({ before: { shaped: 2 }, behind: { shaped: 0 } });
		expect(predictionAt(before, '')).toMatchObject({ before: { shaped: 2 }, behind: { shaped: 0 } });
	});
});

describe('running ahead', () => {
	const tokenizer = createByteTokenizer();
	/** Predicts the letters of the alphabet in their order. */
	const alphabet = (from: string, predictAnalogy: CopySession['predictAnalogy'] = () => undefined): CopySession => {
		const ids = [...tokenizer.encode(from)];
		return {
			get length() {
				return ids.length;
			},
			predict: () => prediction({ [(ids.at(-1) as number) + 1]: 0.95 }),
			predictAnalogy,
			push: (token) => void ids.push(token),
			truncate: (length) => void ids.splice(length),
		};
	};
	const counting = (logits = (token: number) => Float32Array.of(token)) => {
		const fed: number[][] = [];
		const generator: Generator = {
			vocabSize: 257,
			maxPositions: 1000,
			stopTokens: new Set(),
			prefill: () => Promise.reject(new Error('not used')),
			decode: async (token) => {
				fed.push([token]);
				return logits(token);
			},
			decodeMany: async (tokens) => {
				fed.push([...tokens]);
				return tokens.map(logits);
			},
			truncate: (length) => void fed.push([-length]),
		};
		return { generator, fed };
	};
	const text = (from: string) => tokenizer.encode(from);

	test('runs what is predicted once, and takes back what was not chosen', async () => {
		const { generator, fed } = counting();
		const session = alphabet('a');
		const reader = createLogitReader({ generator, tokenizer, positions: 10, copy: { session, speculate: true } });
		const written: number[] = [];
		const next = async (letter: string) => {
			const [token] = text(letter) as [number];
			session.push(token);
			written.push(token);
			expect([...(await reader.behind(written, 60))]).toEqual([token]);
		};
		await next('b');
		await next('c');
		await next('d');
		expect(fed).toEqual([text('bcdefghijk')]);
		await next('p');
		expect(fed.slice(1)).toEqual([[-13], text('pqrstuvwxy')]);
		expect(session.length).toBe(5);
		// Another way: the generator goes back to where it left this one, and reads what lies between.
		session.truncate(2);
		for (const token of text('ce')) session.push(token);
		expect([...(await reader.behind(text('bce'), 4))]).toEqual(text('e'));
		expect(fed.slice(3)).toEqual([[-12], text('efgh')]);
		// A way that was read already, and one that was run ahead and not taken: nothing runs.
		expect([...(await reader.behind(text('bc'), 1))]).toEqual(text('c'));
		expect([...(await reader.behind(text('bcdef'), 1))]).toEqual(text('f'));
		expect(fed.slice(5)).toEqual([]);
	});

	test('what was read behind a prompt is not run when the prompt is asked for again', async () => {
		const { generator, fed } = counting();
		const known = new KnownLogits();
		const first = createLogitReader({ generator, tokenizer, positions: 10, known });
		await first.behind(text('a'), 60);
		await first.behind(text('ab'), 60);
		fed.length = 0;
		const again = createLogitReader({ generator, tokenizer, positions: 10, known });
		expect([...(await again.behind(text('a'), 60)), ...(await again.behind(text('ab'), 60))]).toEqual(text('ab'));
		expect(fed).toEqual([]);
		// The generator stands behind the prompt: it reads what it was not asked for, once.
		expect([...(await again.behind(text('abc'), 60))]).toEqual(text('c'));
		await again.behind(text('abcd'), 60);
		expect(fed).toEqual([text('abc'), text('d')]);
	});

	test('a cancellation is seen before the next run', async () => {
		const { generator, fed } = counting(() => new Float32Array(257));
		let looks = 0;
		const cancellation = {
			get aborted() {
				return ++looks >= 4;
			},
		};
		const decoded = await decodeGreedily({
			generator: { ...generator, stopTokens: new Set([256]) },
			...{ tokenizer, logits: new Float32Array(257), positions: 5, forced: '', maxNewTokens: 40, stop: endOfLine, cancellation },
			copy: { session: alphabet('a'), weights: { intercept: 50 }, speculate: true },
			...{ timeBudgetMs: 1000, now: () => 0 },
		});
		expect([decoded.reason, decoded.text]).toEqual(['cancelled', 'bcde']);
		expect(fed).toEqual([text('bcdefghijk')]);
	});

	test('runs one token at a time when it may not, and no more than are wanted', async () => {
		const { generator, fed } = counting();
		const session = alphabet('a');
		const alone = createLogitReader({ generator, tokenizer, positions: 1, copy: { session, speculate: false } });
		await alone.behind([98], 60);
		const short = createLogitReader({ generator, tokenizer, positions: 1, copy: { session, speculate: true } });
		await short.behind([98], 3);
		expect(fed.map((tokens) => tokens.length)).toEqual([1, 3]);
	});

	test('ends at the line where decoding does', async () => {
		const { generator, fed } = counting();
		const session = alphabet('\u0006');
		const reader = createLogitReader({ generator, tokenizer, positions: 1, copy: { session, speculate: true }, singleLine: true });
		session.push(7);
		await reader.behind([7], 60);
		expect(fed).toEqual([[7, 8, 9]]);
	});

	test('follows analogous lines where they are surer than the copy model, and most of them agree', async () => {
		const { generator, fed } = counting();
		const words = { literal: 0, words: 1, familiarity: 1 };
		const analogy = {
			probabilities: new Map([[50, 1]]),
			mass: 0.8,
			analogy: { before: { shaped: 3, ...words }, behind: { shaped: 0, ...words }, inOpenFile: true },
			agreed: 0,
		};
		const run = (mass: number) => {
			const session = alphabet('a', () => ({ ...analogy, mass }));
			session.push(98);
			return createLogitReader({ generator, tokenizer, positions: 1, copy: { session, speculate: true } }).behind([98], 3);
		};
		await run(0.8);
		await run(0.4);
		expect(fed).toEqual([
			[98, 50, 50],
			[98, 99, 100],
		]);
	});
});
