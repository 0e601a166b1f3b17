/** Tells the server when the user comes back to the window: files may have changed without the watcher seeing it. */
import { FOCUS_NOTIFICATION } from 'hef-shared';
import { window } from 'vscode';
import { State } from 'vscode-languageclient/node';
import type { Features } from './features.ts';

export function activate({ context, client }: Features): void {
	context.subscriptions.push(
		window.onDidChangeWindowState(({ focused }) => {
			if (focused && client.state === State.Running) void client.sendNotification(FOCUS_NOTIFICATION);
		}),
	);
}
