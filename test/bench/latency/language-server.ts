/**
 * Bars on the server's own process over stdio: start, cancellation, and how long the LSP thread stands still while a folder
 * is built and a user types.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { STATUS_CHANGED_NOTIFICATION, type StatusChangedParams } from 'hef-shared';
import { CancellationTokenSource } from 'vscode-languageserver-protocol';
import { summarize } from '../../../server/completion/metrics.ts';
import { type LspClient, SERVER_PROGRAM, type ServerProcess, startProcess } from '../../support/lsp-client.ts';
import { createRandom } from '../../support/random.ts';
import { type Bar, median } from '../bars.ts';
import type { Cursor } from './cursors.ts';
import type { LatencyContext } from './main.ts';
import { ranGenerator, THREADS } from './server-parts.ts';

const BARE_SERVER = fileURLToPath(new URL('bare-server.mjs', import.meta.url));
const LOOP_PROBE = new URL('loop-probe.mjs', import.meta.url).href;
const PAUSE_MS = 30;
const BUILD_TIMEOUT_MS = 300_000;

/** How long a fresh process takes to answer `initialize`, beside a server that does nothing. */
export async function startBars({ quick, cacheFolder }: LatencyContext): Promise<Bar[]> {
	const ours: number[] = [];
	const bare: number[] = [];
	const runs = quick ? 3 : 10;
	for (let run = 0; run < runs; run++) {
		ours.push(await initializeMs([process.execPath, SERVER_PROGRAM], cacheFolder));
		bare.push(await initializeMs([process.execPath, BARE_SERVER], cacheFolder));
	}
	const times = (median(ours) / median(bare)).toFixed(2);
	return [
		{
			what: '`initialize` answered by a cold process',
			values: ours,
			unit: 'ms',
			limit: { relation: '≤', value: 150 },
			note: `${times} times a bare Node server, which took ${median(bare).toFixed(0)} ms in the same run`,
		},
	];
}

async function initializeMs(command: readonly string[], cacheFolder: string): Promise<number> {
	const started = performance.now();
	const server = await startProcess({ command });
	const died = server.ended.then((code) => {
		throw new Error(`the server ended with ${String(code)}: ${server.stderr()}`);
	});
	await Promise.race([server.client.initialize({ untilReady: false, initializationOptions: { cacheFolder } }), died]);
	died.catch(() => {});
	const answered = performance.now() - started;
	await stop(server);
	return answered;
}

/** Asks for the end and waits for it. */
export async function stop({ client, ended }: ServerProcess): Promise<void> {
	await client.shutdown();
	await client.exit();
	await ended;
	client.connection.dispose();
}

export interface StartOptions {
	folder: string;
	cacheFolder: string;
	/** File for what the probe of the event loop notes. */
	probeFile?: string;
}

/** The server with one workspace folder; the build of its index has begun. */
export async function startServer({ folder, cacheFolder, probeFile }: StartOptions): Promise<ServerProcess> {
	const probe = probeFile ? ['--import', LOOP_PROBE] : [];
	const env = probeFile ? { HEF_LOOP_PROBE: probeFile } : {};
	const server = await startProcess({ command: [process.execPath, ...probe, SERVER_PROGRAM], env });
	const settings = { cacheFolder, executionProvider: 'cpu', maxThreads: THREADS };
	server.client.settings = settings;
	await server.client.initialize({ folders: [pathToFileURL(folder).href], initializationOptions: settings, untilReady: false });
	return server;
}

/** Types lines of real files while the folder's first index is built. */
export async function eventLoopBars(context: LatencyContext): Promise<Bar[]> {
	const cursors = context.cursors({ quick: 6, full: 96 });
	const work = mkdtempSync(join(tmpdir(), 'hef-latency-'));
	try {
		const probeFile = join(work, 'stalls.json');
		const { folder } = cursors[0] as Cursor;
		const server = await startServer({ folder, cacheFolder: join(work, 'cache'), probeFile });
		const here = cursors.filter((cursor) => cursor.folder === folder);
		const typing = await typeDuringBuild(server.client, here, context.quick ? 5000 : 60_000);
		await stop(server);
		const stalls = JSON.parse(readFileSync(probeFile, 'utf8')) as Stall[];
		const during = stalls.filter(({ endedAt }) => endedAt > typing.began && endedAt < typing.ended);
		return [eventLoopBar(during, typing)];
	} finally {
		rmSync(work, { recursive: true, force: true });
	}
}

