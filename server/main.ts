/**
 * Entry point: the only place that wires. Reads the arguments, then serves one LSP connection or runs one command.
 *
 * What either needs is imported when it is needed: an editor waits for the answer to `initialize`, and the runtimes of models,
 * store and grammars take longer to load than all of LSP, which is bundled with this file (`scripts/bundle.mjs`).
 */
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Settings } from 'hef-shared';
import { defaultCacheFolder } from './base/default-cache-folder.ts';
import { HefError, messageOf } from './base/errors.ts';
import { stderrLogger } from './base/logger.ts';
import type { CommandContext } from './cli/command.ts';
import type { ServiceEvents, Services } from './services.ts';

/** Folder of `server/package.json`, from the compiled file's place in `server/dist`. */
const serverFolder = join(dirname(fileURLToPath(import.meta.url)), '..');
const { version } = JSON.parse(readFileSync(join(serverFolder, 'package.json'), 'utf8')) as { version: string };
/** Where bundles that ship with the server lie: in a checkout, and in a package. */
const bundleFolders = [join(serverFolder, '..', 'models'), join(serverFolder, 'models')];

/** Longest wait for a model run at the end. */
const REST_MS = 10_000;

/** @returns the exit code */
export async function main(args: readonly string[]): Promise<number> {
	// ONNX Runtime reads it before its first session, in this process, its threads and the probe's child; otherwise it reports home.
	process.env.ORT_DISABLE_TELEMETRY = '1';
	try {
		const streams = await openTransport(args);
		if (streams) return await serveStreams(streams);
		endWithReader();
		const { runCommand } = await import('./cli/run.ts');
		return await runCommand(args, commandContext());
	} catch (error) {
		process.stderr.write(`hef-language-server: ${messageOf(error)}\n`);
		return error instanceof HefError && error.code === 'usage' ? 2 : 1;
	}
}

/** Who reads a command's output may have enough of it (`lines … | head -1`): no failure of the command. */
function endWithReader(): void {
	for (const stream of [process.stdout, process.stderr]) {
		stream.on('error', (error: NodeJS.ErrnoException) => {
			if (error.code !== 'EPIPE') throw error;
			if (stream === process.stdout) process.exit(0);
		});
	}
}

/** Serves one connection to its end, and lets the models come to rest before the process ends. */
async function serveStreams({ input, output }: Streams): Promise<number> {
	const { createConnection } = await import('vscode-languageserver');
	const { createProtocolConnection } = await import('vscode-languageserver/node');
	const { createLife } = await import('./lsp/life.ts');
	const { quiet } = await import('./lsp/messages.ts');
	const { serve } = await import('./lsp/server.ts');
	const { watchDog, ended } = createLife(input, output);
	const connection = createConnection((logger) => createProtocolConnection(input, output, quiet(logger)), watchDog);
	const server = serve({ connection, version, createServices: startServices, clearCache: clearCaches });
	const code = await ended;
	setTimeout(() => process.exit(code), REST_MS).unref();
	await server.dispose();
	connection.dispose();
	process.exit(code);
}

interface Streams {
	input: NodeJS.ReadableStream;
	output: NodeJS.WritableStream;
}

/** The LSP transport that the arguments ask for; undefined when they ask for a command. */
async function openTransport([first = '', ...rest]: readonly string[]): Promise<Streams | undefined> {
	const [, flag = '', inline] = /^(--stdio|--socket|--pipe)(?:=(.*))?$/s.exec(first) ?? [];
	if (!flag) return undefined;
	const value = flag === '--stdio' ? inline : (inline ?? rest.shift());
	// VS Code's client library names its process here too.
	const unknown = rest.find((argument) => !argument.startsWith('--clientProcessId='));
	if (unknown !== undefined) throw new HefError('usage', `unknown argument '${unknown}' after ${flag}: settings come from the editor`);
	if (flag === '--stdio') return { input: process.stdin, output: process.stdout };
	if (flag === '--pipe') {
		if (!value) throw new HefError('usage', '--pipe wants the name of a pipe');
		return openSocket({ path: value });
	}
	const port = Number(value);
	if (!Number.isInteger(port) || port < 1 || port > 65_535)
		throw new HefError('usage', `--socket wants a port number, got '${value ?? ''}'`);
	return openSocket({ port, host: '127.0.0.1' });
}

