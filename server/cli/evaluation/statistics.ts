/**
 * Intervals and curves over examples. Every interval is a 95 % percentile bootstrap over examples with 1,000 seeded resamples, so
 * that the same scores give the same figures; a comparison resamples both sides together, because both ran on the same lines.
 */
import { seededRandom } from '../cursors.ts';

export interface Interval {
	value: number;
	low: number;
	high: number;
}

const RESAMPLES = 1000;

/** Mean with its interval; zeros for no values. */
export function meanInterval(values: readonly number[]): Interval {
	if (values.length === 0) return { value: 0, low: 0, high: 0 };
	const means = resample(values.length, (drawn) => sumAt(values, drawn) / values.length);
	return { value: sum(values) / values.length, ...percentiles(means) };
}

/**
 * Sum of `a` over sum of `b`, with the interval of the paired bootstrap. Undefined when `b` sums to 0; resamples in which it does
 * count as infinitely large.
 */
export function ratioInterval(a: readonly number[], b: readonly number[]): Interval | undefined {
	const below = sum(b);
	if (below === 0) return undefined;
	const ratios = resample(a.length, (drawn) => sumAt(a, drawn) / sumAt(b, drawn)).map((ratio) => (Number.isNaN(ratio) ? Infinity : ratio));
	return { value: sum(a) / below, ...percentiles(ratios) };
}

export interface CurvePoint {
	/** Share of all requests that something is shown for, 0–1. */
	coverage: number;
	/** Share of what is shown that is exactly right, 0–1. */
	precision: number;
	/** Least confidence of what is shown. */
	threshold: number;
}

/** A request and what became of it; confidence undefined where nothing can be shown. */
export interface Judged {
	confidence: number | undefined;
	right: boolean;
}

/** Points at 10 %, 20 %, … of the requests, as far as there are suggestions, and at all suggestions. */
export function precisionCoverage(requests: readonly Judged[]): CurvePoint[] {
	const sorted = mostConfidentFirst(requests);
	const tenths = Array.from({ length: 10 }, (_, i) => Math.round(((i + 1) * requests.length) / 10));
	const counts = new Set([...tenths.filter((n) => n < sorted.length), sorted.length]);
	counts.delete(0);
	return [...counts].map((n) => pointOf(sorted.slice(0, n), requests.length));
}

/** What a threshold shows. */
export function atThreshold(requests: readonly Judged[], threshold: number): CurvePoint {
	const shown = mostConfidentFirst(requests).filter(({ confidence }) => confidence >= threshold);
	return { ...pointOf(shown, requests.length), threshold };
}

/**
 * The threshold, in steps of 0.01, that shows most while at least `precision` of it is right. Undefined when none does.
 * Precision need not rise with the threshold where few lines are left, so every step is looked at, the lowest first.
 */
export function thresholdFor(requests: readonly Judged[], precision: number): CurvePoint | undefined {
	for (let step = 1; step < 100; step++) {
		const point = atThreshold(requests, step / 100);
		if (point.coverage > 0 && point.precision >= precision) return point;
	}
	return undefined;
}

function mostConfidentFirst(requests: readonly Judged[]): { confidence: number; right: boolean }[] {
	const shown = requests.flatMap(({ confidence, right }) => (confidence === undefined ? [] : [{ confidence, right }]));
	return shown.sort((a, b) => b.confidence - a.confidence);
}

function pointOf(shown: readonly { confidence: number; right: boolean }[], n: number): CurvePoint {
	const right = shown.filter((each) => each.right).length;
	return {
		coverage: n === 0 ? 0 : shown.length / n,
		precision: shown.length === 0 ? 0 : right / shown.length,
		threshold: shown.at(-1)?.confidence ?? 1,
	};
}

function resample(n: number, statistic: (drawn: Uint32Array) => number): number[] {
	const random = seededRandom(12345);
	const drawn = new Uint32Array(n);
	return Array.from({ length: RESAMPLES }, () => {
		for (let i = 0; i < n; i++) drawn[i] = Math.floor(random() * n);
		return statistic(drawn);
	});
}

function percentiles(values: readonly number[]): { low: number; high: number } {
	const sorted = [...values].sort((a, b) => a - b);
	return { low: sorted[Math.floor(0.025 * sorted.length)] ?? 0, high: sorted[Math.ceil(0.975 * sorted.length) - 1] ?? 0 };
}

function sum(values: readonly number[]): number {
	return values.reduce((total, value) => total + value, 0);
}

function sumAt(values: readonly number[], drawn: Uint32Array): number {
	let total = 0;
	for (const i of drawn) total += values[i] as number;
	return total;
}