/** Cancels requests at random moments. */
export async function cancellationBars(context: LatencyContext): Promise<Bar[]> {
	const cursors = context.cursors({ quick: 6, full: 96 });
	const { folder } = cursors[0] as Cursor;
	const server = await startServer({ folder, cacheFolder: context.cacheFolder });
	await server.client.untilStatus('ready', BUILD_TIMEOUT_MS);
	const here = cursors.filter((cursor) => cursor.folder === folder);
	const cancelled = await cancelRequests(server.client, here, context.quick ? 10 : 200);
	await stop(server);
	return [cancellationBar(cancelled, await context.decodeStepMs())];
}

/** What the probe notes. */
interface Stall {
	/** Milliseconds since the epoch. */
	endedAt: number;
	ms: number;
	waitedForCoreMs: number;
	/** Of the time, what the thread itself computed. */
	ranMs: number;
}

interface Typing {
	/** Milliseconds since the epoch. */
	began: number;
	ended: number;
	answersMs: number[];
	/** Indexed at the end. */
	files: number;
	/** Whether the build was done before the end. */
	built: boolean;
}

/** Types until the build is done, or for so long. */
async function typeDuringBuild(client: LspClient, cursors: readonly Cursor[], mostMs: number): Promise<Typing> {
	const isBuilt = () =>
		client.received.some(
			({ method, params }) => method === STATUS_CHANGED_NOTIFICATION && (params as StatusChangedParams).kind === 'ready',
		);
	await client.notification(STATUS_CHANGED_NOTIFICATION, ({ kind }: StatusChangedParams) => kind === 'indexing', BUILD_TIMEOUT_MS);
	const began = Date.now();
	const enough = () => isBuilt() || Date.now() - began > mostMs;
	const answersMs: number[] = [];
	for (let i = 0; !enough(); i++) {
		answersMs.push(...(await typeLine(client, cursors[i % cursors.length] as Cursor, enough, String(i))));
	}
	const ended = Date.now();
	const { workspaces } = await client.status();
	return { began, ended, answersMs, files: workspaces[0]?.files ?? 0, built: isBuilt() };
}

/** Types the cursor's line in a document of its own, until `enough`. @returns milliseconds from keystroke to answer */
export async function typeLine(client: LspClient, cursor: Cursor, enough = () => false, name = ''): Promise<number[]> {
	const document = openDocument(client, cursor, `typed${name}`);
	const answersMs: number[] = [];
	for (const character of cursor.gold) {
		await pause(PAUSE_MS);
		if (enough()) break;
		const started = performance.now();
		await document.type(character);
		answersMs.push(performance.now() - started);
	}
	document.close();
	return answersMs;
}

/** A document under a name of its own, with the cursor's text and a place to type. */
function openDocument(client: LspClient, { folder, path, text, offset }: Cursor, name: string) {
	const extension = path.slice(path.lastIndexOf('.'));
	const uri = pathToFileURL(join(folder, path.replace(extension, `.${name}${extension}`))).href;
	const before = text.slice(0, offset).split('\n');
	const line = before.length - 1;
	let character = before.at(-1)?.length ?? 0;
	client.open(uri, text, extension === '.py' ? 'python' : 'typescript');
	return {
		uri,
		get position() {
			return { line, character };
		},
		/** Resolves with the answer. */
		type(typed: string) {
			client.change(uri, [{ range: { start: { line, character }, end: { line, character } }, text: typed }]);
			character += typed.length;
			return client.inlineCompletion(uri, { line, character });
		},
		close: () => client.close(uri),
	};
}

