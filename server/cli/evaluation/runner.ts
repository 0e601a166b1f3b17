/**
 * Runs examples through the server's own pipeline.
 *
 * Each repository is copied; an example's file is saved with its gold line removed and indexed, as it is while typing; then the
 * line is completed once for each variant. Nothing the model sees holds the gold line.
 *
 * Guarantees: answers come in the order of the examples, whatever the number of lanes; the folder given is never written to.
 * With a cache folder, copies and index stay there, so that the next run embeds nothing again; one run at a time may use it
 * ({@link whileAlone}).
 */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BundleReport, CompletionItem, CompletionReport, Settings } from 'hef-shared';
import { HefError, messageOf } from '../../base/errors.ts';
import type { CompletionRequest } from '../../completion/types.ts';
import type { Services } from '../../services.ts';
import type { CommandContext } from '../command.ts';
import { type Cursor, cursorOf, type Example, neededName } from './examples.ts';
import { type ExampleScore, scoreLine } from './scores.ts';
import type { Variant } from './variants.ts';

export interface RunOptions {
	/** Folder with one folder a repository. */
	repos: string;
	variants: readonly Variant[];
	/** Cursors of each example: the start of the line, its `mid` column, or both. */
	cursors: readonly ('start' | 'mid')[];
	/** Parts that all variants go without. */
	without: readonly 'suffix'[];
	/** Suggestions asked for at a cursor. Default 1. */
	most?: number;
	/** Repositories evaluated at the same time, each with models of its own. Times are then worth little. */
	lanes: number;
	settings: Settings;
}

export interface EvaluationRun {
	scores: ExampleScore[];
	times: RunTimes;
	/** What variants had to do without, `VARIANT: note`, and on how many lines. */
	notes: Record<string, number>;
	/** The bundle that answered; undefined when there were no examples. */
	bundle: BundleReport | undefined;
}

/** Time by what it was spent on. */
export interface RunTimes {
	indexMs: number;
	saveMs: number;
	completeMs: number;
}

interface Lane {
	services: Services;
	options: RunOptions;
	work: string;
	times: RunTimes;
	notes: Record<string, number>;
}

/** Where copies and index stay. */
const keptFolder = (cacheFolder: string) => join(cacheFolder, 'evaluation');

/**
 * Runs a task unless another process evaluates with the same cache folder, whose copies of the repositories it would change.
 * @throws HefError `cache-unavailable` that names the other process
 */
export async function whileAlone<T>({ cacheFolder }: Settings, task: () => Promise<T>): Promise<T> {
	if (!cacheFolder) return task();
	const { makeCacheFolder } = await import('../../store/lmdb-store.ts');
	const { withClaim } = await import('../../store/claim.ts');
	const folder = keptFolder(cacheFolder);
	makeCacheFolder(folder);
	const refused = (pid: number) =>
		new HefError(
			'cache-unavailable',
			`process ${pid} evaluates with ${cacheFolder} too: wait for its end, or choose another folder with --cache`,
		);
	return withClaim({ folder, space: 'evaluation' }, task, refused);
}

export async function runExamples(examples: readonly Example[], options: RunOptions, context: CommandContext): Promise<EvaluationRun> {
	const kept = options.settings.cacheFolder;
	const work = kept ? keptFolder(kept) : await mkdtemp(join(tmpdir(), 'hef-eval-'));
	const times: RunTimes = { indexMs: 0, saveMs: 0, completeMs: 0 };
	const notes: Record<string, number> = {};
	const waiting = [...byRepository(examples)];
	const answers = new Map<Example, ExampleScore[]>();
	const progress = createProgress(context, examples.length);
	let bundle: BundleReport | undefined;
	const runLane = async () => {
		const services = await startLane(options, work, context);
		bundle = services.bundle;
		try {
			for (let next = waiting.shift(); next; next = waiting.shift()) {
				await runRepository({ services, options, work, times, notes }, ...next, (example, scores) => {
					answers.set(example, scores);
					progress(example.repo, answers.size);
				});
			}
		} finally {
			waiting.length = 0;
			await services.dispose();
		}
	};
	try {
		const lanes = Array.from({ length: Math.min(options.lanes, waiting.length) }, runLane);
		for (const result of await Promise.allSettled(lanes)) if (result.status === 'rejected') throw result.reason;
	} finally {
		if (!kept) await rm(work, { recursive: true, force: true });
	}
	return { scores: examples.flatMap((example) => answers.get(example) ?? []), times, notes, bundle };
}

