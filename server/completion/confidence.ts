/**
 * How likely a suggestion is exactly what the user wants (design decision 6): a logistic model of its token
 * probabilities, whose weights a bundle carries because they depend on its generator.
 */
import { logistic } from '../base/numbers.ts';
import { CONFIDENCE_FEATURES, type ConfidenceFeatures, type ConfidenceWeights } from '../inference/manifest.ts';
import type { Decoded } from './decode.ts';

/** @param linePrefix text of the cursor's line up to the cursor */
export function featuresOf(decoded: Omit<Decoded, 'text' | 'reason'>, linePrefix: string): ConfidenceFeatures {
	const { nTokens, sumLogProb, minLogProb, firstLogProb, copied } = decoded;
	return {
		sumLogProb,
		meanLogProb: sumLogProb / Math.max(1, nTokens),
		minLogProb,
		firstLogProb,
		nTokens,
		lineStart: Number(linePrefix.trim() === ''),
		midWord: Number(/[\p{L}\p{N}_$]$/u.test(linePrefix)),
		copied,
	};
}

/** @returns probability, 0–1 */
export function confidenceOf(features: ConfidenceFeatures, weights: ConfidenceWeights): number {
	if (features.nTokens === 0) return 0;
	const logit = CONFIDENCE_FEATURES.reduce((sum, name) => sum + (weights[name] ?? 0) * features[name], weights.intercept);
	return logistic(logit);
}

/**
 * The highest confidence that a text begun like this can still reach, whatever follows: what lies below the threshold already
 * need not be written to its end.
 * @param features of what was written so far
 * @param maxTokens most tokens of the whole text
 */
export function highestConfidence(features: ConfidenceFeatures, weights: ConfidenceWeights, maxTokens: number): number {
	const { sumLogProb, minLogProb, nTokens } = features;
	const most = Math.max(maxTokens, nTokens, 1);
	/** What a nat counts in sum and mean together, in the shortest text and in the longest. */
	const perNat = [Math.max(nTokens, 1), most].map((n) => (weights.sumLogProb ?? 0) + (weights.meanLogProb ?? 0) / n);
	if (perNat.some((weight) => weight < 0)) return 1;
	const sunk = Math.max(...perNat.map((weight) => weight * sumLogProb));
	/** Log-probabilities are at most 0: sums and minima only sink. */
	const bounds: Partial<Record<keyof ConfidenceFeatures, readonly [low: number, high: number]>> = {
		minLogProb: [Number.NEGATIVE_INFINITY, minLogProb],
		nTokens: [nTokens, most],
		copied: [0, 1],
	};
	const others = CONFIDENCE_FEATURES.filter((name) => name !== 'sumLogProb' && name !== 'meanLogProb');
	const logit = others.reduce((sum, name) => {
		const weight = weights[name] ?? 0;
		const [low, high] = bounds[name] ?? [features[name], features[name]];
		return weight === 0 ? sum : sum + weight * (weight > 0 ? high : low);
	}, weights.intercept + sunk);
	return logistic(logit);
}
