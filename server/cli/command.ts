/** What every command line command is made of. */
import { existsSync } from 'node:fs';
import { appendFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { resolve } from 'node:path';
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { EXECUTION_PROVIDERS, expandHome, parseSettings, type Settings, type WorkspaceReport } from 'hef-shared';
import { HefError, messageOf } from '../base/errors.ts';
import type { BareEngine } from '../completion/bare-engine.ts';
import type { ImportedVectors } from '../indexing/import-vectors.ts';
import type { Bundle } from '../inference/bundle.ts';
import type { CreateServices } from '../services.ts';
import type { ClearedCache } from '../store/cache-folder.ts';
import type { Workspace } from '../workspace/types.ts';
import type { ChunksOptions } from './chunks.ts';

/** Streams and services of a command; injected, so that tests run commands in-process. */
export interface CommandContext {
	version: string;
	createServices: CreateServices;
	/** What cuts a folder's files as indexing does, with the tokenizer of a file; without one, tokens are estimated. */
	openChunkSource(folder: string, tokenizerFile?: string): Promise<Omit<ChunksOptions, 'out'>>;
	/** Completion with no index, from a folder's files as they lie there. */
	openBareEngine(settings: Settings): Promise<{ engine: BareEngine; openWorkspace(folder: string): Promise<Workspace> }>;
	/** The bundle that the settings choose. Throws HefError `bundle-missing` or `bundle-invalid`. */
	loadBundle(settings: Settings): Promise<Bundle>;
	/** Health of a folder's cache, read without any model. */
	inspect(folder: string, settings: Settings): Promise<WorkspaceReport>;
	/** Deletes the index of a folder, or all. */
	clearCache(folder: string | undefined, settings: Settings): Promise<ClearedCache>;
	/** Takes the tuned vectors in the text of a file into a folder's index. */
	importVectors(folder: string, text: string, settings: Settings): Promise<ImportedVectors>;
	/** Folder that holds the caches of all workspaces. */
	cacheFolder(settings: Settings): string;
	stdout(text: string): void;
	stderr(text: string): void;
	/** Whether stderr is a terminal that can redraw a line. */
	interactive: boolean;
}

export interface Command {
	name: string;
	/** Arguments as the usage line shows them. */
	usage: string;
	summary: string;
	options: NonNullable<ParseArgsConfig['options']>;
	/** How many arguments it takes that are no options, at most. Default 1. */
	mostPositionals?: number;
	/** Prints JSON lines, so that `--json`, which promises one document, is refused. Default false. */
	printsLines?: boolean;
	/** @returns exit code: 0 success, 1 the operation failed */
	run(args: ParsedArguments, context: CommandContext): Promise<number>;
}

export interface ParsedArguments {
	positionals: string[];
	values: Record<string, string | boolean | undefined>;
	settings: Settings;
}

/** Options that every command takes. */
const COMMON = {
	json: { type: 'boolean' },
	cache: { type: 'string' },
	bundle: { type: 'string' },
	'execution-provider': { type: 'string' },
	threads: { type: 'string' },
	verbose: { type: 'boolean' },
	help: { type: 'boolean', short: 'h' },
} as const satisfies ParseArgsConfig['options'];

export const COMMON_USAGE = `Options of all commands:
  --json                     one JSON document on stdout and nothing else (not for chunks and lines, which print JSON lines)
  --cache DIR                folder of the index (default: the user's cache folder)
  --bundle NAME|DIR          model bundle (default: the one that ships)
  --execution-provider NAME  ${EXECUTION_PROVIDERS.join(', ')}
  --threads N                threads of a model run
  --verbose                  more on stderr`;

/** The flags by the setting that each gives. */
const FLAGS: Partial<Record<string, string>> = {
	cacheFolder: '--cache',
	bundle: '--bundle',
	executionProvider: '--execution-provider',
	maxThreads: '--threads',
};

/** Throws HefError `usage` with a message that names the flag. */
export function parseCommandArguments(command: Command, args: string[]): ParsedArguments {
	let parsed: { values: Record<string, unknown>; positionals: string[] };
	try {
		parsed = parseArgs({ args, options: { ...COMMON, ...command.options }, allowPositionals: true, strict: true });
	} catch (error) {
		throw new HefError(
			'usage',
			`${(error as Error).message.split('\n', 1)[0]}\nUsage: hef-language-server ${command.name} ${command.usage}`,
		);
	}
	const values = parsed.values as ParsedArguments['values'];
	const excess = parsed.positionals[command.mostPositionals ?? 1];
	if (excess !== undefined && !values.help)
		throw new HefError('usage', `unexpected argument '${excess}'\nUsage: hef-language-server ${command.name} ${command.usage}`);
	if (values.json && command.printsLines)
		throw new HefError(
			'usage',
			`${command.name} prints JSON lines, and no document for --json\nUsage: hef-language-server ${command.name} ${command.usage}`,
		);
	const home = homedir();
	const given = {
		// A shell leaves the ~ of --cache=~/x to us.
		cacheFolder: typeof values.cache === 'string' && values.cache !== '' ? resolve(expandHome(values.cache, home)) : values.cache,
		bundle: typeof values.bundle === 'string' ? bundleGiven(expandHome(values.bundle, home)) : undefined,
		executionProvider: values['execution-provider'],
		maxThreads: numberOf(values.threads),
		trace: values.verbose ? 'verbose' : 'off',
		minConfidence: 0,
	};
	const { settings, problems } = parseSettings(given, { home, nameOf: (key) => FLAGS[key] ?? `hef.${key}` });
	if (problems.length > 0) throw new HefError('usage', problems.join('\n'));
	return { positionals: parsed.positionals, values, settings };
}

/** What names a folder that is there, or is written as a path, is taken from the working directory; anything else is a bundle's name. */
function bundleGiven(given: string): string {
	const isPath = /[/\\]|^\.\.?$/.test(given) || (given !== '' && existsSync(given));
	return isPath ? resolve(given) : given;
}

/** The settings with another bundle. It is checked at once, so that no run of hours ends at a name that was misspelt. */
export async function withBundleOption(values: ParsedArguments['values'], name: string, settings: Settings, context: CommandContext) {
	const given = values[name];
	if (typeof given !== 'string') return undefined;
	const other = { ...settings, bundle: bundleGiven(expandHome(given, homedir())) };
	await context.loadBundle(other);
	return { name: given, settings: other };
}

/** A file that a run of hours writes at its end; whether that is possible shows before. Throws HefError `usage`. */
export async function outputOption(values: ParsedArguments['values'], name: string): Promise<string | undefined> {
	const file = values[name];
	if (typeof file !== 'string') return undefined;
	try {
		await appendFile(file, '');
		return file;
	} catch (cause) {
		throw new HefError('usage', `--${name}: cannot write '${file}': ${messageOf(cause)}`, { cause });
	}
}

/** What is no number stays as it was given, for the message that refuses it. */
function numberOf(given: string | boolean | undefined): number | string | boolean | undefined {
	return typeof given !== 'string' || given.trim() === '' || Number.isNaN(Number(given)) ? given : Number(given);
}

/** The only positional argument. Throws HefError `usage` when there is none. */
export function onePositional(command: Pick<Command, 'name' | 'usage'>, positionals: readonly string[], name: string): string {
	const [value] = positionals;
	// A variable of the shell that is not set comes as an empty argument, and would mean the working directory.
	if (value) return value;
	throw new HefError('usage', `expected one ${name}\nUsage: hef-language-server ${command.name} ${command.usage}`);
}

/** An integer option. Throws HefError `usage`. */
export function integerOption(values: ParsedArguments['values'], name: string, minimum: number, fallback?: number): number {
	const given = values[name];
	if (given === undefined && fallback !== undefined) return fallback;
	const value = Number(given);
	if (typeof given !== 'string' || !Number.isInteger(value) || value < minimum)
		throw new HefError('usage', `--${name} wants a whole number of at least ${minimum}${given === undefined ? '' : `, got '${given}'`}`);
	return value;
}