function startLane({ settings, lanes }: RunOptions, work: string, context: CommandContext): Promise<Services> {
	const share = Math.max(1, Math.floor(availableParallelism() / lanes));
	const maxThreads = lanes > 1 && settings.maxThreads === 0 ? share : settings.maxThreads;
	return context.createServices(
		{ ...settings, maxThreads, cacheFolder: join(work, 'cache') },
		{ progress() {}, updated() {}, problem: (text) => context.stderr(`${text}\n`) },
	);
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

async function runRepository(
	lane: Lane,
	repo: string,
	examples: readonly Example[],
	done: (example: Example, scores: ExampleScore[]) => void,
): Promise<void> {
	const { services, options, work, times } = lane;
	const folder = join(work, 'repos', repo);
	const from = join(options.repos, repo);
	let started = performance.now();
	await copyRepository(from, folder);
	await services.openFolder(folder, { watch: false, exclude: [] });
	await services.settled();
	times.indexMs += performance.now() - started;
	let last: { path: string; text: string } | undefined;
	// Lines of one file follow each other, so that the file is restored once.
	for (const example of [...examples].sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : a.offset - b.offset))) {
		started = performance.now();
		const text = (await readFile(join(from, example.path), 'utf8')).replaceAll('\r\n', '\n');
		if (last && last.path !== example.path) await writeFile(join(folder, last.path), last.text);
		const paths = [...new Set([last?.path ?? example.path, example.path])];
		await writeFile(join(folder, example.path), cursorOf(example, text, false).saved);
		// As an editor that has it open.
		services.prioritise(folder, [example.path]);
		await services.update(folder, paths, 'eval');
		// The copy model reads it too.
		await services.settled();
		last = { path: example.path, text };
		const saved = performance.now();
		const scores: ExampleScore[] = [];
		for (const at of options.cursors) scores.push(...(await completeAt(lane, folder, example, cursorOf(example, text, at === 'mid'), at)));
		times.saveMs += saved - started;
		times.completeMs += performance.now() - saved;
		done(example, scores);
	}
	await services.closeFolder(folder);
}

async function copyRepository(from: string, to: string): Promise<void> {
	try {
		await rm(to, { recursive: true, force: true });
		// A link within the repository leads to the copy's own file, which is written to.
		await cp(from, to, { recursive: true, verbatimSymlinks: true });
	} catch (error) {
		throw new HefError('workspace-unreadable', `cannot copy the repository ${from}: ${messageOf(error)}; does --repos hold it?`, {
			cause: error,
		});
	}
}

async function completeAt(
	{ services, options, notes }: Lane,
	folder: string,
	example: Example,
	cursor: Cursor,
	at: 'start' | 'mid',
): Promise<ExampleScore[]> {
	const scores: ExampleScore[] = [];
	for (const variant of options.variants) {
		const request: CompletionRequest = {
			uri: `eval:${example.id}`,
			folder,
			path: example.path,
			text: cursor.prefix + cursor.suffix,
			offset: cursor.prefix.length,
			context: variant.context,
			multiLine: 'never',
			explicit: true,
			minConfidence: 0,
			fresh: true,
			without: [...options.without, ...variant.without],
			gold: cursor.gold,
			...(options.most === undefined ? {} : { most: options.most }),
			...(variant.k === undefined ? {} : { k: variant.k }),
			...(variant.levels === undefined ? {} : { levels: variant.levels }),
		};
		const report = await services.complete(request);
		for (const note of report?.notes ?? []) notes[`${variant.name}: ${note}`] = (notes[`${variant.name}: ${note}`] ?? 0) + 1;
		if (report) scores.push(scoreOf(example, variant, at === 'mid', cursor.gold, report, options.most));
	}
	return scores;
}

function scoreOf(example: Example, variant: Variant, mid: boolean, gold: string, report: CompletionReport, asked = 1): ExampleScore {
	const { id, repo, kind = '' } = example;
	const [item, ...others] = report.items;
	const { timingsMs, evidence, entities, nodes } = report;
	const needed = variant.context === 'hef' && !variant.without.includes('entities') ? neededName(example) : undefined;
	return {
		...{ id, repo, mode: variant.name, mid, gold },
		prediction: item?.insertText ?? '',
		confidence: item?.confidence ?? 0,
		...scoreLine(item?.insertText ?? '', gold),
		ttftMs: timingsMs.total - timingsMs.decode,
		totalMs: timingsMs.total,
		suppressed: report.suppressed,
		...(asked > 1 ? { alternatives: others.map(alternativeTo(gold)) } : {}),
		...(needed === undefined ? {} : { needed: { kind, listed: entities?.includes(needed) === true } }),
		...(nodes.length === 0 ? {} : { levels: countLevels(nodes) }),
		...(evidence ? { goldLogProb: evidence.gold.logProb, features: evidence.features } : {}),
	};
}

function alternativeTo(gold: string) {
	return ({ insertText, confidence }: CompletionItem) => ({ prediction: insertText, confidence, em: scoreLine(insertText, gold).em });
}

function countLevels(nodes: CompletionReport['nodes']): NonNullable<ExampleScore['levels']> {
	const counts: NonNullable<ExampleScore['levels']> = {};
	for (const { level } of nodes) counts[level] = (counts[level] ?? 0) + 1;
	return counts;
}

/** Redraws a line on a terminal; elsewhere one line for every tenth of the examples. */
function createProgress(context: CommandContext, total: number): (repo: string, done: number) => void {
	const started = performance.now();
	const step = Math.max(1, Math.ceil(total / 10));
	return (repo, done) => {
		const seconds = ((performance.now() - started) / 1000).toFixed(0);
		const text = `${done} of ${total} lines, ${seconds} s (${repo})`;
		if (context.interactive) context.stderr(`\r${text} \u001b[K${done === total ? '\n' : ''}`);
		else if (done % step === 0 || done === total) context.stderr(`${text}\n`);
	};
}
