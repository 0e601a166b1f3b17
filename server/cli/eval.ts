/**
 * `eval`: exact match and edit similarity of every context mode on a benchmark, through the server's own pipeline.
 *
 * Each repository is copied, the example's file is saved with its gold line removed and indexed, as it is while typing;
 * then the line is completed. Nothing the model sees holds the gold line.
 */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { CONTEXT_MODES, type CompletionReport, type ContextMode } from 'hef-shared';
import { HefError, messageOf } from '../base/errors.ts';
import type { Services } from '../services.ts';
import { type Command, type CommandContext, integerOption, type ParsedArguments } from './command.ts';
import { type ExampleScore, type ModeScore, scoreLine, summarizeScores } from './eval-scores.ts';
import { printJson, table } from './output.ts';

export interface Example {
	id: string;
	language: string;
	repo: string;
	path: string;
	/** Unicode code points, as Python counts. */
	offset: number;
	gold: string;
	/** Column in the gold line (code points) at which `--mid` cuts. */
	mid?: number;
}

interface EvalRequest {
	data: string;
	repos: string;
	modes: ContextMode[];
	limit: number;
	mid: boolean;
	without: ('suffix' | 'entities')[];
}

export const evalCommand: Command = {
	name: 'eval',
	usage:
		'--data FILE.jsonl --repos DIR [--modes none,snippets,hef] [--limit N] [--mid] [--no-suffix] [--no-entities] [--details FILE] [--json]',
	summary: 'exact match and edit similarity by mode on a benchmark',
	options: {
		data: { type: 'string' },
		repos: { type: 'string' },
		modes: { type: 'string' },
		limit: { type: 'string' },
		mid: { type: 'boolean' },
		'no-suffix': { type: 'boolean' },
		'no-entities': { type: 'boolean' },
		details: { type: 'string' },
	},
	async run({ values, settings }, context) {
		const request = evalRequest(values);
		const examples = sample(await readExamples(request.data), request.limit);
		const scores = await evaluate(examples, request, settings, context);
		if (typeof values.details === 'string') await writeFile(values.details, scores.map((score) => `${JSON.stringify(score)}\n`).join(''));
		const modes = Object.fromEntries(request.modes.map((mode) => [mode, summarizeScores(scores.filter((score) => score.mode === mode))]));
		if (values.json) printJson(context, { data: request.data, mid: request.mid, without: request.without, modes });
		else context.stdout(describe(modes));
		return 0;
	},
};

function evalRequest(values: ParsedArguments['values']): EvalRequest {
	const { data, repos } = values;
	if (typeof data !== 'string' || typeof repos !== 'string')
		throw new HefError('usage', `--data and --repos are needed\nUsage: hef-language-server eval ${evalCommand.usage}`);
	const modes = String(values.modes ?? 'none,snippets,hef').split(',') as ContextMode[];
	const unknown = modes.find((mode) => !CONTEXT_MODES.includes(mode));
	if (unknown !== undefined) throw new HefError('usage', `--modes knows ${CONTEXT_MODES.join(', ')}, got '${unknown}'`);
	const limit = integerOption(values, 'limit', 1, Number.MAX_SAFE_INTEGER);
	const without = [...(values['no-suffix'] ? ['suffix' as const] : []), ...(values['no-entities'] ? ['entities' as const] : [])];
	return { data, repos: resolve(repos), modes, limit, mid: values.mid === true, without };
}

async function readExamples(file: string): Promise<Example[]> {
	try {
		const lines = (await readFile(file, 'utf8')).split('\n').filter((line) => line.trim() !== '');
		return lines.map((line) => JSON.parse(line) as Example);
	} catch (error) {
		throw new HefError('workspace-unreadable', `cannot read examples from ${file}: ${messageOf(error)}`, { cause: error });
	}
}

/** Evenly spread, so that a limited run sees every repository. */
function sample(examples: readonly Example[], limit: number): Example[] {
	if (examples.length <= limit) return [...examples];
	return Array.from({ length: limit }, (_, i) => examples[Math.floor((i * examples.length) / limit)] as Example);
}

