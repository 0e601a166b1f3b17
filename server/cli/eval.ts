/**
 * `eval`: exact match and edit similarity of every context mode on a benchmark, through the server's own pipeline, with the
 * comparisons that tell what the context is worth.
 */
import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { HefError } from '../base/errors.ts';
import { ROOM_TO_WRITE } from '../inference/prompt-layout.ts';
import { type Command, type CommandContext, integerOption, outputOption, type ParsedArguments, withBundleOption } from './command.ts';
import { readExamples, sample } from './evaluation/examples.ts';
import { buildReport } from './evaluation/report.ts';
import { plotReport } from './evaluation/report-plot.ts';
import { describeReport } from './evaluation/report-text.ts';
import { type RunOptions, type RunTimes, runExamples, whileAlone } from './evaluation/runner.ts';
import type { ExampleScore } from './evaluation/scores.ts';
import { budgetVariants, levelVariants, PARTS, type Part, parseModes, type Variant, withAllVariants } from './evaluation/variants.ts';
import { markdownTable, printJson, seconds, table } from './output.ts';

type Values = ParsedArguments['values'];

export const evalCommand: Command = {
	name: 'eval',
	usage: `--data FILE.jsonl --repos DIR [--modes none,snippets,hef[-entities][-copy][-speculation][-search],copy] [--variants]
       [--limit N] [--mid] [--alternatives N] [--no-suffix] [--no-entities] [--no-copy] [--no-speculation] [--no-search] [--k N,N…]
       [--levels chunk,file,directory,repository] [--reference BUNDLE] [--against BUNDLE] [--workers N]
       [--details FILE.jsonl] [--plot FILE.svg] [--markdown] [--json]`,
	summary: 'exact match and edit similarity by mode on a benchmark',
	mostPositionals: 0,
	options: {
		data: { type: 'string' },
		repos: { type: 'string' },
		modes: { type: 'string' },
		variants: { type: 'boolean' },
		limit: { type: 'string' },
		mid: { type: 'boolean' },
		alternatives: { type: 'string' },
		'no-suffix': { type: 'boolean' },
		'no-entities': { type: 'boolean' },
		'no-copy': { type: 'boolean' },
		'no-speculation': { type: 'boolean' },
		'no-search': { type: 'boolean' },
		k: { type: 'string' },
		levels: { type: 'string' },
		reference: { type: 'string' },
		against: { type: 'string' },
		workers: { type: 'string' },
		details: { type: 'string' },
		plot: { type: 'string' },
		markdown: { type: 'boolean' },
	},
	run: (args, context) => whileAlone(args.settings, () => evaluate(args, context)),
};

async function evaluate({ values, settings }: ParsedArguments, context: CommandContext): Promise<number> {
	const { data, repos } = dataAndRepos(values, evalCommand);
	const plan = await planOf(values, settings, context);
	const run: RunOptions = {
		repos,
		variants: [...plan.variants, ...plan.budget, ...plan.levels],
		cursors: [values.mid ? 'mid' : 'start'],
		without: values['no-suffix'] ? ['suffix'] : [],
		lanes: integerOption(values, 'workers', 1, 1),
		most: integerOption(values, 'alternatives', 1, 1),
		settings,
	};
	const examples = sample(await readExamples(data), integerOption(values, 'limit', 1, Number.MAX_SAFE_INTEGER));
	const [details, plot] = [await outputOption(values, 'details'), await outputOption(values, 'plot')];
	const judge = await withBundleOption(values, 'reference', settings, context);
	const opponent = await withBundleOption(values, 'against', settings, context);
	const { scores, times, notes, bundle } = await runExamples(examples, run, context);
	context.stderr(describeTimes(times));
	for (const [note, count] of Object.entries(notes)) context.stderr(`${note} (${count} of ${examples.length} lines)\n`);
	if (details !== undefined) await writeFile(details, jsonLines(scores));
	// Under another bundle's generator, without context and with raw snippets.
	const reference = judge && (await scoresUnder(judge, { ...run, variants: parseModes('none,snippets') }, examples, context));
	const against = opponent && (await scoresUnder(opponent, { ...run, variants: plan.variants }, examples, context));
	const report = buildReport({ scores, ...plan, ...(reference ? { reference } : {}), ...(against ? { against } : {}) });
	if (plot !== undefined) await writeFile(plot, plotReport(report));
	const without = [...run.without, ...leftOut(values)];
	if (values.json) printJson(context, { data, bundle, notes, mid: values.mid === true, without, ...report });
	else context.stdout(describeReport(report, values.markdown ? markdownTable : table));
	return 0;
}

/** The two options that every run needs. Throws HefError `usage`. */
export function dataAndRepos(values: Values, { name, usage }: Command): { data: string; repos: string } {
	const { data, repos } = values;
	if (typeof data !== 'string' || typeof repos !== 'string')
		throw new HefError('usage', `--data and --repos are needed\nUsage: hef-language-server ${name} ${usage}`);
	return { data, repos: resolve(repos) };
}

/** Milliseconds by what they were spent on. */
export function describeTimes({ indexMs, saveMs, completeMs }: RunTimes): string {
	return `indexing ${seconds(indexMs)}, saving edited files ${seconds(saveMs)}, completing ${seconds(completeMs)}\n`;
}

interface Plan {
	variants: Variant[];
	budget: Variant[];
	levels: Variant[];
}

async function planOf(values: Values, settings: RunOptions['settings'], context: CommandContext): Promise<Plan> {
	const asked = parseModes(String(values.modes ?? 'none,snippets,hef'), leftOut(values));
	const variants = values.variants ? withAllVariants(asked) : asked;
	const plan: Plan = { variants, budget: [], levels: [] };
	if (values.k === undefined && values.levels === undefined) return plan;
	const base = variants.find((variant) => variant.context === 'hef');
	if (!base) throw new HefError('usage', '--k and --levels vary the mode hef: --modes has to name it');
	if (typeof values.levels === 'string') plan.levels = levelVariants(values.levels, base);
	if (typeof values.k === 'string') {
		const { prompt, generator } = (await context.loadBundle(settings)).manifest;
		const trained = prompt.pseudoTokens.max;
		const others = (prompt.entities?.max ?? 0) + prompt.suffix.max + prompt.prefix.max;
		plan.budget = budgetVariants(values.k, base, trained, generator.maxPositions - others - ROOM_TO_WRITE);
		const beyond = plan.budget.filter(({ untrained }) => untrained).map(({ k }) => k);
		if (beyond.length > 0) context.stderr(`--k ${beyond.join(', ')}: the bundle was trained on at most ${trained} pseudo-tokens\n`);
	}
	return plan;
}

function leftOut(values: Values): Part[] {
	return PARTS.filter((part) => values[`no-${part}`]);
}

type Examples = Parameters<typeof runExamples>[0];

/** The same lines under another bundle. */
async function scoresUnder(
	{ name, settings }: { name: string; settings: RunOptions['settings'] },
	run: RunOptions,
	examples: Examples,
	context: CommandContext,
) {
	const { scores } = await runExamples(examples, { ...run, settings }, context);
	return { name, scores };
}

function jsonLines(scores: readonly ExampleScore[]): string {
	return scores.map((score) => `${JSON.stringify(score)}\n`).join('');
}
