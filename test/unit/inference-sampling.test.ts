import { expect, test } from 'vitest';
import { argmax, argmaxOf, logProbability, softmaxSums } from '../../server/inference/sampling.ts';
import { createRandom } from '../support/random.ts';

const logits = Float32Array.of(1, 3, 3, -2);

test('the largest logit wins, the first of equals', () => {
	expect(argmax(logits)).toBe(1);
	expect(argmax(Float32Array.of(Number.NaN, -5, -4))).toBe(2);
});

test('a constrained choice looks at the allowed ids alone', () => {
	expect(argmaxOf(logits, [3, 0])).toBe(0);
	expect(() => argmaxOf(logits, [])).toThrow(/at least one/);
});

test('log-probabilities sum to one, over all tokens and over the allowed', () => {
	const sum = (ids: number[], allowed?: number[]) => ids.reduce((total, id) => total + Math.exp(logProbability(logits, id, allowed)), 0);
	expect(sum([0, 1, 2, 3])).toBeCloseTo(1, 6);
	expect(sum([0, 3], [0, 3])).toBeCloseTo(1, 6);
	expect(logProbability(Float32Array.of(0, 0), 1)).toBeCloseTo(Math.log(0.5), 6);
});

test('large logits do not overflow', () => {
	expect(logProbability(Float32Array.of(1000, 999), 0)).toBeCloseTo(-Math.log(1 + Math.exp(-1)), 5);
});

test('sums over a softmax are those of Math.exp', () => {
	const random = createRandom(4);
	for (const scale of [0.1, 3, 30]) {
		const wide = Float32Array.from({ length: 2000 }, () => scale * random.normal());
		const max = wide[argmax(wide)] as number;
		const below = Array.from(wide, (logit) => logit - max);
		const sum = below.reduce((total, each) => total + Math.exp(each), 0);
		const weighted = below.reduce((total, each) => total + each * Math.exp(each), 0);
		const sums = softmaxSums(wide);
		expect(sums).toMatchObject({ top: argmax(wide), max });
		expect(Math.abs(sums.sum / sum - 1)).toBeLessThan(1e-8);
		expect(Math.abs(sums.weighted - weighted) / sum).toBeLessThan(1e-8);
	}
	const { NaN: nothing, NEGATIVE_INFINITY: never } = Number;
	expect(softmaxSums(Float32Array.of(0, never, -1000))).toEqual({ top: 0, max: 0, sum: 1, weighted: 0 });
	expect(softmaxSums(Float32Array.of(never, nothing, -1000, 7, 7))).toEqual({ top: 3, max: 7, sum: 2, weighted: 0 });
});
