/**
 * What a bundle says about copying beside its generator: the logistic models that weigh the copy model and analogous lines, as
 * `hef-language-server fit-copy` fits them. Pure data.
 */

/**
 * What the weight of the copy model is computed from: natural logarithms of the match's length in tokens and of the number of
 * places where it stands; the probability of what it would copy, the share of the open file in it, and how much the text before
 * the places is like the text before the match, 0–1; entropy (nats) and largest probability of the generator, and its
 * log-probability of what would be copied, at least −10.
 */
export const COPY_FEATURES = [
	'logMatchLength',
	'logSupport',
	'topProbability',
	'openFileShare',
	'likeness',
	'modelEntropy',
	'modelTopProbability',
	'modelLogProbOfCopy',
] as const;
export type CopyFeatures = Readonly<Record<(typeof COPY_FEATURES)[number], number>>;

/** Weights of the logistic model that turns these features into λ of `(1 − λ) · p_model + λ · p_copy`; an absent one is 0. */
export type CopyWeights = { intercept: number } & Partial<CopyFeatures>;

/**
 * What the weight of analogous lines is computed from: natural logarithms of one more than the lines before the most likely place that
 * have the shapes of those before the cursor, than those that are the same word for word, than the same numbers of the lines
 * behind place and cursor, than the line's tokens that it agrees with, and of the share of what was found that agrees, at least −10;
 * whether shapes are alike on both sides, and whether the place is in the open file, 0 or 1; the probability of what the lines would
 * write, and what the copy model gives it, 0–1; how like the words before the place are to those before the cursor, and those of the line
 * to these, 0–1, and the same behind; entropy (nats) of the generator, and its log-probability of what they would write, at least −10.
 */
export const ANALOGY_FEATURES = [
	'logShaped',
	'logLiteral',
	'logShapedBehind',
	'logLiteralBehind',
	'onBothSides',
	'logAgreed',
	'logMass',
	'topProbability',
	'copyProbability',
	'inOpenFile',
	'likeness',
	'familiarity',
	'likenessBehind',
	'familiarityBehind',
	'modelEntropy',
	'modelLogProbOfAnalogy',
] as const;
export type AnalogyFeatures = Readonly<Record<(typeof ANALOGY_FEATURES)[number], number>>;

/** Weights of the logistic model that turns these features into μ of `(1 − μ) · p_mixed + μ · p_analogy`; an absent one is 0. */
export type AnalogyWeights = { intercept: number } & Partial<AnalogyFeatures>;

/**
 * For a bundle without weights of its own, as one made of published weights. Not fitted: those of a generator of 4 M parameters, with
 * about a fifth of its odds and more say for the generator's own doubt, since a larger one is right by itself more often.
 */
export const DEFAULT_COPY_WEIGHTS: CopyWeights = {
	intercept: -5,
	logMatchLength: 0.77,
	logSupport: 0.19,
	topProbability: 2.18,
	openFileShare: -0.28,
	likeness: 0.59,
	modelEntropy: 0.6,
	modelTopProbability: -0.8,
	modelLogProbOfCopy: 0.3,
};

/** For a bundle without weights of its own: by the same rule. */
export const DEFAULT_ANALOGY_WEIGHTS: AnalogyWeights = {
	intercept: -4.8,
	logShaped: 0.63,
	logLiteral: 0.56,
	logShapedBehind: 0.68,
	logLiteralBehind: 0.11,
	logAgreed: -0.25,
	logMass: 0.43,
	topProbability: 3.9,
	copyProbability: -0.7,
	inOpenFile: -0.1,
	likeness: 0.9,
	likenessBehind: 0.57,
	modelEntropy: 0.3,
	modelLogProbOfAnalogy: 0.3,
};
