/**
 * Logistic regression for the confidence: a fit by Newton's method with a little ridge, its cross-validation by repository, and a
 * forward selection of features. Pure and deterministic.
 */
import { invariant } from '../../base/errors.ts';
import { logistic } from '../../base/numbers.ts';

export interface Sample {
	/** One value for each feature, in one order. */
	features: readonly number[];
	right: boolean;
	/** Samples of one group are never split between fitting and testing. */
	group: string;
}

export interface LogisticModel {
	intercept: number;
	/** In the order of the features. */
	weights: number[];
}

/** Penalty on squared weights of standardised features: weak, it only keeps separable data finite. */
const RIDGE = 1;
const ITERATIONS = 50;
/** Selection stops when the next feature lowers the log loss by less than this, in nats a sample. */
const LEAST_GAIN = 0.002;

export function fitLogistic(samples: readonly Sample[]): LogisticModel {
	const n = samples[0]?.features.length ?? 0;
	const columns = Array.from({ length: n }, (_, j) => standardOf(samples.map(({ features }) => features[j] as number)));
	const rows = samples.map(({ features }) => [1, ...columns.map(({ mean, scale }, j) => ((features[j] as number) - mean) / scale)]);
	const targets = samples.map(({ right }) => Number(right));
	let theta = new Array<number>(n + 1).fill(0);
	for (let i = 0; i < ITERATIONS; i++) {
		const step = newtonStep(rows, targets, theta);
		theta = theta.map((value, j) => value - (step[j] as number));
		if (Math.max(...step.map(Math.abs)) < 1e-8) break;
	}
	const weights = columns.map(({ scale }, j) => (theta[j + 1] as number) / scale);
	const shift = columns.reduce((sum, { mean }, j) => sum + (weights[j] as number) * mean, 0);
	return { intercept: (theta[0] as number) - shift, weights };
}

/** @returns probability, 0–1 */
export function predict({ intercept, weights }: LogisticModel, features: readonly number[]): number {
	return logistic(weights.reduce((sum, weight, j) => sum + weight * (features[j] as number), intercept));
}

/** Probability of each sample under a model that was fitted without its group. Needs at least two groups. */
export function crossValidate(samples: readonly Sample[]): number[] {
	const groups = [...new Set(samples.map(({ group }) => group))];
	invariant(groups.length > 1, 'cross-validation by group needs two groups');
	const models = new Map(groups.map((group) => [group, fitLogistic(samples.filter((sample) => sample.group !== group))]));
	return samples.map(({ group, features }) => predict(models.get(group) as LogisticModel, features));
}

/** Mean −log p of what happened, nats. */
export function logLoss(samples: readonly Sample[], probabilities: readonly number[]): number {
	const losses = samples.map(
		({ right }, i) => -Math.log(Math.max(1e-12, right ? (probabilities[i] as number) : 1 - (probabilities[i] as number))),
	);
	return losses.reduce((sum, loss) => sum + loss, 0) / Math.max(1, losses.length);
}

export interface SelectionStep {
	/** Indices of the features, in the order in which they came. */
	features: number[];
	/** Cross-validated. */
	logLoss: number;
}

/** Features added one by one to the first ones, while that helps samples of groups that were not seen. The last step is the choice. */
export function selectFeatures(samples: readonly Sample[], first: readonly number[]): SelectionStep[] {
	const all = samples[0]?.features.map((_, j) => j) ?? [];
	const steps = [stepOf(samples, [...first])];
	for (;;) {
		const best = steps.at(-1) as SelectionStep;
		const candidates = all.filter((j) => !best.features.includes(j)).map((j) => stepOf(samples, [...best.features, j]));
		const next = candidates.sort((a, b) => a.logLoss - b.logLoss)[0];
		if (!next || best.logLoss - next.logLoss < LEAST_GAIN) return steps;
		steps.push(next);
	}
}

/** The same samples with some of their features. */
export function withFeatures(samples: readonly Sample[], chosen: readonly number[]): Sample[] {
	return samples.map((sample) => ({ ...sample, features: chosen.map((j) => sample.features[j] as number) }));
}

function stepOf(samples: readonly Sample[], features: number[]): SelectionStep {
	return { features, logLoss: logLoss(samples, crossValidate(withFeatures(samples, features))) };
}

/** A column that never changes keeps scale 1: its standardised values are 0, and so is its weight. */
function standardOf(values: readonly number[]): { mean: number; scale: number } {
	const mean = values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
	const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, values.length);
	return { mean, scale: variance > 1e-12 ? Math.sqrt(variance) : 1 };
}

/** Gradient divided by Hessian of the penalised log loss; the intercept is not penalised. */
function newtonStep(rows: readonly number[][], targets: readonly number[], theta: readonly number[]): number[] {
	const n = theta.length;
	const gradient = theta.map((value, j) => (j === 0 ? 0 : RIDGE * value));
	const hessian = theta.map((_, j) => theta.map((_, k) => (j === k ? (j === 0 ? 1e-9 : RIDGE) : 0)));
	for (const [i, row] of rows.entries()) {
		const p = logistic(row.reduce((sum, value, j) => sum + value * (theta[j] as number), 0));
		const spread = Math.max(1e-9, p * (1 - p));
		for (let j = 0; j < n; j++) {
			const value = row[j] as number;
			gradient[j] = (gradient[j] as number) + (p - (targets[i] as number)) * value;
			const line = hessian[j] as number[];
			for (let k = 0; k < n; k++) line[k] = (line[k] as number) + spread * value * (row[k] as number);
		}
	}
	return solve(hessian, gradient);
}

/** Gauss with pivots; the matrix is positive definite by its ridge. */
function solve(matrix: readonly number[][], vector: readonly number[]): number[] {
	const rows = matrix.map((row, i) => [...row, vector[i] as number]);
	const n = rows.length;
	for (let column = 0; column < n; column++) {
		const pivots = rows.slice(column).map((row) => Math.abs(row[column] as number));
		const pivot = column + pivots.indexOf(Math.max(...pivots));
		[rows[column], rows[pivot]] = [rows[pivot] as number[], rows[column] as number[]];
		const top = rows[column] as number[];
		for (const [i, row] of rows.entries()) {
			if (i === column) continue;
			const factor = (row[column] as number) / (top[column] as number);
			for (let k = column; k <= n; k++) row[k] = (row[k] as number) - factor * (top[k] as number);
		}
	}
	return rows.map((row, i) => (row[n] as number) / (row[i] as number));
}
