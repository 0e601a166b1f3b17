/**
 * How likely a suggestion is exactly what the user wants (design decision 6): a logistic model of its token
 * probabilities, whose weights a bundle carries because they depend on its generator.
 */
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
	return 1 / (1 + Math.exp(-logit));
}
