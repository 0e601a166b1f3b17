/**
 * A real LSP client for tests, joined to the server over two streams: in this process with injected services, or to the
 * program as an editor starts it (stdio, socket, pipe).
 *
 * Guarantees: every wait has an end, and says what it waited for. Deliberately lacks: any knowledge of the server's inside.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, type Readable, type Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { ExplainResult, StatusChangedParams, StatusKind, StatusReport } from 'hef-shared';
import { createConnection as createServerConnection } from 'vscode-languageserver';
import {
	type CancellationToken,
	type ClientCapabilities,
	type CompletionList,
	createMessageConnection,
	createProtocolConnection,
	type InitializeParams,
	type InitializeResult,
	type InlineCompletionContext,
	type InlineCompletionItem,
	type InlineCompletionList,
	InlineCompletionTriggerKind,
	type MessageConnection,
	type Position,
	type TextDocumentContentChangeEvent,
} from 'vscode-languageserver-protocol/node';
import { createLife } from '../../server/lsp/life.ts';
import { type LanguageServerOptions, serve } from '../../server/lsp/server.ts';
import type { CreateServices } from '../../server/services.ts';

/** Capabilities of a client that can all that the server uses. */
export const FULL_CAPABILITIES: ClientCapabilities = {
	textDocument: { inlineCompletion: { dynamicRegistration: false }, completion: {} },
	workspace: { configuration: true, workspaceFolders: true, didChangeConfiguration: { dynamicRegistration: true } },
	window: { workDoneProgress: true },
};

export interface InitializeOptions {
	capabilities?: ClientCapabilities;
	folders?: readonly string[];
	initializationOptions?: unknown;
	/** Waits for the services to be ready after `initialized`. Default true. */
	untilReady?: boolean;
	params?: Partial<InitializeParams>;
}

export interface CompleteOptions {
	token?: CancellationToken;
	context?: Partial<InlineCompletionContext>;
}

export type InlineCompletionAnswer = InlineCompletionItem[] | InlineCompletionList | null;

export interface LspClient {
	readonly connection: MessageConnection;
	/** What `workspace/configuration` answers for the section `hef`. */
	settings: unknown;
	/** How often the server pulled its settings. */
	readonly nPulls: number;
	/** All notifications (and `client/registerCapability` and the like) so far. */
	readonly received: readonly { method: string; params: unknown }[];
	/** Sends `initialize` and `initialized`; with `statusNotifications` on. */
	initialize(options?: InitializeOptions): Promise<InitializeResult>;
	open(uri: string, text: string, languageId?: string): void;
	/** Sends changes as the next version, or as the version given. A string replaces the whole text. */
	change(uri: string, changes: string | TextDocumentContentChangeEvent[], version?: number): void;
	save(uri: string): void;
	close(uri: string): void;
	inlineCompletion(uri: string, position: Position, options?: CompleteOptions): Promise<InlineCompletionAnswer>;
	completion(uri: string, position: Position): Promise<CompletionList | null>;
	execute<T>(command: string, ...args: unknown[]): Promise<T>;
	explain(uri?: string): Promise<ExplainResult>;
	status(): Promise<StatusReport>;
	/** The first message of the method, past or future, that the predicate takes. */
	notification<T>(method: string, accepts?: (params: T) => boolean, timeoutMs?: number): Promise<T>;
	untilStatus(kind: StatusKind, timeoutMs?: number): Promise<StatusChangedParams>;
	shutdown(): Promise<void>;
	exit(): Promise<void>;
}

/** A client over two streams. */
export function connectClient(input: Readable, output: Writable): LspClient {
	const connection = createMessageConnection(input, output);
	const received: { method: string; params: unknown }[] = [];
	const waiting = new Set<(message: { method: string; params: unknown }) => void>();
	const versions = new Map<string, number>();
	const arrived = (method: string, params: unknown) => {
		const message = { method, params };
		received.push(message);
		for (const wake of [...waiting]) wake(message);
	};
	let nPulls = 0;

	connection.onNotification((method, params) => arrived(method, params));
	connection.onUnhandledProgress(({ token, value }) => arrived('$/progress', { token, value }));
	for (const method of ['client/registerCapability', 'window/workDoneProgress/create', 'window/showMessageRequest']) {
		connection.onRequest(method, (params) => {
			arrived(method, params);
			return null;
		});
	}
	connection.onRequest('workspace/configuration', ({ items }: { items: { section?: string }[] }) => {
		nPulls++;
		return items.map(({ section }) => (section === 'hef' ? client.settings : null));
	});
	connection.listen();

	const client: LspClient = {
		connection,
		settings: null,
		get nPulls() {
			return nPulls;
		},
		received,
		async initialize({ capabilities = FULL_CAPABILITIES, folders = [], initializationOptions = {}, untilReady = true, params } = {}) {
			const result = await connection.sendRequest<InitializeResult>('initialize', {
				processId: process.pid,
				rootUri: folders[0] ?? null,
				workspaceFolders: folders.map((uri) => ({ uri, name: uri })),
				capabilities,
				initializationOptions: { statusNotifications: true, ...(initializationOptions as object) },
				...params,
			});
			await connection.sendNotification('initialized', {});
			if (untilReady) await client.untilStatus('ready');
			return result;
		},
		open(uri, text, languageId = 'typescript') {
			versions.set(uri, 1);
			void connection.sendNotification('textDocument/didOpen', { textDocument: { uri, languageId, version: 1, text } });
		},
		change(uri, changes, version = (versions.get(uri) ?? 0) + 1) {
			versions.set(uri, version);
			const contentChanges = typeof changes === 'string' ? [{ text: changes }] : changes;
			void connection.sendNotification('textDocument/didChange', { textDocument: { uri, version }, contentChanges });
		},
		save: (uri) => void connection.sendNotification('textDocument/didSave', { textDocument: { uri } }),
		close: (uri) => void connection.sendNotification('textDocument/didClose', { textDocument: { uri } }),
		inlineCompletion(uri, position, { token, context } = {}) {
			const params = { textDocument: { uri }, position, context: { triggerKind: InlineCompletionTriggerKind.Automatic, ...context } };
			// An undefined token would count as a second parameter.
			return token
				? connection.sendRequest('textDocument/inlineCompletion', params, token)
				: connection.sendRequest('textDocument/inlineCompletion', params);
		},
		completion: (uri, position) =>
			connection.sendRequest('textDocument/completion', { textDocument: { uri }, position, context: { triggerKind: 1 } }),
		execute: (command, ...args) => connection.sendRequest('workspace/executeCommand', { command, arguments: args }),
		explain: (uri) => client.execute('hef.explain', ...(uri === undefined ? [] : [uri])),
		status: () => connection.sendRequest('hef/status'),
		notification<T>(method: string, accepts: (params: T) => boolean = () => true, timeoutMs = 10_000): Promise<T> {
			const fits = (message: { method: string; params: unknown }) => message.method === method && accepts(message.params as T);
			const past = received.find(fits);
			if (past) return Promise.resolve(past.params as T);
			return new Promise<T>((resolve, reject) => {
				const wake = (message: { method: string; params: unknown }) => {
					if (!fits(message)) return;
					stop();
					resolve(message.params as T);
				};
				const timer = setTimeout(() => {
					stop();
					reject(new Error(`no ${method} within ${timeoutMs} ms; last came ${JSON.stringify(received.slice(-5))}`));
				}, timeoutMs);
				const stop = () => {
					clearTimeout(timer);
					waiting.delete(wake);
				};
				waiting.add(wake);
			});
		},
		untilStatus: (kind, timeoutMs) =>
			client.notification<StatusChangedParams>('hef/statusChanged', (status) => status.kind === kind, timeoutMs),
		shutdown: () => connection.sendRequest('shutdown'),
		exit: () => connection.sendNotification('exit'),
	};
	return client;
}

