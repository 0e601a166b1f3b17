/**
 * Glue between one LSP connection and the session: declares capabilities and registers one feature file per concern.
 *
 * The only layer that knows LSP. It computes nothing: models and index live in workers.
 */
import { type Settings, STATUS_CHANGED_NOTIFICATION } from 'hef-shared';
import {
	type ClientCapabilities,
	type Connection,
	ErrorCodes,
	type InitializeParams,
	type InitializeResult,
	ResponseError,
	TextDocumentSyncKind,
	type TextDocuments,
} from 'vscode-languageserver';
import type { TextDocument } from 'vscode-languageserver-textdocument';
import { systemClock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { CreateServices } from '../services.ts';
import type { ClearedCache } from '../store/cache-folder.ts';
import { COMMAND_NAMES, registerCommands } from './commands.ts';
import { registerCompletion } from './completion.ts';
import { registerConfiguration } from './configuration.ts';
import { createDebouncePolicy, editorWaits } from './debounce.ts';
import { createDocuments } from './documents.ts';
import { registerInlineCompletion } from './inline-completion.ts';
import { connectionLogger, notify, showWarning } from './messages.ts';
import { createProgressReporter } from './progress.ts';
import { createSession, type Session } from './session.ts';
import { createSuggester, type Suggester } from './suggester.ts';
import { registerSync } from './sync.ts';

/** What the features share. */
export interface ServerState {
	connection: Connection;
	documents: TextDocuments<TextDocument>;
	session: Session;
	suggester: Suggester;
	logger: Logger;
	capabilities: ClientCapabilities;
	clearCache: LanguageServerOptions['clearCache'];
}

export interface LanguageServerOptions {
	connection: Connection;
	version: string;
	createServices: CreateServices;
	/** Deletes the index of a folder that no services have open. */
	clearCache(folder: string, settings: Settings): Promise<ClearedCache>;
}

/** Clients give up on a shutdown after 1.5 (eglot) or 2 seconds (VS Code). */
const SHUTDOWN_MS = 1000;

/** Serves the connection; `dispose`, for when it has ended, resolves with the models at rest. */
export function serve({ connection, version, createServices, clearCache }: LanguageServerOptions): { dispose(): Promise<void> } {
	const logger = connectionLogger(connection);
	const documents = createDocuments((edit) => state?.suggester.edited(edit));
	let start: (() => void)[] = [];
	let state: ServerState | undefined;

	// Asked where nothing else answers: before `initialize` that is every request.
	connection.onRequest((method) => {
		if (!state) throw new ResponseError(ErrorCodes.ServerNotInitialized, `${method} before initialize`);
		throw new ResponseError(ErrorCodes.MethodNotFound, `unknown request ${method}`);
	});
	connection.onInitialize((params): InitializeResult => {
		if (state) throw new ResponseError(ErrorCodes.InvalidRequest, 'initialize a second time');
		state = createState({ connection, documents, logger, version, createServices, clearCache, params });
		start = registerFeatures(state, params);
		return { capabilities: serverCapabilities(params.capabilities), serverInfo: { name: 'hef-language-server', version } };
	});
	connection.onInitialized(() => {
		for (const feature of start) feature();
	});
	// A model that is being loaded cannot be stopped. The rest of the wait comes with the end of the connection.
	connection.onShutdown(() => Promise.race([state?.session.dispose(), new Promise<void>((resolve) => setTimeout(resolve, SHUTDOWN_MS))]));
	documents.listen(connection);
	connection.listen();
	return { dispose: async () => state?.session.dispose() };
}

interface StateOptions extends LanguageServerOptions {
	documents: TextDocuments<TextDocument>;
	logger: Logger;
	params: InitializeParams;
}

function createState({ connection, documents, logger, version, createServices, clearCache, params }: StateOptions): ServerState {
	const options = initializationOptions(params);
	const progress = createProgressReporter(connection, params.capabilities);
	const session = createSession({
		version,
		createServices,
		logger,
		events: {
			progress: (event) => progress.report(event),
			idle: (folder) => progress.end(folder),
			problem: (message) => showWarning(connection, `HEF: ${message}`),
			statusChanged: (status) => {
				if (options.statusNotifications === true) notify(connection, STATUS_CHANGED_NOTIFICATION, status);
			},
		},
	});
	const debounce = createDebouncePolicy({
		maxMs: () => session.settings.debounce,
		editorWaits: editorWaits(params.clientInfo?.name),
		now: systemClock.now,
	});
	const suggester = createSuggester({ documents, session, debounce, clock: systemClock });
	return { connection, documents, session, suggester, logger, capabilities: params.capabilities, clearCache };
}

/** @returns what each feature does once the client is initialized (the connection has one handler for that) */
function registerFeatures(state: ServerState, params: InitializeParams): (() => void)[] {
	registerInlineCompletion(state);
	registerCompletion(state);
	registerCommands(state);
	return [registerSync(state, params), registerConfiguration(state, initializationOptions(params))];
}

function initializationOptions({ initializationOptions }: InitializeParams): Record<string, unknown> {
	return typeof initializationOptions === 'object' && initializationOptions !== null ? initializationOptions : {};
}

/** Clients with inline completion get that alone: with both, the server's own popup entries come back as a selection. */
function serverCapabilities(client: ClientCapabilities): InitializeResult['capabilities'] {
	const inline = 'inlineCompletion' in (client.textDocument ?? {});
	return {
		textDocumentSync: { openClose: true, change: TextDocumentSyncKind.Incremental, save: { includeText: false } },
		...(inline ? { inlineCompletionProvider: {} } : { completionProvider: { triggerCharacters: ['.', '(', ' ', '=', ':'] } }),
		executeCommandProvider: { commands: COMMAND_NAMES },
		workspace: { workspaceFolders: { supported: true, changeNotifications: true } },
	};
}
