/**
 * Fits the weight of the copy model: the logistic model of λ under which lines that people wrote are most probable by
 * `(1 − λ) · p_model + λ · p_copy`. Gradient descent with a fixed number of steps, so equal steps give equal weights. Pure.
 */
import type { CopyStep } from 'hef-shared';
import { HefError } from '../../base/errors.ts';
import { COPY_FEATURES, type CopyWeights } from '../../inference/manifest.ts';

export interface GroupedStep extends CopyStep {
	/** Repository: weights are judged on repositories that they were not fitted to. */
	group: string;
}

/** Mean natural log-probability of a token. */
export interface CopyFit {
	weights: CopyWeights;
	steps: number;
	repositories: number;
	logProb: {
		/** The generator alone. */
		model: number;
		/** With the weights that the bundle has now. */
		before: number;
		/** Each repository by weights fitted without it. */
		crossValidated: number;
	};
}

const ITERATIONS = 1200;
const STEP = 0.05;
/** Pulls weights of standardised features to 0. */
const RIDGE = 1e-3;
/** Keeps the logarithm finite where neither model expects the token. */
const LEAST = 1e-9;

/** @throws HefError `usage` for steps of fewer than two repositories */
export function fitCopyWeights(steps: readonly GroupedStep[], before: CopyWeights): CopyFit {
	const groups = [...new Set(steps.map(({ group }) => group))];
	if (groups.length < 2) throw new HefError('usage', `weights are fitted to lines of two repositories or more, got ${groups.length}`);
	const held = groups.map((group) => {
		const own = steps.filter((step) => step.group === group);
		return own.length * meanLogProb(own, fit(steps.filter((step) => step.group !== group)));
	});
	return {
		weights: fit(steps),
		steps: steps.length,
		repositories: groups.length,
		logProb: {
			model: steps.reduce((sum, { modelProbability }) => sum + Math.log(Math.max(LEAST, modelProbability)), 0) / steps.length,
			before: meanLogProb(steps, before),
			crossValidated: held.reduce((sum, each) => sum + each, 0) / steps.length,
		},
	};
}

/** Mean natural log-probability of the steps' tokens under the mixture. */
export function meanLogProb(steps: readonly CopyStep[], weights: CopyWeights): number {
	const total = steps.reduce((sum, step) => {
		const logit = COPY_FEATURES.reduce((all, name) => all + (weights[name] ?? 0) * (step.features[name] ?? 0), weights.intercept);
		return sum + Math.log(mixed(step, 1 / (1 + Math.exp(-logit))));
	}, 0);
	return total / steps.length;
}

function mixed({ modelProbability, copyProbability }: CopyStep, share: number): number {
	return Math.max(LEAST, (1 - share) * modelProbability + share * copyProbability);
}

function fit(steps: readonly CopyStep[]): CopyWeights {
	const { rows, means, deviations } = standardised(steps);
	const descent = new Adam(COPY_FEATURES.length + 1);
	for (let i = 0; i < ITERATIONS; i++) descent.step(gradient(steps, rows, descent.values));
	const [intercept = 0, ...scaled] = descent.values;
	const weights = scaled.map((weight, j) => weight / (deviations[j] as number));
	const shift = weights.reduce((sum, weight, j) => sum + weight * (means[j] as number), 0);
	const rounded = (value: number) => Math.round(value * 1e4) / 1e4;
	return {
		intercept: rounded(intercept - shift),
		...Object.fromEntries(COPY_FEATURES.map((name, j) => [name, rounded(weights[j] as number)])),
	};
}

/** Of the mean negative log-probability and the ridge; the first is the intercept's. */
function gradient(steps: readonly CopyStep[], rows: readonly Float64Array[], weights: readonly number[]): number[] {
	const sums = weights.map((weight, j) => (j === 0 ? 0 : RIDGE * weight * steps.length));
	for (const [i, step] of steps.entries()) {
		const row = rows[i] as Float64Array;
		let logit = weights[0] as number;
		for (let j = 0; j < row.length; j++) logit += (weights[j + 1] as number) * (row[j] as number);
		const share = 1 / (1 + Math.exp(-logit));
		const slope = -((step.copyProbability - step.modelProbability) / mixed(step, share)) * share * (1 - share);
		sums[0] = (sums[0] as number) + slope;
		for (let j = 0; j < row.length; j++) sums[j + 1] = (sums[j + 1] as number) + slope * (row[j] as number);
	}
	return sums.map((sum) => sum / steps.length);
}

/** Features of mean 0 and deviation 1. */
function standardised(steps: readonly CopyStep[]) {
	const column = (name: string) => steps.map(({ features }) => features[name] ?? 0);
	const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
	const means = COPY_FEATURES.map((name) => mean(column(name)));
	const deviations = COPY_FEATURES.map((name, j) => Math.sqrt(mean(column(name).map((value) => (value - (means[j] as number)) ** 2))) || 1);
	const rows = steps.map(({ features }) =>
		Float64Array.from(COPY_FEATURES, (name, j) => ((features[name] ?? 0) - (means[j] as number)) / (deviations[j] as number)),
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
