/** What every feature is given. */
import type { Disposable } from 'vscode';
import type { LanguageClient } from 'vscode-languageclient/node';
import type { ReportView } from './report-view.ts';
import type { ServerCommands } from './server-commands.ts';

export interface Features {
	/** What ends with this run of the server. */
	context: { subscriptions: Disposable[] };
	client: LanguageClient;
	serverCommands: ServerCommands;
	reports: ReportView;
}
