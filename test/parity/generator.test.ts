/** Decoding with a kept KV cache against computing everything anew: the same tokens, whatever was cached before. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Cancellation, neverCancelled } from '../../server/base/cancellation.ts';
import { loadBundle } from '../../server/inference/bundle.ts';
import { argmax } from '../../server/inference/sampling.ts';
import type { Generator, Models, Prefilled, PromptPart } from '../../server/inference/types.ts';
import { largestDifference, openModels, shippedBundleFolder, tinyBundleFolder, tokens } from '../support/tiny-bundle.ts';

const source = readFileSync(new URL('../../shared/settings.ts', import.meta.url), 'utf8');

/**
 * `tolerance`: largest difference of a logit. Kernels for one row and for many add in another order, which fp32 hardly shows;
 * where 8-bit activations are rounded, a value at an edge moves by a whole step
 * (0.12 seen; a wrong position moves logits by several units).
 */
describe.each([
	{ name: 'tiny bundle, fp32', folder: tinyBundleFolder, tolerance: 1e-4 },
	{ name: 'shipped bundle, int8', folder: shippedBundleFolder, tolerance: 0.5 },
])('$name', ({ folder, tolerance }) => {
	let models: Models;
	let generator: Generator;
	/** Real code. */
	let code: number[];
	let hiddenSize: number;

	beforeAll(async () => {
		models = await openModels(folder);
		generator = await models.generator();
		code = models.tokenizer.encode(source).slice(0, 620);
		hiddenSize = (await loadBundle(folder)).manifest.generator.hiddenSize;
	});
	afterAll(() => models.dispose());

	async function prefill(prompt: readonly PromptPart[], cancellation: Cancellation = neverCancelled): Promise<Prefilled> {
		return (await generator.prefill(prompt, cancellation)) as Prefilled;
	}

	/** Logits after the prompt, computed with nothing in the cache. */
	async function anew(prompt: readonly PromptPart[]): Promise<Float32Array> {
		generator.truncate(0);
		return (await prefill(prompt)).logits;
	}

	/** Greedy tokens, and the logits that each was chosen from. */
	async function greedy(prompt: readonly PromptPart[], nTokens: number): Promise<{ ids: number[]; logits: Float32Array[] }> {
		const logits = [(await prefill(prompt)).logits];
		const ids: number[] = [];
		while (ids.length < nTokens) {
			ids.push(argmax(logits.at(-1) as Float32Array));
			if (ids.length < nTokens) logits.push(await generator.decode(ids.at(-1) as number));
		}
		return { ids, logits };
	}

	/** The same logits, and the same choice unless two are nearer than the tolerance. */
	function expectSame(a: Float32Array, b: Float32Array): void {
		expect(largestDifference(a, b)).toBeLessThan(tolerance);
		expect((a[argmax(a)] as number) - (a[argmax(b)] as number)).toBeLessThan(tolerance);
	}

	/** Aborted from the n-th look on. */
	function abortedAtLook(n: number): Cancellation {
		let looks = 0;
		return {
			get aborted() {
				return ++looks >= n;
			},
		};
	}

	test('each decoded token has the logits of a full computation', async () => {
		for (const length of [20, 130, 137, 300]) {
			generator.truncate(0);
			const cached = await greedy([tokens(code.slice(0, length))], 6);
			for (const [i, logits] of cached.logits.entries()) {
				expectSame(logits, await anew([tokens([...code.slice(0, length), ...cached.ids.slice(0, i)])]));
			}
		}
	});

	test('what a run returned stays as it is when others follow', async () => {
		generator.truncate(0);
		const { logits } = await prefill([tokens(code.slice(0, 40))]);
		const returned = [logits, await generator.decode(code[40] as number), ...(await generator.decodeMany(code.slice(41, 45)))];
		const copies = returned.map((row) => row.slice());
		await generator.decode(code[45] as number);
		await generator.decodeMany(code.slice(46, 50));
		await prefill([tokens(code.slice(300, 500))]);
		expect(returned).toEqual(copies);
	});

	test('a prompt that goes on reuses what is there', async () => {
		await anew([tokens(code.slice(0, 400))]);
		const { logits, reused, positions } = await prefill([tokens(code.slice(0, 404))]);
		expect({ reused, positions }).toEqual({ reused: 400, positions: 404 });
		expectSame(logits, await anew([tokens(code.slice(0, 404))]));
	});

	test('the same prompt again runs nothing, until what stood behind it was cut off', async () => {
		const prompt = [tokens(code.slice(0, 200))];
		const first = await anew(prompt);
		const next = await generator.decode(code[200] as number);
		const again = await prefill(prompt);
		expect(again).toMatchObject({ reused: 200, positions: 200 });
		expect(again.logits).toBe(first);
		expectSame(await generator.decode(code[200] as number), next);
		generator.truncate(199);
		const { logits, reused } = await prefill(prompt);
		expect(reused).toBe(199);
		expect(logits).not.toBe(first);
		expectSame(logits, first);
	});

	test('what was added to the known logits of a prompt is there when it is asked for again', async () => {
		const prompt = [tokens(code.slice(0, 100))];
		await anew(prompt);
		const { known } = await prefill(prompt);
		const row = await generator.decode(code[100] as number);
		known.add([code[100] as number], row);
		expect((await prefill(prompt)).known.behind([code[100] as number])).toBe(row);
		expect((await prefill([tokens(code.slice(0, 102))])).known.behind([code[100] as number])).toBeUndefined();
	});

	/** Logits behind 101 positions that are known, where the KV cache has 100 of them. */
	async function known101(): Promise<Float32Array> {
		await anew([tokens(code.slice(0, 100))]);
		const { known } = await prefill([tokens(code.slice(0, 100))]);
		const row = await generator.decode(code[100] as number);
		known.add([code[100] as number], row);
		generator.truncate(100);
		await generator.decode(code[300] as number);
		return row;
	}

	test('a prompt that goes on as what was known is not run, and read with what is decoded behind it', async () => {
		const row = await known101();
		const longer = [tokens(code.slice(0, 101))];
		const first = await prefill(longer);
		expect(first).toMatchObject({ positions: 101, reused: 101 });
		expect(first.logits).toBe(row);
		const next = await generator.decode(code[101] as number);
		const [third] = await generator.decodeMany([code[102] as number]);
		first.known.add([code[101] as number], next);
		expect((await prefill(longer)).known.behind([code[101] as number])).toEqual(next);
		expect((await prefill([tokens(code.slice(0, 100))])).reused).toBe(100);
		expectSame(next, await anew([tokens(code.slice(0, 102))]));
		expectSame(third as Float32Array, await anew([tokens(code.slice(0, 103))]));
	});

	test('what is cut off before it was read is not read', async () => {
		await known101();
		await prefill([tokens(code.slice(0, 101))]);
		generator.truncate(100);
		const other = await generator.decode(code[200] as number);
		expectSame(other, await anew([tokens([...code.slice(0, 100), code[200] as number])]));
	});

	test('another prompt leaves nothing unread of the one before', async () => {
		await known101();
		await prefill([tokens(code.slice(0, 101))]);
		await prefill([tokens(code.slice(400, 450))]);
		expectSame(await generator.decode(code[450] as number), await anew([tokens(code.slice(400, 451))]));
	});

	test('a prompt that parts in the middle keeps the common beginning only', async () => {
		await anew([tokens(code.slice(0, 300))]);
		const other = [tokens([...code.slice(0, 150), ...code.slice(450, 510)])];
		const { logits, reused } = await prefill(other);
		expect(reused).toBe(150);
		expectSame(logits, await anew(other));
	});

	describe('pseudo-tokens', () => {
		const pseudo = (keys: readonly string[]): PromptPart => ({
			kind: 'embeddings',
			keys,
			embeddings: Float32Array.from({ length: keys.length * hiddenSize }, (_, i) => Math.sin(i + keys.join().length)),
		});

		test('are reused by their keys, and another key ends the reuse', async () => {
			const text = tokens(code.slice(0, 50));
			await anew([pseudo(['a', 'b', 'c']), text]);
			expect((await prefill([pseudo(['a', 'b', 'c']), text])).reused).toBe(53);
			const { logits, reused } = await prefill([pseudo(['a', 'b', 'd']), text]);
			expect(reused).toBe(2);
			expectSame(logits, await anew([pseudo(['a', 'b', 'd']), text]));
		});
	});

	test('a truncated cache goes on as if nothing had been behind', async () => {
		await anew([tokens(code.slice(0, 300))]);
		generator.truncate(170);
		const [a, b] = await generator.decodeMany(code.slice(170, 172));
		expectSame(a as Float32Array, await anew([tokens(code.slice(0, 171))]));
		expectSame(b as Float32Array, await anew([tokens(code.slice(0, 172))]));
	});

	test('many tokens at once have the logits of one after the other', async () => {
		await anew([tokens(code.slice(0, 100))]);
		const together = await generator.decodeMany(code.slice(100, 105));
		generator.truncate(100);
		for (const [i, token] of code.slice(100, 105).entries()) expectSame(together[i] as Float32Array, await generator.decode(token));
		expect(await generator.decodeMany([])).toEqual([]);
	});

	test('growing past the capacity changes nothing', async () => {
		const grown = await openModels(folder);
		const fresh = await grown.generator();
		await fresh.prefill([tokens(code.slice(0, 250))], neverCancelled);
		// Room for 384 positions at first, then for more.
		for (const token of code.slice(250, 390)) await fresh.decode(token);
		await fresh.decodeMany(code.slice(390, 515));
		const { logits, reused } = (await fresh.prefill([tokens(code.slice(0, 600))], neverCancelled)) as Prefilled;
		expect(reused).toBe(515);
		expectSame(logits, await anew([tokens(code.slice(0, 600))]));
		await grown.dispose();
	});

	test('a prefill that is cancelled midway keeps its finished pieces, and the next one goes on from them', async () => {
		const prompt = [tokens(code.slice(0, 500))];
		generator.truncate(0);
		expect(await generator.prefill(prompt, abortedAtLook(3))).toBeUndefined();
		const { logits, reused } = await prefill(prompt);
		expect(reused).toBe(2 * 136);
		expectSame(logits, await anew(prompt));
	});

	test('smaller pieces let a cancellation in sooner and read the same', async () => {
		const prompt = [tokens(code.slice(0, 200))];
		generator.truncate(0);
		expect(await generator.prefill(prompt, abortedAtLook(3), 32)).toBeUndefined();
		const { logits, reused } = (await generator.prefill(prompt, neverCancelled, 32)) as Prefilled;
		expect(reused).toBe(2 * 32);
		expectSame(logits, await anew(prompt));
	});

	test('a prefill that is cancelled before it starts forgets nothing that is still right', async () => {
		await anew([tokens(code.slice(0, 200))]);
		expect(await generator.prefill([tokens(code.slice(0, 210))], { aborted: true })).toBeUndefined();
		expect((await prefill([tokens(code.slice(0, 210))])).reused).toBe(200);
	});

	test('more positions than the model reads are refused by name, and the cache stays', async () => {
		const long = Array.from({ length: generator.maxPositions + 1 }, (_, i) => code[i % code.length] as number);
		await anew([tokens(code.slice(0, 10))]);
		await expect(generator.prefill([tokens(long)], neverCancelled)).rejects.toMatchObject({
			code: 'inference-failed',
			message: expect.stringContaining(`more than the ${generator.maxPositions}`),
		});
		expect((await prefill([tokens(code.slice(0, 11))])).reused).toBe(10);
	});

	test('the last position of the model can be filled', async () => {
		const full = Array.from({ length: generator.maxPositions }, (_, i) => code[i % code.length] as number);
		const last = await anew([tokens(full)]);
		await anew([tokens(full.slice(0, -1))]);
		expectSame(await generator.decode(full.at(-1) as number), last);
		await expect(generator.decode(1)).rejects.toMatchObject({ code: 'inference-failed' });
	});

	test('overlapping runs are a bug that is seen', async () => {
		generator.truncate(0);
		const first = generator.decode(code[0] as number);
		await expect(generator.prefill([tokens([1])], neverCancelled)).rejects.toThrow(/do not overlap/);
		await first;
	});
});
