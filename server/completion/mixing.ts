/**
 * One step of decoding from several sources: p = (1 − μ) · ((1 − λ) · p_model + λ · p_copy) + μ · p_analogy. λ and μ come from how good
 * the copy is and how sure the model is, by logistic models whose weights a bundle carries because they depend on its generator
 * (cf. adaptive kNN-LM). Pure.
 */
import { invariant } from '../base/errors.ts';
import { logistic } from '../base/numbers.ts';
import type { AnalogyPrediction } from '../copying/analogy-session.ts';
import type { CopyPrediction } from '../copying/copy-model.ts';
import {
	ANALOGY_FEATURES,
	type AnalogyFeatures,
	type AnalogyWeights,
	COPY_FEATURES,
	type CopyFeatures,
	type CopyWeights,
} from '../inference/copy-weights.ts';
import { softmaxSums } from '../inference/sampling.ts';

/** The generator's distribution at one position, over all tokens or over those that are allowed. */
export interface ModelDistribution {
	logits: Float32Array;
	/** Most probable token; the first of equals. */
	top: number;
	/** Natural logarithm of the sum of exp(logit). */
	logSum: number;
	/** In nats. */
	entropy: number;
	/** The allowed tokens; undefined when all are. */
	allowed?: readonly number[] | undefined;
}

export interface Choice {
	token: number;
	/** log p(token) under the mixture, natural logarithm. */
	logProb: number;
	/** Share of p(token) that the copy model contributes, 0–1. */
	copied: number;
}

export function modelDistribution(logits: Float32Array, allowed?: readonly number[]): ModelDistribution {
	invariant(allowed?.length !== 0, 'a constrained choice has at least one token');
	const { top, max, sum, weighted } = softmaxSums(allowed ? gathered(logits, allowed) : logits);
	return {
		logits,
		top: allowed ? (allowed[top] as number) : top,
		logSum: max + Math.log(sum),
		entropy: Math.log(sum) - weighted / sum,
		allowed,
	};
}

/** Not `Float32Array.from`, which takes ten times as long: a space that is forced allows thousands of tokens. */
function gathered(logits: Float32Array, ids: readonly number[]): Float32Array {
	const values = new Float32Array(ids.length);
	for (let i = 0; i < ids.length; i++) values[i] = logits[ids[i] as number] as number;
	return values;
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

export function analogyFeatures(
	{ probabilities, mass, agreed, analogy }: AnalogyPrediction,
	model: ModelDistribution,
	copy: Pick<CopyPrediction, 'probabilities'> | undefined,
): AnalogyFeatures {
	const { token, probability } = mostProbable(probabilities);
	const { before, behind, inOpenFile } = analogy;
	return {
		logShaped: Math.log(1 + before.shaped),
		logLiteral: Math.log(1 + before.literal),
		logShapedBehind: Math.log(1 + behind.shaped),
		logLiteralBehind: Math.log(1 + behind.literal),
		onBothSides: Number(before.shaped > 0 && behind.shaped > 0),
		logAgreed: Math.log(1 + agreed),
		logMass: Math.max(LEAST_LOG_PROB, Math.log(mass)),
		topProbability: probability,
		copyProbability: copy?.probabilities.get(token) ?? 0,
		inOpenFile: Number(inOpenFile),
		likeness: before.words,
		familiarity: before.familiarity,
		likenessBehind: behind.words,
		familiarityBehind: behind.familiarity,
		modelEntropy: model.entropy,
		modelLogProbOfAnalogy: Math.max(LEAST_LOG_PROB, logProb(model, token)),
	};
}

/** λ: what the copy model counts, 0–1. */
export function copyShare(features: CopyFeatures, weights: CopyWeights): number {
	return logistic(COPY_FEATURES.reduce((logit, name) => logit + (weights[name] ?? 0) * features[name], weights.intercept));
}

/** μ: what analogous lines count, 0–1. */
export function analogyShare(features: AnalogyFeatures, weights: AnalogyWeights): number {
	return logistic(ANALOGY_FEATURES.reduce((logit, name) => logit + (weights[name] ?? 0) * features[name], weights.intercept));
}

/** What is named besides the most probable token. */
export interface ChoiceOptions {
	/** Least probability of the others, 0–1. Default 1: there are none. */
	least?: number;
	/** Tokens that end the line: one event, however many tokens can write it. The most probable stands for all. Default none. */
	lineEnds?: ReadonlySet<number>;
	/** What analogous lines say, and what that counts. Default nothing. */
	analogy?: { prediction: AnalogyPrediction; weights: AnalogyWeights } | undefined;
}

/** The most probable token of the mixture, and then the others; of equals the model's own is first, then the smallest id. */
export function likelyTokens(
	model: ModelDistribution,
	copy: CopyPrediction | undefined,
	weights: CopyWeights | undefined,
	{ least = 1, lineEnds, analogy }: ChoiceOptions = {},
): [Choice, ...Choice[]] {
	const share = copy && weights ? copyShare(copyFeatures(copy, model), weights) : 0;
	const analogous = analogy ? analogyShare(analogyFeatures(analogy.prediction, model, copy), analogy.weights) : 0;
	const sources = [
		{ share: (1 - analogous) * share, probabilities: copy?.probabilities },
		{ share: analogous, probabilities: analogy?.prediction.probabilities },
	].filter((source) => source.share > 0);
	const modelShare = (1 - analogous) * (1 - share);
	const weigh = (token: number): Weighed => {
		const copied = sources.reduce((sum, source) => sum + source.share * (source.probabilities?.get(token) ?? 0), 0);
		return { token, probability: modelShare * Math.exp(logProb(model, token)) + copied, copied };
	};
	const tokens = new Set([model.top]);
	for (const { probabilities = [] } of sources) for (const [token] of probabilities) tokens.add(token);
	if (least < 1 && modelShare > 0) for (const token of tokensAbove(model, least / modelShare)) tokens.add(token);
	const choices = [...tokens].filter((token) => !lineEnds?.has(token)).map(weigh);
	if (lineEnds) choices.push(together([...lineEnds].map(weigh)));
	const top = lineEnds?.has(model.top) ? choices.at(-1)?.token : model.top;
	choices.sort((a, b) => b.probability - a.probability || Number(b.token === top) - Number(a.token === top) || a.token - b.token);
	return choices
		.filter(({ probability }, i) => i === 0 || probability >= least)
		.map((each) => ({ token: each.token, logProb: Math.log(each.probability), copied: each.copied / each.probability })) as [
		Choice,
		...Choice[],
	];
}

interface Weighed {
	token: number;
	probability: number;
	/** Part of the probability that is copied. */
	copied: number;
}

function together(all: readonly Weighed[]): Weighed {
	const most = all.reduce((best, each) => (each.probability > best.probability ? each : best));
	const sum = (value: (each: Weighed) => number) => all.reduce((total, each) => total + value(each), 0);
	return { token: most.token, probability: sum(({ probability }) => probability), copied: sum(({ copied }) => copied) };
}

/** Those that the generator gives at least this probability. */
function tokensAbove({ logits, logSum, allowed }: ModelDistribution, probability: number): number[] {
	const least = logSum + Math.log(probability);
	if (allowed) return allowed.filter((token) => (logits[token] as number) >= least);
	const tokens: number[] = [];
	for (let token = 0; token < logits.length; token++) if ((logits[token] as number) >= least) tokens.push(token);
	return tokens;
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
export function restricted<T extends { probabilities: ReadonlyMap<number, number> }>(
	copy: T | undefined,
	allows: (token: number) => boolean,
): T | undefined {
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