function eventLoopBar(stalls: readonly Stall[], { began, ended, answersMs, files, built }: Typing): Bar {
	const longest = stalls.reduce((worst, { ms, waitedForCoreMs }) => Math.max(worst, ms - waitedForCoreMs), 0);
	const withWaiting = stalls.reduce((worst, { ms }) => Math.max(worst, ms), 0);
	const computing = stalls.reduce((worst, { ranMs }) => Math.max(worst, ranMs), 0);
	const seconds = ((ended - began) / 1000).toFixed(0);
	const answers = summarize(answersMs);
	return {
		what: 'Event loop of the LSP thread, longest block during replay while a full build runs',
		values: [longest],
		unit: 'ms',
		limit: { relation: '≤', value: 20 },
		note: `at most ${computing.toFixed(0)} ms computing, ${withWaiting.toFixed(0)} ms with the time it waited for a core; ${seconds} s, in which ${files} files were indexed${built ? '' : ' of more'}; ${answers.n} keystrokes answered, p50 ${answers.p50.toFixed(0)} ms, p95 ${answers.p95.toFixed(0)} ms`,
	};
}

interface Cancelled {
	/** From the cancel to the answer of the request. */
	settledMs: number[];
	/** From the cancel until the models would take the next request. */
	freeMs: number[];
}

/** For each cancelled request: the others were answered before. */
const MOST_TRIALS = 4;

/** @param wanted requests that are cancelled before they are answered, so many at most */
async function cancelRequests(client: LspClient, cursors: readonly Cursor[], wanted: number): Promise<Cancelled> {
	const random = createRandom(3);
	const settledMs: number[] = [];
	const freeMs: number[] = [];
	const coldMs = await answerMs(client, cursors[0] as Cursor);
	for (let trial = 0; settledMs.length < wanted && trial < MOST_TRIALS * wanted; trial++) {
		// Open before the cancel: to send a document takes the client time that it would not read answers in.
		const next = openDocument(client, inMiddleOfLine(cursors[0] as Cursor), `next-${trial}`);
		const document = openDocument(client, random.pick(cursors), `cancelled-${trial}`);
		const source = new CancellationTokenSource();
		let settledAt = 0;
		const answer = client.inlineCompletion(document.uri, document.position, { token: source.token }).then(
			() => 'answered',
			() => {
				settledAt = performance.now();
				return 'cancelled';
			},
		);
		await pause(random.next() * coldMs);
		const cancelledAt = performance.now();
		source.cancel();
		await client.inlineCompletion(next.uri, next.position);
		if ((await answer) === 'cancelled') {
			freeMs.push(performance.now() - cancelledAt);
			settledMs.push(settledAt - cancelledAt);
		}
		document.close();
		next.close();
	}
	return { settledMs, freeMs };
}

/** How long a request takes whose document was just opened. */
async function answerMs(client: LspClient, cursor: Cursor): Promise<number> {
	const document = openDocument(client, cursor, 'first');
	const started = performance.now();
	await client.inlineCompletion(document.uri, document.position);
	const ms = performance.now() - started;
	const report = await client.explain(document.uri);
	if (report === null || !ranGenerator(report)) throw new Error('the first request in a document ran no model');
	document.close();
	return ms;
}

/** The same document with its cursor before a word, where no model is asked, but the request waits for its turn. */
function inMiddleOfLine(cursor: Cursor): Cursor {
	return { ...cursor, text: `word\n${cursor.text}`, offset: 0 };
}

function cancellationBar({ settledMs, freeMs }: Cancelled, decodeStepMs: number): Bar {
	const free = summarize(freeMs);
	return {
		what: 'Cancelled request settles, p95',
		values: [summarize(settledMs).p95],
		unit: 'ms',
		limit: { relation: '≤', value: decodeStepMs + 5 },
		note: `one decode step of ${decodeStepMs.toFixed(1)} ms + 5 ms; ${settledMs.length} requests cancelled at random moments over stdio; the models take the next request ${free.p50.toFixed(1)} ms after the cancel, p95 ${free.p95.toFixed(1)} ms`,
	};
}

function pause(ms: number): Promise<void> {
	return new Promise((resolve) => setTimeout(resolve, ms));
}
