/**
 * The language client: starts the server with the editor's own Node and speaks over stdio. Inline completion, document sync,
 * settings, progress and cancellation are vscode-languageclient's; nothing is added to them.
 */
import { type ExtensionContext, window, workspace } from 'vscode';
import {
	type Executable,
	LanguageClient,
	type LanguageClientOptions,
	RevealOutputChannelOn,
	TransportKind,
} from 'vscode-languageclient/node';
import type { ServerCommands } from './server-commands.ts';
import { findProgram } from './server-program.ts';

/** @throws Error when there is no server to start */
export function createClient(context: ExtensionContext, serverCommands: ServerCommands): LanguageClient {
	const serverPath = workspace.getConfiguration('hef').get('serverPath', '');
	const server: Executable = {
		command: process.execPath,
		args: [findProgram({ extensionFolder: context.extensionPath, serverPath })],
		transport: TransportKind.stdio,
		// The editor's binary is Electron; with this it is plain Node.
		// glibc gives back what unloaded models took (docs/performance.md).
		options: { env: { MALLOC_TRIM_THRESHOLD_: '131072', ...process.env, ELECTRON_RUN_AS_NODE: '1' } },
	};
	const outputChannel = window.createOutputChannel('HEF', { log: true });
	const options: LanguageClientOptions = {
		documentSelector: [{ scheme: 'file' }, { scheme: 'untitled' }],
		outputChannel,
		revealOutputChannelOn: RevealOutputChannelOn.Never,
		initializationOptions: { statusNotifications: true },
		middleware: { executeCommand: serverCommands.middleware },
	};
	const client = new LanguageClient('hef', 'HEF', server, options);
	context.subscriptions.push(outputChannel, client);
	return client;
}
