/** `hef.menu`: all that the extension can do, as a pick list behind the status bar item. */
import { commands, type QuickPickItem, window, workspace } from 'vscode';
import { State } from 'vscode-languageclient/node';
import type { Features } from './features.ts';

interface Entry extends QuickPickItem {
	command: string;
	args?: unknown[];
	/** Answered by the server, and so of no use while it is down. */
	needsServer?: boolean;
}

function entries(): Entry[] {
	const enabled = workspace.getConfiguration('hef').get('enabled', true);
	return [
		{ command: 'hef.toggle', label: enabled ? '$(circle-slash) Turn completions off' : '$(check) Turn completions on' },
		{ command: 'hef.explain', label: '$(question) Why this suggestion, or why none?', needsServer: true },
		{ command: 'hef.status', label: '$(info) Status', needsServer: true },
		{ command: 'hef.reindex', label: '$(refresh) Compare the index with the disk', needsServer: true },
		{ command: 'hef.pause', label: '$(debug-pause) Pause indexing', needsServer: true },
		{ command: 'hef.resume', label: '$(debug-start) Go on indexing', needsServer: true },
		{ command: 'hef.clearCache', label: '$(trash) Delete the index and build it again', needsServer: true },
		{ command: 'hef.restart', label: '$(debug-restart) Restart the server' },
		{ command: 'hef.showLog', label: '$(output) Show the log' },
		{ command: 'workbench.action.openSettings', args: ['hef.'], label: '$(gear) Settings' },
	];
}

export function activate({ context, client }: Features): void {
	const open = async () => {
		const possible = entries().filter(({ needsServer }) => !needsServer || client.state === State.Running);
		const picked = await window.showQuickPick(possible, { title: 'HEF code completion' });
		if (picked) await commands.executeCommand(picked.command, ...(picked.args ?? []));
	};
	context.subscriptions.push(commands.registerCommand('hef.menu', open));
}
