/** `hef.toggle`: completions on or off, in the narrowest scope where the user has set `hef.enabled`. */
import { ConfigurationTarget, commands, workspace } from 'vscode';
import type { Features } from './features.ts';

export function activate({ context }: Features): void {
	const toggle = async () => {
		const configuration = workspace.getConfiguration('hef');
		const inWorkspace = configuration.inspect('enabled')?.workspaceValue !== undefined;
		const target = inWorkspace ? ConfigurationTarget.Workspace : ConfigurationTarget.Global;
		await configuration.update('enabled', !configuration.get('enabled', true), target);
	};
	context.subscriptions.push(commands.registerCommand('hef.toggle', toggle));
}
