/** `complete FILE`: one completion, with everything that stood behind it. */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { COMPLETION_MODES, type CompletionMode, type CompletionReport, type Settings } from 'hef-shared';
import { HefError } from '../base/errors.ts';
import { holdsHome, realPath } from '../base/paths.ts';
import { LineIndex } from '../base/text.ts';
import { readSource } from '../workspace/read-source.ts';
import type { SkipReason } from '../workspace/types.ts';
import { type Command, type CommandContext, integerOption, onePositional, type ParsedArguments } from './command.ts';
import { withIndexedFolder } from './index-command.ts';
import { printJson, seconds, table } from './output.ts';

export const completeCommand: Command = {
	name: 'complete',
	usage: 'FILE --line L --column C [--context MODE] [--folder DIR] [--multi-line] [--alternatives N] [--no-copy] [--json]',
	summary: 'one completion; L and C as LSP counts (zero-based, UTF-16)',
	options: {
		line: { type: 'string' },
		column: { type: 'string' },
		context: { type: 'string' },
		folder: { type: 'string' },
		'multi-line': { type: 'boolean' },
		alternatives: { type: 'string' },
		'no-copy': { type: 'boolean' },
	},
	async run({ positionals, values, settings }, context) {
		const file = resolve(onePositional(completeCommand, positionals, 'file'));
		const position = { line: integerOption(values, 'line', 0), character: integerOption(values, 'column', 0) };
		const mode = contextOption(values, settings);
		const text = textOf(file);
		const offset = new LineIndex(text).offsetAt(position);
		if (offset === undefined)
			throw new HefError(
				'usage',
				`line ${position.line}, column ${position.character} lies outside of ${file} (${new LineIndex(text).lineCount} lines)`,
			);
		const folder = typeof values.folder === 'string' ? resolve(values.folder) : workspaceOf(file);
		const path = relative(folder, file).replaceAll(sep, '/');
		if (path.startsWith('../') || isAbsolute(path)) throw new HefError('usage', `--folder ${folder} does not hold ${file}`);
		const flags = {
			multiLine: values['multi-line'] === true,
			most: integerOption(values, 'alternatives', 1, 1),
			noCopy: values['no-copy'] === true,
		};
		const report = await completeOnce({ file, folder, path, text, offset, mode, ...flags, settings }, context);
		if (values.json) printJson(context, report);
		else context.stdout(describeCompletion(report, settings.minConfidence));
		return 0;
	},
};

function contextOption(values: ParsedArguments['values'], settings: Settings): CompletionMode {
	const mode = values.context ?? settings.context;
	if (!COMPLETION_MODES.includes(mode as CompletionMode))
		throw new HefError('usage', `--context wants one of ${COMPLETION_MODES.join(', ')}, got '${mode}'`);
	return mode as CompletionMode;
}

const REASONS: Record<SkipReason, string> = {
	binary: 'it is binary',
	tooLarge: 'it is larger than 1 MB',
	notUtf8: 'it is no UTF-8',
	generated: 'it is generated',
	unreadable: 'there is no such file, or you may not read it',
};

/** The file's text as an editor has it. As prose: long lines and much data are no reason not to complete it. */
function textOf(file: string): string {
	const source = readSource(file, 'prose');
	if (source.kind === 'text') return source.text;
	throw new HefError('workspace-unreadable', `cannot read ${file}: ${REASONS[source.reason]}`);
}

/**
 * The nearest folder above that looks like a project's root; the file's own folder where none does.
 * @throws HefError `usage` where that is the user's home or holds it
 */
function workspaceOf(file: string): string {
	for (let folder = dirname(file); ; folder = dirname(folder)) {
		if (existsSync(join(folder, '.git'))) return folder;
		if (folder !== dirname(folder)) continue;
		if (!holdsHome(realPath(dirname(file)), realPath(homedir()))) return dirname(file);
		throw new HefError('usage', `${file} lies in no project, and its folder holds your home: --folder DIR says what to index`);
	}
}

interface CompleteOnce {
	file: string;
	folder: string;
	path: string;
	text: string;
	offset: number;
	mode: CompletionMode;
	multiLine: boolean;
	most: number;
	noCopy: boolean;
	settings: Settings;
}

function completeOnce(
	{ file, folder, path, text, offset, mode, multiLine, most, noCopy, settings }: CompleteOnce,
	context: CommandContext,
): Promise<CompletionReport> {
	return withIndexedFolder(folder, settings, context, async (services) => {
		if (!(await services.includes(folder, path)))
			throw new HefError(
				'workspace-unreadable',
				`${file} is not completed: it looks like a secret, is ignored, or is no text that is indexed`,
			);
		const report = await services.complete({
			uri: pathToFileURL(file).href,
			folder,
			path,
			text,
			offset,
			context: mode,
			multiLine: multiLine ? 'always' : 'never',
			explicit: true,
			minConfidence: 0,
			most,
			without: noCopy ? ['copy'] : [],
		});
		if (!report) throw new HefError('inference-failed', 'the completion was cancelled');
		return report;
	});
}

/** @param minConfidence below which editors show nothing while one types */
export function describeCompletion(report: CompletionReport, minConfidence: number): string {
	const nodes = report.nodes
		.slice(0, 8)
		.map(({ level, path, startLine, endLine, score }) => [score.toFixed(3), level, place(path, startLine, endLine)]);
	const timings = Object.entries(report.timingsMs).map(([stage, ms]) => `${stage} ${seconds(ms)}`);
	const suggestions = report.items.map(
		({ insertText, confidence }, i) =>
			`${i === 0 ? 'suggestion' : `alternative ${i}`} (confidence ${confidence.toFixed(2)}${confidence < minConfidence ? `, below ${minConfidence}: not shown while you type` : ''}):\n  ${insertText.replaceAll('\n', '\n  ')}`,
	);
	const lines = [
		...(suggestions.length > 0 ? suggestions : [`no suggestion: ${report.suppressed}`]),
		`times: ${timings.join(', ')}`,
		`tokens: ${Object.entries(report.tokens)
			.map(([segment, n]) => `${segment} ${n}`)
			.join(', ')}`,
	];
	for (const note of report.notes ?? []) lines.push(`note: ${note}`);
	if (report.entities && report.entities.length > 0) lines.push(`entities: ${report.entities.join(' ')}`);
	const more = report.nodes.length - nodes.length;
	const retrieved =
		nodes.length === 0 ? '' : `nodes behind it:\n${table(['score', 'level', 'where'], nodes)}${more > 0 ? `… and ${more} more\n` : ''}`;
	return `${lines.join('\n')}\n${retrieved}`;
}

function place(path: string, startLine: number, endLine: number): string {
	if (endLine === 0) return path === '' ? '.' : path;
	return `${path}:${startLine + 1}-${endLine + 1}`;
}
