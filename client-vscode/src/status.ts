/** `hef.status`: the server's health as a readable page. */
import { COMMANDS, type StatusReport } from 'hef-shared';
import type { Features } from './features.ts';
import { statusText } from './report-text.ts';

export function activate({ serverCommands, reports }: Features): void {
	serverCommands.handle<StatusReport>(COMMANDS.status, async (call) => {
		const report = await call();
		await reports.show('HEF status', statusText(report));
		return report;
	});
}
