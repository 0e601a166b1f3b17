/**
 * `calibrate`: completes lines as an editor would, fits the confidence to which suggestions were exactly right, and writes the
 * weights into the bundle's manifest. The lines must not be those that the bundle is measured on.
 */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { HefError, messageOf } from '../base/errors.ts';
import { type Command, type CommandContext, integerOption, outputOption, type ParsedArguments } from './command.ts';
import { dataAndRepos, describeTimes } from './eval.ts';
import { type Calibration, calibrate } from './evaluation/calibration.ts';
import { readExamples, sample } from './evaluation/examples.ts';
import { curveTable, percent } from './evaluation/report-text.ts';
import { runExamples, whileAlone } from './evaluation/runner.ts';
import type { ExampleScore } from './evaluation/scores.ts';
import { parseModes } from './evaluation/variants.ts';
import { printJson, table } from './output.ts';

const DEFAULT_PRECISION = 0.6;

export const calibrateCommand: Command = {
	name: 'calibrate',
	usage: `--data FILE.jsonl --repos DIR [--limit N] [--cursors start,mid] [--precision 0.6] [--workers N]
       [--details FILE.jsonl] [--write] [--json]
  calibrate --answers FILE.jsonl [--precision 0.6] [--write] [--json]`,
	summary: 'fits the confidence of suggestions to lines, and with --write stores it in the bundle',
	mostPositionals: 0,
	options: {
		data: { type: 'string' },
		repos: { type: 'string' },
		limit: { type: 'string' },
		cursors: { type: 'string' },
		precision: { type: 'string' },
		workers: { type: 'string' },
		details: { type: 'string' },
		answers: { type: 'string' },
		write: { type: 'boolean' },
	},
	async run({ values, settings }, context) {
		const precision = shareOption(values.precision);
		const answers = typeof values.answers === 'string' ? await readAnswers(values.answers) : await complete(values, settings, context);
		const calibration = calibrate(answers, precision);
		if (values.write) {
			const { folder } = await context.loadBundle(settings);
			const data = basename(String(values.data ?? values.answers));
			await writeWeights(folder, calibration, data);
			context.stderr(`weights written to ${join(folder, 'manifest.json')}\n`);
		}
		if (values.json) printJson(context, calibration);
		else context.stdout(describe(calibration, precision));
		return 0;
	},
};

async function complete(values: ParsedArguments['values'], settings: ParsedArguments['settings'], context: CommandContext) {
	const { data, repos } = dataAndRepos(values, calibrateCommand);
	const cursors = String(values.cursors ?? 'start,mid').split(',') as ('start' | 'mid')[];
	if (cursors.some((cursor) => cursor !== 'start' && cursor !== 'mid'))
		throw new HefError('usage', `--cursors knows start and mid, got '${values.cursors}'`);
	const examples = sample(await readExamples(data), integerOption(values, 'limit', 1, Number.MAX_SAFE_INTEGER));
	const lanes = integerOption(values, 'workers', 1, 1);
	const run = { repos, variants: parseModes('hef'), cursors, without: [], lanes, settings };
	const details = await outputOption(values, 'details');
	const { scores, times } = await whileAlone(settings, () => runExamples(examples, run, context));
	context.stderr(describeTimes(times));
	if (details !== undefined) await writeFile(details, scores.map((score) => `${JSON.stringify(score)}\n`).join(''));
	return scores;
}

/** What `--details` of `calibrate` or `eval` wrote; of several modes, `hef` as it is served. */
async function readAnswers(file: string): Promise<ExampleScore[]> {
	try {
		const lines = (await readFile(file, 'utf8')).split('\n').filter((line) => line.trim() !== '');
		return lines.map((line) => JSON.parse(line) as ExampleScore).filter(({ mode }) => mode === 'hef');
	} catch (error) {
		throw new HefError('workspace-unreadable', `cannot read answers from ${file}: ${messageOf(error)}`, { cause: error });
	}
}

/** Replaces the manifest's `confidence`; the bundle's id does not depend on it. */
async function writeWeights(folder: string, calibration: Calibration, data: string): Promise<void> {
	const path = join(folder, 'manifest.json');
	const manifest = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
	const { weights, requests, suggestions, repositories, exactMatch, selection } = calibration;
	const logLoss = selection.at(-1)?.logLoss;
	manifest.confidence = { ...weights, fitted: { data, requests, suggestions, repositories, exactMatch, logLoss } };
	await writeFile(`${path}.new`, `${JSON.stringify(manifest, null, 2)}\n`);
	await rename(`${path}.new`, path);
}

function shareOption(given: string | boolean | undefined): number {
	const value = given === undefined ? DEFAULT_PRECISION : Number(given);
	if (!(value > 0 && value < 1)) throw new HefError('usage', `--precision wants a number between 0 and 1, got '${given}'`);
	return value;
}

function describe({ weights, chosen, chosenAt, ...rest }: Calibration, precision: number): string {
	const { requests, suggestions, repositories, exactMatch, selection, points } = rest;
	const selected = selection.map(({ features, logLoss }, i) => [
		i === 0 ? features.join(', ') : `+ ${features.at(-1)}`,
		logLoss.toFixed(4),
	]);
	const at = Object.entries(chosenAt).map(
		([place, point]) => `${place}: ${percent(point.coverage)} % shown, ${percent(point.precision)} % of them right`,
	);
	const lines = [
		`${requests} requests in ${repositories} repositories: ${suggestions} suggestions, ${percent(exactMatch)} % of all exactly right`,
		'',
		table(['features', 'log loss'], selected),
		`weights: ${Object.entries(weights)
			.map(([name, value]) => `${name} ${value}`)
			.join(', ')}`,
		'',
		chosen
			? `least threshold at which ${percent(precision)} % of what is shown is right: ${chosen.threshold.toFixed(2)} (${at.join('; ')})`
			: `no threshold is right in ${percent(precision)} % of what it shows`,
		'',
		'Each repository judged by weights fitted without it:',
		curveTable(chosen ?? { coverage: 0, precision: 0, threshold: 1 }, points, table),
	];
	return lines.join('\n');
}
