/**
 * How likely a suggestion is exactly what the user wants (design decision 6): a logistic model of its token
 * probabilities, whose weights a bundle carries because they depend on its generator.
 */
import type { ConfidenceWeights } from '../inference/manifest.ts';
import type { Decoded } from './decode.ts';

/** @returns probability, 0–1 */
export function confidenceOf(decoded: Pick<Decoded, 'sumLogProb' | 'nTokens'>, weights: ConfidenceWeights): number {
	if (decoded.nTokens === 0) return 0;
	const mean = decoded.sumLogProb / decoded.nTokens;
	const logit = weights.intercept + weights.sumLogProb * decoded.sumLogProb + weights.meanLogProb * mean;
	return 1 / (1 + Math.exp(-logit));
}
