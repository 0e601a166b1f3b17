/** `hef.reindex` and `hef.clearCache`: the index against the disk, and the index from scratch. */
import { COMMANDS, type StatusReport } from 'hef-shared';
import { window } from 'vscode';
import type { Features } from './features.ts';
import { updateText } from './report-text.ts';

export function activate({ serverCommands }: Features): void {
	const showUpdates = ({ workspaces }: StatusReport) => {
		for (const report of workspaces) window.setStatusBarMessage(updateText(report), 10_000);
	};

	serverCommands.handle<StatusReport>(COMMANDS.reindex, async (call) => {
		const report = await call();
		showUpdates(report);
		return report;
	});

	serverCommands.handle<StatusReport>(COMMANDS.clearCache, async (call) => {
		const yes = 'Delete and rebuild';
		const question = 'Delete the index of the open folders and build it again?';
		if ((await window.showWarningMessage(question, { modal: true }, yes)) !== yes) return undefined;
		const report = await call();
		showUpdates(report);
		return report;
	});
}
