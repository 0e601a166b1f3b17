import { expect, test } from 'vitest';
import { confidenceOf, featuresOf, highestConfidence } from '../../server/completion/confidence.ts';
import { CONFIDENCE_FEATURES, type ConfidenceWeights } from '../../server/inference/manifest.ts';
import { createRandom } from '../support/random.ts';

/** What was decoded after each of the tokens. */
function courseOf(logProbs: readonly number[], copied: readonly number[]) {
	return logProbs.map((_, i) => {
		const soFar = logProbs.slice(0, i + 1);
		const sumLogProb = soFar.reduce((sum, each) => sum + each, 0);
		const share = copied.slice(0, i + 1).reduce((sum, each) => sum + each, 0) / (i + 1);
		return { nTokens: i + 1, sumLogProb, minLogProb: Math.min(...soFar), firstLogProb: soFar[0] as number, copied: share };
	});
}

test('no text ever gets more confidence than was thought possible at any of its tokens, whatever the weights', () => {
	const { next: random } = createRandom(5);
	for (let n = 0; n < 300; n++) {
		const weights = { intercept: 4 * random() - 2 } as Record<string, number>;
		for (const name of CONFIDENCE_FEATURES) if (random() < 0.6) weights[name] = 3 * random() - 1;
		const length = 1 + Math.floor(random() * 20);
		const course = courseOf(
			Array.from({ length }, () => -3 * random() * random()),
			Array.from({ length }, () => random()),
		);
		const linePrefix = random() < 0.5 ? '\t' : 'wor';
		const final = confidenceOf(featuresOf(course.at(-1) as (typeof course)[number], linePrefix), weights as ConfidenceWeights);
		for (const soFar of course) {
			const highest = highestConfidence(featuresOf(soFar, linePrefix), weights as ConfidenceWeights, 64);
			expect(highest).toBeGreaterThanOrEqual(final - 1e-12);
		}
	}
});

test('a text that can no longer be sure is known to be so early', () => {
	const weights: ConfidenceWeights = { intercept: 0.3, sumLogProb: 0.8, meanLogProb: 1.8 };
	const [first, second] = courseOf([-1, -2], [0, 0]).map((soFar) => highestConfidence(featuresOf(soFar, ''), weights, 64));
	expect(first).toBeGreaterThan(0.2);
	expect(second).toBeLessThan(0.2);
});

test('also where the mean counts against it, which sinks no more than the sum does', () => {
	const weights: ConfidenceWeights = { intercept: 1.8, sumLogProb: 1.1, meanLogProb: -0.8 };
	const [first, second] = courseOf([-1, -3], [0, 0]).map((soFar) => highestConfidence(featuresOf(soFar, ''), weights, 64));
	expect(first).toBeGreaterThan(0.5);
	expect(second).toBeLessThan(0.3);
	expect(highestConfidence(featuresOf(courseOf([-3], [0])[0] as never, ''), { intercept: 0, meanLogProb: -1 }, 64)).toBe(1);
});