async function evaluate(
	examples: readonly Example[],
	request: EvalRequest,
	settings: ParsedArguments['settings'],
	context: CommandContext,
): Promise<ExampleScore[]> {
	const work = await mkdtemp(join(tmpdir(), 'hef-eval-'));
	const services = await context.createServices(
		{ ...settings, cacheFolder: join(work, 'cache') },
		{ progress() {}, updated() {}, problem: (text) => context.stderr(`${text}\n`) },
	);
	const scores: ExampleScore[] = [];
	try {
		for (const [repo, group] of byRepository(examples)) {
			const folder = join(work, 'repos', repo);
			await copyRepository(join(request.repos, repo), folder);
			await services.openFolder(folder, { watch: false, exclude: [] });
			await services.settled();
			for (const [i, example] of group.entries()) {
				scores.push(...(await runExample(services, folder, example, request)));
				if (context.interactive) context.stderr(`\r${repo}: ${i + 1} of ${group.length} \u001b[K`);
			}
			await services.closeFolder(folder);
			await rm(folder, { recursive: true });
		}
	} finally {
		await services.dispose();
		await rm(work, { recursive: true, force: true });
	}
	return scores;
}

async function copyRepository(from: string, to: string): Promise<void> {
	try {
		await cp(from, to, { recursive: true });
	} catch (error) {
		throw new HefError('workspace-unreadable', `cannot copy the repository ${from}: ${messageOf(error)}; does --repos hold it?`, {
			cause: error,
		});
	}
}

function byRepository(examples: readonly Example[]): Map<string, Example[]> {
	const groups = new Map<string, Example[]>();
	for (const example of examples) {
		const group = groups.get(example.repo);
		if (group) group.push(example);
		else groups.set(example.repo, [example]);
	}
	return groups;
}

async function runExample(services: Services, folder: string, example: Example, request: EvalRequest): Promise<ExampleScore[]> {
	const file = join(folder, example.path);
	const original = (await readFile(file, 'utf8')).replaceAll('\r\n', '\n');
	const points = [...original];
	const goldPoints = [...example.gold];
	const cut = request.mid ? (example.mid ?? 0) : 0;
	const before = points.slice(0, example.offset).join('');
	const after = points.slice(example.offset + goldPoints.length).join('');
	const typed = goldPoints.slice(0, cut).join('');
	const gold = goldPoints.slice(cut).join('');
	await writeFile(file, before + after);
	await services.update(folder, [example.path], 'eval');
	await services.settled();
	const prefix = before + typed;
	const scores: ExampleScore[] = [];
	for (const mode of request.modes) {
		const report = await services.complete({
			uri: `eval:${example.id}`,
			folder,
			path: example.path,
			text: prefix + after,
			offset: prefix.length,
			context: mode,
			multiLine: 'never',
			explicit: true,
			minConfidence: 0,
			fresh: true,
			without: request.without,
		});
		if (report) scores.push(scoreExample(example, mode, gold, report));
	}
	await writeFile(file, original);
	await services.update(folder, [example.path], 'eval');
	return scores;
}

function scoreExample(example: Example, mode: ContextMode, gold: string, report: CompletionReport): ExampleScore {
	const [item] = report.items;
	const { timingsMs } = report;
	return {
		id: example.id,
		mode,
		gold,
		prediction: item?.insertText ?? '',
		confidence: item?.confidence ?? 0,
		...scoreLine(item?.insertText ?? '', gold),
		ttftMs: timingsMs.total - timingsMs.decode,
		totalMs: timingsMs.total,
		suppressed: report.suppressed,
	};
}

function describe(modes: Record<string, ModeScore>): string {
	const percent = (value: number) => (100 * value).toFixed(1);
	const rows = Object.entries(modes).map(([mode, score]) => [
		mode,
		score.n,
		`${percent(score.em)} ± ${percent(score.em95)}`,
		percent(score.es),
		percent(score.identifierMatch),
		score.ttftMs.p50.toFixed(0),
		score.totalMs.p50.toFixed(0),
		score.totalMs.p95.toFixed(0),
		`${percent(score.shown)} %`,
		percent(score.emOfShown),
	]);
	return table(['mode', 'n', 'EM', 'ES', 'identifiers', 'TTFT ms', 'total ms', 'p95', 'shown', 'EM of shown'], rows);
}
