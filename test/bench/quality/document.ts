/** What the evaluations of a bundle say, as Markdown and as the manifest's `evaluation`. Pure. */
import type { EvalReport, Ratio } from '../../../server/cli/evaluation/report.ts';
import type { ModeScore } from '../../../server/cli/evaluation/scores.ts';
import type { Interval } from '../../../server/cli/evaluation/statistics.ts';
import type { Result, Results, Run } from './runs.ts';

/** Every table, in the order of the runs, then the bars. */
export function describe(runs: readonly Run[], results: Results): string {
	const sections = runs.flatMap((run) => {
		const result = results.get(run.name);
		return result ? [sectionOf(run, result)] : [];
	});
	return [...sections, levelsSection(results), harmfulSection(results), barsSection(results)]
		.filter((section) => section !== '')
		.join('\n\n');
}

/** By run and mode. */
export function evaluationOf(runs: readonly Run[], results: Results): Record<string, Record<string, Record<string, number>>> {
	const tabled = runs.flatMap(({ name, shows }) => {
		const result = shows === undefined ? results.get(name) : undefined;
		return result ? [[name, result] as const] : [];
	});
	const rounded = (value: number) => Math.round(value * 1e4) / 1e4;
	const figures = ({ n, em, em95, es, identifierMatch, shown, emOfShown, deltaLogProb }: ModeScore) => ({
		n,
		...Object.fromEntries(Object.entries({ em, em95, es, identifierMatch, shown, emOfShown }).map(([key, value]) => [key, rounded(value)])),
		...(deltaLogProb ? { deltaLogProb: rounded(deltaLogProb.value) } : {}),
	});
	return Object.fromEntries(
		tabled.map(([name, { modes }]) => [name, Object.fromEntries(Object.entries(modes).map(([mode, score]) => [mode, figures(score)]))]),
	);
}

function sectionOf({ title, data, arguments: given, shows }: Run, result: Result): string {
	const shown = given.map((each, i) => (given[i - 1] === '--against' ? 'BUNDLE' : each)).join(' ');
	const head = `**${title}.** \`eval --data ${data} ${shown}\``;
	if (shows === 'against') return `${head}\n\n${againstTable(result)}`;
	if (shows === 'k')
		return `${head}\n\n${ablationTable('K', result.k, ({ k, untrained }) => `${k}${untrained ? ' (more than in training)' : ''}`)}`;
	if (shows === 'levels') return `${head}\n\n${ablationTable('Levels', result.levels, ({ levels }) => levels.join(', '))}`;
	const rows = Object.entries(result.modes).map(([mode, score]) => [
		...[`\`${mode}\``, String(score.n), exact(score), percent(score.es), percent(score.identifierMatch)],
		...[
			score.deltaLogProb ? signed(score.deltaLogProb, 2) : '–',
			score.ttftMs.p50.toFixed(0),
			percent(score.shown),
			percent(score.emOfShown),
		],
	]);
	const columns = ['Mode', 'n', 'Exact match', 'Edit similarity', 'Identifiers', 'Δ log p, nats a line (95 %)', 'TTFT ms'];
	return `${head}\n\n${markdown([[...columns, 'Shown', 'Exact match of shown'], ...rows])}`;
}

function ablationTable<Row extends ModeScore>(label: string, rows: readonly Row[], name: (row: Row) => string): string {
	const cells = rows.map((row) => [
		...[name(row), exact(row), row.deltaLogProb ? signed(row.deltaLogProb, 3) : '–', row.ttftMs.p50.toFixed(0)],
	]);
	return markdown([[label, 'Exact match', 'Δ log p against `none-copy` (95 %)', 'TTFT ms'], ...cells]);
}

function againstTable({ against }: EvalReport): string {
	const points = ({ value, low, high }: Interval) => signed({ value: 100 * value, low: 100 * low, high: 100 * high }, 1);
	const rows = against.map(({ mode, n, em, logProb }) => [`\`${mode}\``, String(n), points(em), logProb ? signed(logProb, 2) : '–']);
	return markdown([['Mode', 'n', 'Exact match, points (95 %)', 'log p, nats a line (95 %)'], ...rows]);
}

function levelsSection(results: Results): string {
	const shares = results.get('xfile-suffix')?.retrieved.hef;
	if (!shares) return '';
	const parts = (['chunk', 'file', 'directory', 'repository'] as const).map((level) => `${level} ${percent(shares[level] ?? 0)}`);
	return `**Levels of the retrieved nodes**, cross-file lines: ${parts.join(', ')}.`;
}

function harmfulSection(results: Results): string {
	const subset = results.get('xfile-suffix')?.harmful.find(({ context }) => context === 'snippets-copy');
	if (!subset) return '';
	const rows = Object.entries(subset.modes).map(([mode, { em, deltaLogProb }]) => [
		...[`\`${mode}\``, percent(em), deltaLogProb ? signed(deltaLogProb, 2) : '–'],
	]);
	const head = `**Harmful contexts**: the ${subset.n} of the cross-file lines whose snippets make the line less likely; with suffix.`;
	return `${head}\n\n${markdown([['Mode', 'Exact match', 'Δ log p, nats a line (95 %)'], ...rows])}`;
}

