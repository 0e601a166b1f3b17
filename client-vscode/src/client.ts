/**
 * The language client: starts the server with the editor's own Node and speaks over stdio. Inline completion, document sync,
 * settings, progress and cancellation are vscode-languageclient's; nothing is added to them.
 */
import { type LogOutputChannel, workspace } from 'vscode';
import {
	type Executable,
	LanguageClient,
	type LanguageClientOptions,
	RevealOutputChannelOn,
	TransportKind,
} from 'vscode-languageclient/node';
import type { ServerCommands } from './server-commands.ts';
import { environmentOf, findProgram } from './server-program.ts';

/** @throws Error when there is no server to start */
export function createClient(extensionFolder: string, outputChannel: LogOutputChannel, serverCommands: ServerCommands): LanguageClient {
	const settings = workspace.getConfiguration('hef');
	const server: Executable = {
		command: process.execPath,
		args: [findProgram({ extensionFolder, serverPath: settings.get('serverPath', '') })],
		transport: TransportKind.stdio,
		options: { env: environmentOf(process.env, settings.get('cacheFolder', '')) },
	};
	const options: LanguageClientOptions = {
		documentSelector: [{ scheme: 'file' }, { scheme: 'untitled' }, { scheme: 'vscode-notebook-cell' }],
		outputChannel,
		revealOutputChannelOn: RevealOutputChannelOn.Never,
		initializationOptions: { statusNotifications: true },
		middleware: { executeCommand: serverCommands.middleware },
	};
	return new LanguageClient('hef', 'HEF', server, options);
}
