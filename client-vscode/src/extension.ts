/**
 * Entry point of the VS Code extension: one client of the language server, and one file per feature around it.
 *
 * Guarantees: computes nothing itself; suggestions, settings and progress travel through the standard protocol; the server can
 * be restarted whatever became of its last start.
 * Deliberately lacks: module state. What lives, lives in `context.subscriptions`, or in those of one run of the server.
 */
import { commands, type Disposable, type ExtensionContext, type LogOutputChannel, window, workspace } from 'vscode';
import { State } from 'vscode-languageclient/node';
import * as cache from './cache.ts';
import { createClient } from './client.ts';
import * as explain from './explain.ts';
import * as focus from './focus.ts';
import { createLifecycle, type Run } from './lifecycle.ts';
import * as log from './log.ts';
import * as menu from './menu.ts';
import { createReportView } from './report-view.ts';
import { createServerCommands } from './server-commands.ts';
import * as status from './status.ts';
import * as statusBar from './status-bar.ts';
import * as toggle from './toggle.ts';

const FEATURES = [statusBar, menu, toggle, log, status, explain, cache, focus];

export async function activate(context: ExtensionContext): Promise<void> {
	const outputChannel = window.createOutputChannel('HEF', { log: true });
	const failed = (error: unknown) =>
		void window.showErrorMessage(`HEF did not start: ${error instanceof Error ? error.message : String(error)}`);
	const lifecycle = createLifecycle(() => begin(context.extensionPath, outputChannel), failed);
	context.subscriptions.push(
		outputChannel,
		{ dispose: () => lifecycle.stop() },
		commands.registerCommand('hef.restart', () => lifecycle.restart()),
		workspace.onDidChangeConfiguration((event) => {
			if (event.affectsConfiguration('hef.serverPath')) void lifecycle.restart();
		}),
	);
	await lifecycle.restart();
}

/** Starts the server. @throws Error when there is none */
function begin(extensionFolder: string, outputChannel: LogOutputChannel): Run {
	const serverCommands = createServerCommands();
	const client = createClient(extensionFolder, outputChannel, serverCommands);
	const subscriptions: Disposable[] = [];
	const context = { subscriptions };
	const features = { context, client, serverCommands, reports: createReportView(context) };
	for (const feature of FEATURES) feature.activate(features);
	/** The palette offers what the server answers. */
	const showRunning = (running: boolean) => void commands.executeCommand('setContext', 'hef.running', running);
	subscriptions.push(client.onDidChangeState(({ newState }) => showRunning(newState === State.Running)));
	return {
		started: client.start(),
		async stop() {
			for (const subscription of subscriptions) subscription.dispose();
			showRunning(false);
			await client.dispose();
		},
	};
}
