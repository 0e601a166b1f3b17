/** The status bar item: what the server is doing, in one icon and one sentence. A click opens the menu. */
import { STATUS_CHANGED_NOTIFICATION, type StatusChangedParams, type StatusKind } from 'hef-shared';
import { MarkdownString, StatusBarAlignment, ThemeColor, window } from 'vscode';
import { State } from 'vscode-languageclient/node';
import type { Features } from './features.ts';

const ICONS: Record<StatusKind, string> = {
	starting: '$(loading~spin)',
	indexing: '$(sync~spin)',
	ready: '$(sparkle)',
	paused: '$(debug-pause)',
	off: '$(circle-slash)',
	error: '$(error)',
};

export function activate({ context, client }: Features): void {
	const item = window.createStatusBarItem('hef.status', StatusBarAlignment.Right, 100);
	item.name = 'HEF';
	item.command = 'hef.menu';

	const show = ({ kind, message, progress }: StatusChangedParams) => {
		const share = progress === undefined ? '' : ` ${Math.floor(100 * progress)}%`;
		item.text = `${ICONS[kind]} HEF${share}`;
		item.tooltip = new MarkdownString(`**HEF code completion**: ${kind}\n\n`).appendText(message);
		item.accessibilityInformation = { label: `HEF code completion: ${message}`, role: 'button' };
		item.backgroundColor = kind === 'error' ? new ThemeColor('statusBarItem.errorBackground') : undefined;
	};

	show({ kind: 'starting', message: 'Starting the server' });
	item.show();
	context.subscriptions.push(
		item,
		client.onNotification(STATUS_CHANGED_NOTIFICATION, show),
		client.onDidChangeState(({ newState }) => {
			if (newState === State.Starting) show({ kind: 'starting', message: 'Starting the server' });
			if (newState === State.Stopped) show({ kind: 'error', message: 'The server is not running' });
		}),
	);
}
