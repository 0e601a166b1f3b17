/**
 * Fits what copying counts: the logistic models of λ and μ under which lines that people wrote are most probable by
 * `(1 − μ) · ((1 − λ) · p_model + λ · p_copy) + μ · p_analogy`, first λ and then μ. Gradient descent with a fixed number of steps, so
 * equal steps give equal weights. Pure.
 */
import type { CopyStep } from 'hef-shared';
import { HefError } from '../../base/errors.ts';
import { logistic } from '../../base/numbers.ts';
import { ANALOGY_FEATURES, type AnalogyWeights, COPY_FEATURES, type CopyWeights } from '../../inference/copy-weights.ts';

export interface GroupedStep extends CopyStep {
	/** Repository: weights are judged on repositories that they were not fitted to. */
	group: string;
}

export interface MixingWeights {
	copy: CopyWeights;
	/** Absent: analogous lines count nothing. */
	analogy?: AnalogyWeights;
}

/** Mean natural log-probability of a token. */
export interface CopyFit {
	weights: Required<MixingWeights>;
	steps: number;
	repositories: number;
	logProb: {
		/** The generator alone. */
		model: number;
		/** With the weights that the bundle has now. */
		before: number;
		/** Each repository by weights fitted without it: with the copy model alone, and with analogous lines too. */
		copyCrossValidated: number;
		crossValidated: number;
	};
}

const ITERATIONS = 1200;
const STEP = 0.05;
/** Pulls weights of standardised features to 0. */
const RIDGE = 1e-3;
/** Keeps the logarithm finite where nothing expects the token. */
const LEAST = 1e-9;

/** @throws HefError `usage` for steps of fewer than two repositories */
export function fitCopyWeights(steps: readonly GroupedStep[], before: MixingWeights): CopyFit {
	const groups = [...new Set(steps.map(({ group }) => group))];
	if (groups.length < 2) throw new HefError('usage', `weights are fitted to lines of two repositories or more, got ${groups.length}`);
	const held = groups.map((group) => {
		const own = steps.filter((step) => step.group === group);
		const weights = fit(steps.filter((step) => step.group !== group));
		return { n: own.length, copy: meanLogProb(own, { copy: weights.copy }), all: meanLogProb(own, weights) };
	});
	const mean = (value: (each: (typeof held)[number]) => number) => held.reduce((sum, each) => sum + each.n * value(each), 0) / steps.length;
	return {
		weights: fit(steps),
		steps: steps.length,
		repositories: groups.length,
		logProb: {
			model: steps.reduce((sum, { modelProbability }) => sum + Math.log(Math.max(LEAST, modelProbability)), 0) / steps.length,
			before: meanLogProb(steps, before),
			copyCrossValidated: mean(({ copy }) => copy),
			crossValidated: mean(({ all }) => all),
		},
	};
}

/** Mean natural log-probability of the steps' tokens under the mixture. */
export function meanLogProb(steps: readonly CopyStep[], weights: MixingWeights): number {
	return steps.reduce((sum, step) => sum + Math.log(Math.max(LEAST, probability(step, weights))), 0) / steps.length;
}

function probability(step: CopyStep, { copy, analogy }: MixingWeights): number {
	const share = step.features ? shareOf(step.features, COPY_FEATURES, copy) : 0;
	const mixed = (1 - share) * step.modelProbability + share * step.copyProbability;
	const analogous = analogy && step.analogy ? shareOf(step.analogy.features, ANALOGY_FEATURES, analogy) : 0;
	return (1 - analogous) * mixed + analogous * (step.analogy?.probability ?? 0);
}

type Weights<Name extends string> = { intercept: number } & Partial<Record<Name, number>>;

function shareOf<Name extends string>(features: Record<string, number>, names: readonly Name[], weights: Weights<Name>): number {
	return logistic(names.reduce((all, name) => all + (weights[name] ?? 0) * (features[name] ?? 0), weights.intercept));
}

