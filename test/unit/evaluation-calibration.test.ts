/** The fit of the confidence: known weights come back, useless features stay out, figures come from unseen repositories. */
import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../server/cli/cursors.ts';
import { calibrate } from '../../server/cli/evaluation/calibration.ts';
import { crossValidate, fitLogistic, logLoss, predict, type Sample, selectFeatures } from '../../server/cli/evaluation/logistic.ts';
import type { ExampleScore } from '../../server/cli/evaluation/scores.ts';
import { CONFIDENCE_FEATURES } from '../../server/inference/manifest.ts';

/** Samples whose probability is the logistic function of 0.5 + 2a − 1b; the third feature is noise. */
function known(count: number, groups = 8): Sample[] {
	const random = seededRandom(7);
	return Array.from({ length: count }, (_, i) => {
		const [a, b, noise] = [4 * random() - 2, 4 * random() - 2, 100 * random()];
		const p = 1 / (1 + Math.exp(-(0.5 + 2 * a - b)));
		return { features: [a, b, noise], right: random() < p, group: `repository ${i % groups}` };
	});
}

describe('the logistic fit', () => {
	test('recovers known weights', () => {
		const { intercept, weights } = fitLogistic(known(8000));
		expect(intercept).toBeCloseTo(0.5, 0);
		expect(weights[0]).toBeGreaterThan(1.85);
		expect(weights[0]).toBeLessThan(2.15);
		expect(weights[1]).toBeGreaterThan(-1.12);
		expect(weights[1]).toBeLessThan(-0.88);
		expect(Math.abs(weights[2] as number)).toBeLessThan(0.005);
	});

	test('stays finite on separable data and on a feature that never changes', () => {
		const samples = [-2, -1, 1, 2].map((a) => ({ features: [a, 3], right: a > 0, group: 'one' }));
		const model = fitLogistic(samples);
		expect(model.weights[0]).toBeGreaterThan(0.3);
		expect(Number.isFinite(model.weights[0])).toBe(true);
		expect(model.weights[1]).toBe(0);
		expect(predict(model, [2, 3])).toBeGreaterThan(0.7);
	});

	test('is as good as the truth on groups that it did not see', () => {
		const samples = known(4000);
		const truth = samples.map(({ features: [a = 0, b = 0] }) => 1 / (1 + Math.exp(-(0.5 + 2 * a - b))));
		expect(logLoss(samples, crossValidate(samples))).toBeLessThan(logLoss(samples, truth) + 0.01);
	});

	test('a group that contradicts all others is judged by them, not by itself', () => {
		const samples = known(2000, 4).map((sample) => (sample.group === 'repository 0' ? { ...sample, right: !sample.right } : sample));
		const probabilities = crossValidate(samples);
		const lossOf = (group: string) => {
			const own = samples.flatMap((sample, i) => (sample.group === group ? [i] : []));
			return logLoss(
				own.map((i) => samples[i] as Sample),
				own.map((i) => probabilities[i] as number),
			);
		};
		expect(lossOf('repository 0')).toBeGreaterThan(2 * lossOf('repository 1'));
	});

	test('selection takes what helps and leaves noise', () => {
		const steps = selectFeatures(known(3000), [1]);
		expect(steps.map(({ features }) => features)).toEqual([[1], [1, 0]]);
		expect(steps[1]?.logLoss).toBeLessThan((steps[0]?.logLoss as number) - 0.05);
	});
});

/** Answers whose chance to be right is the logistic function of 2 + sumLogProb, half of them inside a line. */
function answers(count: number): ExampleScore[] {
	const random = seededRandom(3);
	return Array.from({ length: count }, (_, i) => {
		const sumLogProb = -6 * random();
		const nTokens = 1 + Math.floor(random() * 10);
		const features = Object.fromEntries(CONFIDENCE_FEATURES.map((name) => [name, 0]));
		return {
			...{
				id: `${i}`,
				repo: `repository ${i % 5}`,
				mode: 'hef',
				mid: i % 2 === 1,
				gold: '',
				prediction: 'x',
				es: 0,
				identifierMatch: false,
			},
			...{ confidence: 0.5, ttftMs: 1, totalMs: 1, suppressed: i % 10 === 0 ? 'empty' : null },
			em: i % 10 !== 0 && random() < 1 / (1 + Math.exp(-(2 + sumLogProb))),
			features: { ...features, sumLogProb, meanLogProb: sumLogProb / nTokens, nTokens },
		};
	});
}

describe('calibration', () => {
	const calibration = calibrate(answers(4000), 0.6);

	test('finds the model behind the answers', () => {
		const { intercept, sumLogProb = 0, meanLogProb = 0 } = calibration.weights;
		expect(intercept).toBeGreaterThan(1.7);
		expect(intercept).toBeLessThan(2.3);
		expect(sumLogProb).toBeGreaterThan(0.8);
		expect(sumLogProb).toBeLessThan(1.2);
		expect(Math.abs(meanLogProb)).toBeLessThan(0.4);
		expect(calibration.selection[0]?.features).toEqual(['sumLogProb', 'meanLogProb']);
	});

	test('coverage counts requests without a suggestion too', () => {
		expect(calibration).toMatchObject({ requests: 4000, suggestions: 3600, repositories: 5 });
		expect(calibration.points.at(-1)?.coverage).toBeCloseTo(0.9);
		expect(calibration.chosen?.precision).toBeGreaterThanOrEqual(0.6);
		expect(calibration.chosen?.precision).toBeLessThan(0.65);
		expect(calibration.chosenAt.lineStart?.threshold).toBe(calibration.chosen?.threshold);
		expect(calibration.chosenAt.midLine?.coverage).toBeGreaterThan(0);
	});

	test('what cannot be fitted is refused', () => {
		expect(() => calibrate([], 0.6)).toThrow('right and wrong suggestions in two repositories or more');
		const one = answers(100).map((answer) => ({ ...answer, repo: 'only' }));
		expect(() => calibrate(one, 0.6)).toThrow('90 in 1');
		expect(() =>
			calibrate(
				answers(100).map((answer) => ({ ...answer, em: false })),
				0.6,
			),
		).toThrow('two repositories');
	});
});
