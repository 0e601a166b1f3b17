/** `hef.showLog`: the server's log and stderr. How much the server writes there is the setting `hef.trace`. */
import { commands } from 'vscode';
import type { Features } from './features.ts';

export function activate({ context, client }: Features): void {
	context.subscriptions.push(commands.registerCommand('hef.showLog', () => client.outputChannel.show()));
}