/** By the protocol's convention the editor listens and the server connects. */
function openSocket(target: { port: number; host: string } | { path: string }): Promise<Streams> {
	return new Promise((resolve, reject) => {
		const socket = connect(target, () => resolve({ input: socket, output: socket }));
		socket.once('error', reject);
	});
}

async function loadChosenBundle(settings: Settings) {
	const { loadBundle, resolveBundle } = await import('./inference/bundle.ts');
	return loadBundle(await resolveBundle(settings.bundle, bundleFolders));
}

/** The cache's folder: the setting, else the operating system's place for caches. */
function cacheFolder(settings: Settings): string {
	return settings.cacheFolder || defaultCacheFolder();
}

async function startServices(settings: Settings, events: ServiceEvents): Promise<Services> {
	const { createServices } = await import('./services.ts');
	const bundle = await loadChosenBundle(settings);
	const logger = stderrLogger({ verbose: settings.trace !== 'off' });
	return createServices({ bundle, settings, cacheFolder: cacheFolder(settings), version, events, logger });
}

/** UTF-16 units of a token, where no tokenizer is given. */
const CHARS_PER_TOKEN = 4;

async function openChunkSource(folder: string, tokenizerFile?: string) {
	const { createChunker } = await import('./chunking/chunker.ts');
	const { loadTokenizer } = await import('./inference/tokenizer.ts');
	const { createWorkspace } = await import('./workspace/workspace.ts');
	const estimate = { count: (text: string) => Math.ceil(text.length / CHARS_PER_TOKEN) };
	const { count } = tokenizerFile === undefined ? estimate : await loadTokenizer(tokenizerFile, Number.MAX_SAFE_INTEGER);
	return { workspace: await createWorkspace(folder), chunker: createChunker({ countTokens: count }) };
}

async function openBareEngine(settings: Settings) {
	const { createBareEngine } = await import('./completion/bare-engine.ts');
	const { createModels } = await import('./inference/models.ts');
	const { createWorkspace } = await import('./workspace/workspace.ts');
	const bundle = await loadChosenBundle(settings);
	const logger = stderrLogger({ verbose: settings.trace !== 'off' });
	const threads = settings.maxThreads || 2;
	const models = await createModels(bundle, { executionProvider: settings.executionProvider, threads, logger });
	return { engine: createBareEngine({ bundle, models }), openWorkspace: (folder: string) => createWorkspace(folder) };
}

async function inspect(folder: string, settings: Settings) {
	const { inspectFolder } = await import('./indexing/inspect.ts');
	const bundle = await loadChosenBundle(settings);
	return inspectFolder({ folder, cacheFolder: cacheFolder(settings), bundle, exclude: settings.exclude });
}

async function clearCaches(folder: string | undefined, settings: Settings) {
	const { clearCache } = await import('./indexing/clear-cache.ts');
	return clearCache(cacheFolder(settings), folder);
}

async function importVectors(folder: string, text: string, settings: Settings) {
	const { importVectors: take } = await import('./indexing/import-vectors.ts');
	return take({ folder, text, bundle: await loadChosenBundle(settings), cacheFolder: cacheFolder(settings) });
}

function commandContext(): CommandContext {
	return {
		version,
		createServices: startServices,
		openChunkSource,
		openBareEngine,
		loadBundle: loadChosenBundle,
		inspect,
		clearCache: clearCaches,
		importVectors,
		cacheFolder,
		stdout: (text: string) => void process.stdout.write(text),
		stderr: (text: string) => void process.stderr.write(text),
		interactive: process.stderr.isTTY === true,
	};
}
