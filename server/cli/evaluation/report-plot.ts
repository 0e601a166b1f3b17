/** The report of `eval` as charts: the budget curve where it was asked for, and the precision–coverage curve. */
import type { EvalReport } from './report.ts';
import { type Chart, svgDocument } from './svg-chart.ts';

export function plotReport(report: EvalReport): string {
	return svgDocument([...(report.k.length > 0 ? [budgetChart(report)] : []), confidenceChart(report)]);
}

/** K on a logarithmic axis, because the paper's budgets double; modes without a budget as level lines. */
function budgetChart({ k, modes }: EvalReport): Chart {
	const at = (value: number) => Math.log2(value);
	const sorted = [...k].sort((a, b) => a.k - b.k);
	const ends = [sorted[0], sorted.at(-1)].flatMap((row) => (row ? [at(row.k)] : []));
	const names = Object.keys(modes);
	const hef = names.find((name) => name.startsWith('hef')) ?? 'hef';
	const level = (name: string, em: number) => ({ name, colour: names.indexOf(name), points: ends.map((x) => ({ x, y: em })) });
	const budget = sorted.map((row) => ({ x: at(row.k), y: row.em, low: Math.max(0, row.em - row.em95), high: row.em + row.em95 }));
	const others = Object.entries(modes).filter(([name]) => !name.startsWith('hef'));
	return {
		title: 'Exact match by budget of pseudo-tokens',
		xLabel: 'pseudo-tokens (K)',
		yLabel: 'exact match',
		xTicks: sorted.map((row) => ({ at: at(row.k), label: String(row.k) })),
		series: [{ name: hef, colour: Math.max(0, names.indexOf(hef)), points: budget }, ...others.map(([name, { em }]) => level(name, em))],
	};
}

function confidenceChart({ precisionCoverage }: EvalReport): Chart {
	const ticks = Array.from({ length: 6 }, (_, i) => ({ at: i / 5, label: `${i * 20} %` }));
	return {
		title: 'Precision by coverage of the confidence threshold',
		xLabel: 'share of requests with a suggestion',
		yLabel: 'exact match of what is shown',
		xTicks: ticks,
		series: Object.entries(precisionCoverage).map(([name, { points }], colour) => ({
			name,
			colour,
			points: points.map(({ coverage, precision }) => ({ x: coverage, y: precision })),
		})),
	};
}
