/** `status DIR`: health of a folder's cache, read without loading a model. */
import { resolve } from 'node:path';
import type { StatusReport } from 'hef-shared';
import { describeBundle } from '../inference/bundle.ts';
import { type Command, onePositional } from './command.ts';
import { describeReport, printJson } from './output.ts';

export const statusCommand: Command = {
	name: 'status',
	usage: 'DIR [--json]',
	summary: 'health of the cache of a folder',
	options: {},
	async run({ positionals, values, settings }, context) {
		const folder = resolve(onePositional(statusCommand, positionals, 'folder'));
		const bundle = await context.loadBundle(settings);
		const report: StatusReport = {
			version: context.version,
			bundle: describeBundle(bundle),
			workspaces: [await context.inspect(folder, settings)],
		};
		if (values.json) printJson(context, report);
		else {
			const { name, id, notices = [] } = report.bundle;
			const lines = [`bundle ${name} (${id})\n`, ...notices.map((notice) => `  ${notice}\n`), ...report.workspaces.map(describeReport)];
			context.stdout(lines.join(''));
		}
		return report.workspaces.some(({ state }) => state === 'error') ? 1 : 0;
	},
};
