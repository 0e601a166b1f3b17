/**
 * Bars: measured figures with the limit that each has to keep. Runs the measurements that a suite names, prints a table, and
 * writes JSON with everything needed to judge it: machine, bundle, every single value.
 */
import { writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { loadBundle } from '../../server/inference/bundle.ts';
import { shippedBundleFolder } from '../support/tiny-bundle.ts';
import { putIntoReadme } from './readme.ts';

export interface Limit {
	relation: '≤' | '<' | '≥' | '=';
	value: number;
}

export interface Bar {
	/** What was measured, in the words of the list of bars. */
	what: string;
	/** One value for each repetition; the median is the bar's value. */
	values: readonly number[];
	/** Shown behind the value: `ms`, `MB`, `chunks`. A ratio has none. */
	unit?: string;
	/** Without one the figure is only stated. */
	limit?: Limit;
	/** What the figure rests on: sizes, a stand-in for a model, the parts of a ratio. */
	note: string;
}

export interface BenchContext {
	/** Small sizes: seconds instead of minutes, and no verdict on the bars. */
	quick: boolean;
	/** Says on stderr what goes on. */
	progress(message: string): void;
	/** The suite's own arguments, those that were given. */
	arguments: Readonly<Record<string, string | undefined>>;
}

export interface Measurement {
	name: string;
	run(context: BenchContext): Promise<Bar[]>;
}

export interface SuiteExtras {
	/** The suite's own arguments, each with a value, and what they are. */
	arguments?: Readonly<Record<string, string>>;
	/** Written to the JSON beside the bars. */
	details?(): unknown;
	/** Called at the end. */
	finish?(given: Readonly<Record<string, string | undefined>>): void;
}

const USAGE = 'Arguments: [--quick] [--only NAME,NAME] [--json FILE] [--readme] [--list]';

/** Runs a suite as its command line says; the process's exit code is 1 when a bar is missed. */
export async function runSuite(suite: string, measurements: readonly Measurement[], extras: SuiteExtras = {}): Promise<void> {
	const { quick, only, json, readme, list, given } = readArguments(extras.arguments ?? {});
	if (list) {
		for (const { name } of measurements) console.log(name);
		return;
	}
	const unknown = only.filter((name) => !measurements.some((measurement) => measurement.name === name));
	if (unknown.length > 0) throw new Error(`unknown measurement: ${unknown.join(', ')}\n${USAGE}`);
	const chosen = measurements.filter(({ name }) => only.length === 0 || only.includes(name));
	const machine = await describeMachine();
	const bars: (Bar & { measurement: string })[] = [];
	const failed: string[] = [];
	for (const { name, run } of chosen) {
		const started = performance.now();
		const progress = (message: string) => console.error(`${name}: ${message}`);
		try {
			for (const bar of await run({ quick, progress, arguments: given })) bars.push({ measurement: name, ...bar });
		} catch (error) {
			failed.push(name);
			console.error(error);
		}
		progress(`${((performance.now() - started) / 1000).toFixed(1)} s`);
	}
	const loadAfter = loadavg()[0] ?? 0;
	console.log(`\nnpm run bench -- ${suite}${quick ? ' --quick (small sizes: the limits are those of the full ones)' : ''}`);
	console.log(`${machine.summary}; load ${machine.load.toFixed(1)} before, ${loadAfter.toFixed(1)} after\n`);
	console.log(tableOf(bars));
	for (const name of failed) console.log(`${name}: failed, see above`);
	const load = Math.round((machine.load + loadAfter) / 2);
	if (readme) putIntoReadme(suite, tableOf(bars.map((bar) => ({ ...bar, note: `${bar.note}${quick ? '; --quick' : ''}; load ${load}` }))));
	if (json) {
		const rows = bars.map((bar) => ({ ...bar, value: median(bar.values), met: isMet(bar) }));
		const details = extras.details ? { details: extras.details() } : {};
		writeFileSync(json, `${JSON.stringify({ suite, quick, machine, loadAfter, failed, bars: rows, ...details }, null, '\t')}\n`);
	}
	extras.finish?.(given);
	process.exitCode = failed.length > 0 || (!quick && bars.some((bar) => isMet(bar) === false)) ? 1 : 0;
}

function readArguments(own: Readonly<Record<string, string>>) {
	const names = Object.keys(own);
	const { values } = parseArgs({
		options: {
			...Object.fromEntries(names.map((name) => [name, { type: 'string' as const }])),
			quick: { type: 'boolean', default: false },
			list: { type: 'boolean', default: false },
			only: { type: 'string', default: '' },
			json: { type: 'string' },
			readme: { type: 'boolean', default: false },
		},
	});
	const given: Record<string, string | undefined> = Object.fromEntries(
		names.map((name) => [name, (values as Record<string, unknown>)[name] as string | undefined]),
	);
	const only = values.only.split(',').filter((name) => name !== '');
	return { quick: values.quick, list: values.list, json: values.json, readme: values.readme, only, given };
}

async function describeMachine() {
	const { bundleId, manifest } = await loadBundle(shippedBundleFolder);
	const model = cpus()[0]?.model ?? 'unknown CPU';
	const cores = availableParallelism();
	const memoryGb = Math.round(totalmem() / 2 ** 30);
	const bundle = `${manifest.name} ${bundleId}`;
	const summary = `${model}, ${cores} cores, ${memoryGb} GB, Node ${process.version}, bundle ${bundle}`;
	return { cpu: model, cores, memoryGb, node: process.version, bundle, load: loadavg()[0] ?? 0, summary };
}

/** The middle value; the lower one of two in the middle. */
export function median(values: readonly number[]): number {
	const sorted = [...values].sort((a, b) => a - b);
	return sorted[(sorted.length - 1) >> 1] ?? Number.NaN;
}

/** Undefined when the figure has no limit. */
export function isMet({ values, limit }: Bar): boolean | undefined {
	if (!limit) return undefined;
	const value = median(values);
	if (limit.relation === '≤') return value <= limit.value;
	if (limit.relation === '<') return value < limit.value;
	return limit.relation === '≥' ? value >= limit.value : value === limit.value;
}

/** A Markdown table, padded so that it reads well on a terminal too. */
export function tableOf(bars: readonly Bar[]): string {
	const rows = [
		['What', 'Median', 'Range', 'Bar', 'Met', 'Measured on'],
		...bars.map((bar) => {
			const { what, values, unit = '', limit, note } = bar;
			const met = isMet(bar);
			const range = values.length > 1 ? `${show(Math.min(...values))} – ${show(Math.max(...values))}, n = ${values.length}` : '';
			return [
				what,
				`${show(median(values))} ${unit}`.trim(),
				range,
				limit ? `${limit.relation} ${show(limit.value)} ${unit}`.trim() : '–',
				met === undefined ? '–' : met ? 'yes' : 'NO',
				note,
			];
		}),
	];
	const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
	const line = (row: readonly string[]) => `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
	const [head, ...body] = rows.map(line);
	return [head, `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...body].join('\n');
}

/** Three significant digits, whole numbers in full. */
function show(value: number): string {
	if (Number.isInteger(value) || Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en');
	return String(Number(value.toPrecision(3)));
}
