/** What every feature is given. */
import type { ExtensionContext } from 'vscode';
import type { LanguageClient } from 'vscode-languageclient/node';
import type { ReportView } from './report-view.ts';
import type { ServerCommands } from './server-commands.ts';

export interface Features {
	context: ExtensionContext;
	client: LanguageClient;
	serverCommands: ServerCommands;
	reports: ReportView;
}
