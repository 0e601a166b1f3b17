/**
 * Entry point of the VS Code extension: one client of the language server, and one file per feature around it.
 *
 * Guarantees: computes nothing itself; suggestions, settings and progress travel through the standard protocol.
 * Deliberately lacks: module state. What lives, lives in `context.subscriptions`.
 */
import { type ExtensionContext, window } from 'vscode';
import * as cache from './cache.ts';
import { createClient } from './client.ts';
import * as explain from './explain.ts';
import * as focus from './focus.ts';
import * as lifecycle from './lifecycle.ts';
import * as log from './log.ts';
import * as menu from './menu.ts';
import { createReportView } from './report-view.ts';
import { createServerCommands } from './server-commands.ts';
import * as status from './status.ts';
import * as statusBar from './status-bar.ts';
import * as toggle from './toggle.ts';

export async function activate(context: ExtensionContext): Promise<void> {
	const serverCommands = createServerCommands();
	try {
		const client = createClient(context, serverCommands);
		const features = { context, client, serverCommands, reports: createReportView(context) };
		for (const feature of [statusBar, menu, toggle, log, status, explain, cache, focus]) feature.activate(features);
		await lifecycle.activate(features);
	} catch (error) {
		void window.showErrorMessage(`HEF did not start: ${error instanceof Error ? error.message : String(error)}`);
	}
}
