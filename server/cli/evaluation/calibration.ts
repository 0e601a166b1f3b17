/**
 * Fits the confidence of suggestions to answers of the server's own pipeline: which features, with which weights, and what a
 * threshold on it then shows. Figures come from models that did not see the repository they judge; the choice of features did,
 * so they are a shade too good.
 */
import { HefError } from '../../base/errors.ts';
import { CONFIDENCE_FEATURES, type ConfidenceWeights } from '../../inference/manifest.ts';
import { crossValidate, fitLogistic, type Sample, selectFeatures, withFeatures } from './logistic.ts';
import type { ExampleScore } from './scores.ts';
import { atThreshold, type CurvePoint, type Judged, precisionCoverage, thresholdFor } from './statistics.ts';

export interface Calibration {
	weights: ConfidenceWeights;
	/** Requests, those that a suggestion came from, and the share of all that was exactly right. */
	requests: number;
	suggestions: number;
	exactMatch: number;
	repositories: number;
	/** Cross-validated log loss after each feature, nats a suggestion. */
	selection: { features: string[]; logLoss: number }[];
	/** What is shown at the least threshold that is as precise as asked; absent when none is. */
	chosen?: CurvePoint;
	/** The same threshold, for cursors at the start of a line and inside of one. */
	chosenAt: { lineStart?: CurvePoint; midLine?: CurvePoint };
	points: CurvePoint[];
}

type Feature = (typeof CONFIDENCE_FEATURES)[number];
const FIRST: readonly Feature[] = ['sumLogProb', 'meanLogProb'];

/**
 * @param precision share of what is shown that should be exactly right
 * @throws HefError `usage` when the answers cannot be fitted
 */
export function calibrate(answers: readonly ExampleScore[], precision: number): Calibration {
	const suggested = answers.filter(({ suppressed, features }) => suppressed === null && features !== undefined);
	const samples: Sample[] = suggested.map(({ features = {}, em, repo }) => ({
		features: CONFIDENCE_FEATURES.map((name) => features[name] ?? 0),
		right: em,
		group: repo,
	}));
	const repositories = new Set(samples.map(({ group }) => group)).size;
	if (repositories < 2 || samples.every(({ right }) => right) || samples.every(({ right }) => !right))
		throw new HefError(
			'usage',
			`confidence is fitted to right and wrong suggestions in two repositories or more, got ${samples.length} in ${repositories}`,
		);
	const steps = selectFeatures(
		samples,
		FIRST.map((name) => CONFIDENCE_FEATURES.indexOf(name)),
	);
	const chosenFeatures = steps.at(-1)?.features ?? [];
	const names = chosenFeatures.map((j) => CONFIDENCE_FEATURES[j] as Feature);
	const reduced = withFeatures(samples, chosenFeatures);
	const { intercept, weights } = fitLogistic(reduced);
	const confidences = new Map(crossValidate(reduced).map((confidence, i) => [suggested[i], confidence]));
	const requests = answers.map((answer): Judged => ({ confidence: confidences.get(answer), right: answer.em }));
	const chosen = thresholdFor(requests, precision);
	const at = (mid: boolean) => {
		const some = requests.filter((_, i) => answers[i]?.mid === mid);
		return chosen && some.length > 0 ? atThreshold(some, chosen.threshold) : undefined;
	};
	const [lineStart, midLine] = [at(false), at(true)];
	return {
		weights: Object.fromEntries([['intercept', rounded(intercept)], ...names.map((name, i) => [name, rounded(weights[i] as number)])]),
		requests: answers.length,
		suggestions: samples.length,
		exactMatch: answers.filter(({ em }) => em).length / Math.max(1, answers.length),
		repositories,
		selection: steps.map(({ features, logLoss }) => ({ features: features.map((j) => CONFIDENCE_FEATURES[j] as string), logLoss })),
		...(chosen ? { chosen } : {}),
		chosenAt: { ...(lineStart ? { lineStart } : {}), ...(midLine ? { midLine } : {}) },
		points: precisionCoverage(requests),
	};
}

function rounded(value: number): number {
	return Math.round(value * 1e4) / 1e4;
}
