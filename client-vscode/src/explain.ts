/** `hef.explain`: why the last suggestion in the active file, or why none. */
import { COMMANDS, type ExplainResult } from 'hef-shared';
import { window } from 'vscode';
import type { Features } from './features.ts';
import { explainText } from './report-text.ts';

export function activate({ client, serverCommands, reports }: Features): void {
	serverCommands.handle<ExplainResult>(COMMANDS.explain, async (call) => {
		const document = window.activeTextEditor?.document;
		const answer = await (document ? call(client.code2ProtocolConverter.asUri(document.uri)) : call());
		if (answer) await reports.show('HEF explain', explainText(answer));
		else void window.showInformationMessage('No suggestion was asked for in this file yet.');
		return answer;
	});
}
