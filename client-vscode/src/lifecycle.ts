/** Starts the server, restarts it on `hef.restart`, and tells the palette whether it runs. */
import { commands, window, workspace } from 'vscode';
import { State } from 'vscode-languageclient/node';
import type { Features } from './features.ts';

export async function activate({ context, client }: Features): Promise<void> {
	const showRunning = (running: boolean) => void commands.executeCommand('setContext', 'hef.running', running);
	context.subscriptions.push(
		client.onDidChangeState(({ newState }) => showRunning(newState === State.Running)),
		commands.registerCommand('hef.restart', () => client.restart()),
		workspace.onDidChangeConfiguration(async (event) => {
			if (!event.affectsConfiguration('hef.serverPath')) return;
			const reload = 'Reload Window';
			const answer = await window.showInformationMessage('The new hef.serverPath is used after a reload.', reload);
			if (answer === reload) await commands.executeCommand('workbench.action.reloadWindow');
		}),
	);
	await client.start();
}
