/**
 * One step of decoding from two sources: p = (1 − λ) · p_model + λ · p_copy. λ comes from how good the copy is and how sure
 * the model is, by a logistic model whose weights a bundle carries because they depend on its generator (cf. adaptive
 * kNN-LM). Pure.
 */
import type { CopyPrediction } from '../copying/copy-model.ts';
import { COPY_FEATURES, type CopyFeatures, type CopyWeights } from '../inference/manifest.ts';
import { argmax, argmaxOf, softmaxSums } from '../inference/sampling.ts';

/** The generator's distribution at one position, over all tokens or over those that are allowed. */
export interface ModelDistribution {
	logits: Float32Array;
	/** Most probable token; the first of equals. */
	top: number;
	/** Natural logarithm of the sum of exp(logit). */
	logSum: number;
	/** In nats. */
	entropy: number;
}

export interface Choice {
	token: number;
	/** log p(token) under the mixture, natural logarithm. */
	logProb: number;
	/** Share of p(token) that the copy model contributes, 0–1. */
	copied: number;
}

export function modelDistribution(logits: Float32Array, allowed?: readonly number[]): ModelDistribution {
	const top = allowed ? argmaxOf(logits, allowed) : argmax(logits);
	const max = logits[top] as number;
	const { sum, weighted } = softmaxSums(allowed ? Float32Array.from(allowed, (id) => logits[id] as number) : logits, max);
	return { logits, top, logSum: max + Math.log(sum), entropy: Math.log(sum) - weighted / sum };
}

/** A probability below it says no more than this one: keeps the features bounded. */
const LEAST_LOG_PROB = -10;

export function copyFeatures(copy: CopyPrediction, model: ModelDistribution): CopyFeatures {
	const { token, probability } = mostProbable(copy.probabilities);
	return {
		logMatchLength: Math.log(copy.matchLength),
		logSupport: Math.log(copy.support),
		topProbability: probability,
		openFileShare: copy.openFileShare,
		likeness: copy.likeness,
		modelEntropy: model.entropy,
		modelTopProbability: Math.exp(logProb(model, model.top)),
		modelLogProbOfCopy: Math.max(LEAST_LOG_PROB, logProb(model, token)),
	};
}

/** λ: what the copy model counts, 0–1. */
export function copyShare(features: CopyFeatures, weights: CopyWeights): number {
	const sum = COPY_FEATURES.reduce((logit, name) => logit + (weights[name] ?? 0) * features[name], weights.intercept);
	return 1 / (1 + Math.exp(-sum));
}

/** The most probable token of the mixture; of equals the model's own, then the smallest id. */
export function chooseToken(model: ModelDistribution, copy: CopyPrediction | undefined, weights: CopyWeights | undefined): Choice {
	if (!copy || !weights) return { token: model.top, logProb: logProb(model, model.top), copied: 0 };
	const share = copyShare(copyFeatures(copy, model), weights);
	const mixed = (token: number) => (1 - share) * Math.exp(logProb(model, token)) + share * (copy.probabilities.get(token) ?? 0);
	let best = model.top;
	let probability = mixed(best);
	for (const token of [...copy.probabilities.keys()].sort((a, b) => a - b)) {
		const p = mixed(token);
		if (p > probability) {
			best = token;
			probability = p;
		}
	}
	return { token: best, logProb: Math.log(probability), copied: (share * (copy.probabilities.get(best) ?? 0)) / probability };
}

/** The token that the copy model would take; the smallest id of equals. */
export function mostProbable(probabilities: ReadonlyMap<number, number>): { token: number; probability: number } {
	let token = -1;
	let probability = 0;
	for (const [id, p] of probabilities) {
		if (p > probability || (p === probability && id < token)) {
			token = id;
			probability = p;
		}
	}
	return { token, probability };
}

/** The prediction over those of its tokens that `allows` lets through; undefined when it lets none through. */
export function restricted(copy: CopyPrediction | undefined, allows: (token: number) => boolean): CopyPrediction | undefined {
	if (!copy) return undefined;
	const kept = [...copy.probabilities].filter(([token]) => allows(token));
	const total = kept.reduce((sum, [, probability]) => sum + probability, 0);
	if (total === 0) return undefined;
	return { ...copy, probabilities: new Map(kept.map(([token, probability]) => [token, probability / total])) };
}

/** log p(token) under the generator, natural logarithm. */
export function logProb({ logits, logSum }: ModelDistribution, token: number): number {
	return (logits[token] as number) - logSum;
}