interface Bar {
	what: string;
	asked: string;
	/** Undefined where the figure cannot be told: nothing matches in either mode. */
	measured: string | undefined;
	met: boolean;
}

function barsSection(results: Results): string {
	const ratio = (run: string, mode: string, to: string): Ratio | undefined => ratioOf(results.get(run)?.ratios, mode, to);
	const bars: Bar[] = [
		atLeast('EM `hef` / `none`, RepoEval-style line, prefix only', 1.25, ratio('line-prefix', 'hef', 'none')),
		atLeast('EM `hef` / `none`, RepoEval-style line, with suffix', 1.05, ratio('line-suffix', 'hef', 'none')),
		atLeast('EM `hef` / `none`, cross-file, without copy, prefix only', 1.25, ratio('xfile-prefix', 'hef-copy', 'none-copy')),
		atLeast('EM `hef` / `none`, cross-file, without copy, with suffix', 1.15, ratio('xfile-suffix', 'hef-copy', 'none-copy')),
		atLeast('EM `hef` / `snippets`, RepoEval-style line, prefix only', 0.95, ratio('line-prefix', 'hef', 'snippets')),
		atLeast('EM `hef` / `snippets`, RepoEval-style line, with suffix', 0.95, ratio('line-suffix', 'hef', 'snippets')),
		atLeast('EM `hef` / `snippets`, cross-file, with suffix', 0.95, ratio('xfile-suffix', 'hef', 'snippets')),
		atLeast('Harmful contexts: EM `hef` / `none`', 0.95, harmfulRatio(results)),
		atLeast('Default / `copy` alone, EM, everyday lines, prefix only', 1.15, ratio('everyday-prefix', 'hef', 'copy')),
		atLeast('Default / `copy` alone, EM, RepoEval-style lines, prefix only', 1.15, ratio('line-prefix', 'hef', 'copy')),
		...shownBar(results),
		...againstBar(results),
	];
	const rows = bars.map(({ what, asked, measured, met }) => [
		what,
		asked,
		measured ?? '–',
		measured === undefined ? 'cannot be told' : met ? 'met' : 'missed',
	]);
	return markdown([['Bar', 'Asked', 'Measured (95 %)', ''], ...rows]);
}

function atLeast(what: string, limit: number, measured: Ratio | undefined): Bar {
	const em = measured?.em;
	return { what, asked: `≥ ${limit}`, measured: em && plain(em), met: em !== undefined && em.value >= limit };
}

function ratioOf(ratios: readonly Ratio[] | undefined, mode: string, to: string): Ratio | undefined {
	return ratios?.find((each) => each.mode === mode && each.to === to);
}

function harmfulRatio(results: Results): Ratio | undefined {
	const subset = results.get('xfile-suffix')?.harmful.find(({ context }) => context === 'snippets-copy');
	return ratioOf(subset?.ratios, 'hef', 'none');
}

function shownBar(results: Results): Bar[] {
	const score = results.get('everyday-suffix')?.modes.hef;
	if (!score) return [];
	return [
		{
			what: 'Exact match of what is shown at the default threshold, everyday lines, with suffix',
			asked: '≥ 60 % at ≥ 35 % shown',
			measured: `${percent(score.emOfShown)} at ${percent(score.shown)}`,
			met: score.emOfShown >= 0.6 && score.shown >= 0.35,
		},
	];
}

function againstBar(results: Results): Bar[] {
	const difference = results.get('against')?.against.find(({ mode }) => mode === 'hef');
	if (!difference) return [];
	const { value, low, high } = difference.em;
	const measured = `${signed({ value: 100 * value, low: 100 * low, high: 100 * high }, 1)} points`;
	return [{ what: 'End-to-end minus separate, EM, RepoEval-style line, prefix only', asked: '> 0', measured, met: value > 0 }];
}

function exact({ em, em95 }: ModeScore): string {
	return `${percent(em)} ± ${(100 * em95).toFixed(1)}`;
}

function percent(share: number): string {
	return `${(100 * share).toFixed(1)} %`;
}

function plain({ value, low, high }: Interval): string {
	const one = (x: number) => (x === Infinity ? '∞' : x.toFixed(2));
	return `${one(value)} (${one(low)} to ${one(high)})`;
}

function signed({ value, low, high }: Interval, digits: number): string {
	const one = (x: number) => `${x < 0 ? '−' : '+'}${Math.abs(x).toFixed(digits)}`;
	return `${one(value)} (${one(low)} to ${one(high)})`;
}

function markdown([head = [], ...rows]: readonly (readonly string[])[]): string {
	const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
	return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n');
}