export interface InProcessServer {
	client: LspClient;
	/** The exit code that the process would have ended with, after `exit`. */
	readonly exitCode: Promise<number>;
	/** Ends both ends of the connection. */
	close(): void;
}

const nothingToClear = async () => ({ removed: [], inUse: [], freedBytes: 0 });

/** Server and client in this process, over two streams. */
export function startInProcess(
	createServices: CreateServices,
	clearCache: LanguageServerOptions['clearCache'] = nothingToClear,
): InProcessServer {
	const toServer = new PassThrough();
	const toClient = new PassThrough();
	const { watchDog, ended } = createLife(toServer, toClient);
	const connection = createServerConnection((logger) => createProtocolConnection(toServer, toClient, logger), watchDog);
	serve({ connection, version: '0.0.0-test', createServices, clearCache });
	const client = connectClient(toClient, toServer);
	return {
		client,
		exitCode: ended,
		close() {
			client.connection.dispose();
			connection.dispose();
		},
	};
}

export type Transport = 'stdio' | 'socket' | 'pipe';

export interface ServerProcess {
	client: LspClient;
	process: ChildProcess;
	/** All that the process wrote to stderr so far. */
	stderr(): string;
	/** Exit code, or the signal that ended the process. */
	readonly ended: Promise<number | NodeJS.Signals | null>;
}

export const SERVER_PROGRAM = fileURLToPath(new URL('../../server/bin/hef-language-server.js', import.meta.url));

/** Starts the built program as an editor does. For socket and pipe the client listens, as the protocol has it. */
export async function startProcess(
	options: { transport?: Transport; env?: Record<string, string>; command?: readonly string[] } = {},
): Promise<ServerProcess> {
	const { transport = 'stdio', env = {}, command = [process.execPath, SERVER_PROGRAM] } = options;
	const listener = transport === 'stdio' ? undefined : await listen(transport);
	const [program = '', ...args] = [...command, ...(listener?.args ?? ['--stdio'])];
	const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...env } });
	let stderr = '';
	child.stderr.on('data', (data: Buffer) => {
		stderr += data.toString();
	});
	const ended = new Promise<number | NodeJS.Signals | null>((resolve) => child.once('exit', (code, signal) => resolve(code ?? signal)));
	const streams = listener ? await listener.accept(ended, () => stderr) : { input: child.stdout, output: child.stdin };
	return { client: connectClient(streams.input, streams.output), process: child, stderr: () => stderr, ended };
}

interface Listener {
	args: string[];
	accept(ended: Promise<unknown>, stderr: () => string): Promise<{ input: Readable; output: Writable }>;
}

async function listen(transport: 'socket' | 'pipe'): Promise<Listener> {
	const server: Server = createServer();
	const id = `hef-test-${randomUUID()}`;
	const name = process.platform === 'win32' ? `\\\\.\\pipe\\${id}` : join(tmpdir(), `${id}.sock`);
	await new Promise<void>((resolve) => {
		if (transport === 'pipe') server.listen(name, resolve);
		else server.listen(0, '127.0.0.1', resolve);
	});
	const address = server.address();
	const target = typeof address === 'object' && address ? String(address.port) : name;
	return {
		args: [`--${transport}`, target],
		accept: (ended, stderr) =>
			new Promise((resolve, reject) => {
				server.once('connection', (socket) => {
					server.close();
					resolve({ input: socket, output: socket });
				});
				void ended.then((code) => reject(new Error(`the server ended with ${String(code)} before it connected: ${stderr()}`)));
			}),
	};
}
