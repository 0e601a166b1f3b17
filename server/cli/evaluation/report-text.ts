/** The report of `eval` as tables, aligned for a terminal or in Markdown. */
import type { Difference, EvalReport, HarmfulSubset, Ratio } from './report.ts';
import type { ModeScore } from './scores.ts';
import type { CurvePoint, Interval } from './statistics.ts';

export type TableWriter = (header: readonly string[], rows: readonly (readonly (string | number)[])[]) => string;

export function describeReport(report: EvalReport, table: TableWriter): string {
	const sections = [
		modeTable(report, table),
		section('Ratios of exact match and of the median time to the first token, same lines', ratioTable(report.ratios, table)),
		...report.harmful.map((subset) => harmfulSection(subset, table)),
		section(
			'Budget of pseudo-tokens',
			ablation(
				'K',
				report.k.map((row) => [`${row.k}${row.untrained ? ' (more than in training)' : ''}`, row]),
				table,
			),
		),
		section(
			'Levels that retrieval may return',
			ablation(
				'levels',
				report.levels.map((row) => [row.levels.join(' + '), row]),
				table,
			),
		),
		section('This bundle minus another, line by line', differenceTable(report.against, table)),
		section('Lines whose needed name is among the entities', neededTable(report.needed, table)),
		section('Levels of the retrieved nodes', levelTable(report.retrieved, table)),
		...Object.entries(report.precisionCoverage).map(([mode, { defaultThreshold, points }]) =>
			section(
				`Confidence of ${mode}: shown at the default threshold and at shares of all requests`,
				curveTable(defaultThreshold, points, table),
			),
		),
	];
	return sections.filter((text) => text !== '').join('\n');
}

/** The chosen threshold first, marked, and then the curve. */
export function curveTable(chosen: CurvePoint, points: readonly CurvePoint[], table: TableWriter): string {
	const row = ({ coverage, threshold, precision }: CurvePoint, mark: string) => [
		`${percent(coverage)} %`,
		percent(precision),
		threshold.toFixed(3),
		mark,
	];
	return table(['shown', 'EM of shown', 'threshold', ''], [row(chosen, 'chosen'), ...points.map((point) => row(point, ''))]);
}

export function percent(value: number): string {
	return (100 * value).toFixed(1);
}

function modeTable({ modes }: EvalReport, table: TableWriter): string {
	const toChoose = Object.values(modes).some(({ emAny }) => emAny !== undefined);
	const rows = Object.entries(modes).map(([mode, score]) => [
		mode,
		score.n,
		exactMatch(score),
		...(toChoose ? [score.emAny === undefined ? '–' : percent(score.emAny), score.offered?.toFixed(2) ?? '–'] : []),
		percent(score.es),
		percent(score.identifierMatch),
		logProb(score.deltaLogProb),
		score.ttftMs.p50.toFixed(0),
		score.totalMs.p50.toFixed(0),
		score.totalMs.p95.toFixed(0),
		`${percent(score.shown)} %`,
		percent(score.emOfShown),
	]);
	const choice = toChoose ? ['EM of any', 'offered'] : [];
	return table(['mode', 'n', 'EM', ...choice, 'ES', 'identifiers', 'Δ log p', 'TTFT ms', 'total ms', 'p95', 'shown', 'EM of shown'], rows);
}

function ratioTable(ratios: readonly Ratio[], table: TableWriter): string {
	const rows = ratios.map(({ mode, to, em, ttft }) => [`${mode} / ${to}`, em ? ratio(em) : '–', ttft.toFixed(2)]);
	return rows.length === 0 ? '' : table(['modes', 'EM', 'TTFT'], rows);
}

function harmfulSection({ context, judge, n, share, modes, ratios }: HarmfulSubset, table: TableWriter): string {
	if (n === 0) return '';
	const rows = Object.entries(modes).map(([mode, { em, deltaLogProb }]) => {
		const toNone = ratios.find((each) => each.mode === mode && each.to.startsWith('none'));
		return [mode, percent(em), toNone?.em ? ratio(toNone.em) : '–', logProb(deltaLogProb)];
	});
	const title = `Harmful context: ${n} lines (${percent(share)} %) that ${context} makes less likely (${judge})`;
	return section(title, table(['mode', 'EM', 'EM / none', 'Δ log p'], rows));
}

function ablation(name: string, rows: readonly (readonly [label: string, score: ModeScore])[], table: TableWriter): string {
	if (rows.length === 0) return '';
	const cells = rows.map(([label, score]) => [label, exactMatch(score), percent(score.es), logProb(score.deltaLogProb)]);
	return table([name, 'EM', 'ES', 'Δ log p'], cells);
}

function differenceTable(differences: readonly Difference[], table: TableWriter): string {
	const rows = differences.map(({ mode, to, n, em: { value, low, high }, logProb: deltas }) => {
		const points = [value, low, high].map((share) => `${share < 0 ? '−' : '+'}${percent(Math.abs(share))}`);
		return [`${mode} − ${mode} of ${to}`, n, `${points[0]} (${points[1]} to ${points[2]})`, logProb(deltas)];
	});
	return rows.length === 0 ? '' : table(['modes', 'n', 'EM, points', 'log p'], rows);
}

function neededTable(needed: EvalReport['needed'], table: TableWriter): string {
	const kinds = Object.keys(Object.values(needed)[0] ?? {});
	const rows = Object.entries(needed).map(([mode, shares]) => [mode, ...kinds.map((kind) => shares[kind]?.toFixed(3) ?? '–')]);
	return rows.length === 0 ? '' : table(['mode', ...kinds], rows);
}

function levelTable(retrieved: EvalReport['retrieved'], table: TableWriter): string {
	const levels = ['chunk', 'file', 'directory', 'repository'] as const;
	const rows = Object.entries(retrieved).map(([mode, shares]) => [mode, ...levels.map((level) => `${percent(shares[level] ?? 0)} %`)]);
	return rows.length === 0 ? '' : table(['mode', ...levels], rows);
}

function section(title: string, body: string): string {
	return body === '' ? '' : `${title}\n\n${body}`;
}

function exactMatch({ em, em95 }: ModeScore): string {
	return `${percent(em)} ± ${percent(em95)}`;
}

function ratio({ value, low, high }: Interval): string {
	return `${value.toFixed(2)} (${low.toFixed(2)}–${Number.isFinite(high) ? high.toFixed(2) : '∞'})`;
}

/** Nats a line. */
function logProb(interval: Interval | undefined): string {
	if (!interval) return '–';
	const signed = (value: number) => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(2)}`;
	return `${signed(interval.value)} (${signed(interval.low)} to ${signed(interval.high)})`;
}