function fit(steps: readonly CopyStep[]): Required<MixingWeights> {
	const copying = steps.flatMap(({ features, modelProbability, copyProbability }) =>
		features ? { features, base: modelProbability, added: copyProbability } : [],
	);
	const copy = fitShare(copying, COPY_FEATURES);
	const analogous = steps.flatMap((step) =>
		step.analogy ? { features: step.analogy.features, base: probability(step, { copy }), added: step.analogy.probability } : [],
	);
	return { copy, analogy: fitShare(analogous, ANALOGY_FEATURES) };
}

/** A token under what there is, and under what is added to it. */
interface Step {
	features: Record<string, number>;
	base: number;
	added: number;
}

/** The share of what is added, by its features. Without steps it counts nothing. */
function fitShare<Name extends string>(steps: readonly Step[], names: readonly Name[]): Weights<Name> {
	if (steps.length === 0) return { intercept: -20 } as Weights<Name>;
	const { rows, means, deviations } = standardised(steps, names);
	const descent = new Adam(names.length + 1);
	for (let i = 0; i < ITERATIONS; i++) descent.step(gradient(steps, rows, descent.values));
	const [intercept = 0, ...scaled] = descent.values;
	const weights = scaled.map((weight, j) => weight / (deviations[j] as number));
	const shift = weights.reduce((sum, weight, j) => sum + weight * (means[j] as number), 0);
	const rounded = (value: number) => Math.round(value * 1e4) / 1e4;
	return {
		intercept: rounded(intercept - shift),
		...Object.fromEntries(names.map((name, j) => [name, rounded(weights[j] as number)])),
	} as Weights<Name>;
}

/** Of the mean negative log-probability and the ridge; the first is the intercept's. */
function gradient(steps: readonly Step[], rows: readonly Float64Array[], weights: readonly number[]): number[] {
	const sums = weights.map((weight, j) => (j === 0 ? 0 : RIDGE * weight * steps.length));
	for (const [i, { base, added }] of steps.entries()) {
		const row = rows[i] as Float64Array;
		let logit = weights[0] as number;
		for (let j = 0; j < row.length; j++) logit += (weights[j + 1] as number) * (row[j] as number);
		const share = logistic(logit);
		const slope = -((added - base) / Math.max(LEAST, (1 - share) * base + share * added)) * share * (1 - share);
		sums[0] = (sums[0] as number) + slope;
		for (let j = 0; j < row.length; j++) sums[j + 1] = (sums[j + 1] as number) + slope * (row[j] as number);
	}
	return sums.map((sum) => sum / steps.length);
}

/** Features of mean 0 and deviation 1. */
function standardised(steps: readonly Step[], names: readonly string[]) {
	const column = (name: string) => steps.map(({ features }) => features[name] ?? 0);
	const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
	const means = names.map((name) => mean(column(name)));
	const deviations = names.map((name, j) => Math.sqrt(mean(column(name).map((value) => (value - (means[j] as number)) ** 2))) || 1);
	const rows = steps.map(({ features }) =>
		Float64Array.from(names, (name, j) => ((features[name] ?? 0) - (means[j] as number)) / (deviations[j] as number)),
	);
	return { rows, means, deviations };
}

/** Kingma & Ba 2015, with its usual constants. */
class Adam {
	readonly values: number[];
	readonly #first: number[];
	readonly #second: number[];
	#steps = 0;

	constructor(size: number) {
		this.values = new Array<number>(size).fill(0);
		this.#first = new Array<number>(size).fill(0);
		this.#second = new Array<number>(size).fill(0);
	}

	step(slopes: readonly number[]): void {
		this.#steps++;
		for (const [j, slope] of slopes.entries()) {
			const first = 0.9 * (this.#first[j] as number) + 0.1 * slope;
			const second = 0.999 * (this.#second[j] as number) + 0.001 * slope * slope;
			this.#first[j] = first;
			this.#second[j] = second;
			const change = first / (1 - 0.9 ** this.#steps) / (Math.sqrt(second / (1 - 0.999 ** this.#steps)) + 1e-8);
			this.values[j] = (this.values[j] as number) - STEP * change;
		}
	}
}
