/** `status DIR`: health of a folder's cache, read without loading a model. */
import { resolve } from 'node:path';
import type { StatusReport } from 'hef-shared';
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
			bundle: { id: bundle.bundleId, name: bundle.manifest.name },
			workspaces: [await context.inspect(folder, settings)],
		};
		if (values.json) printJson(context, report);
		else context.stdout(`bundle ${report.bundle.name} (${report.bundle.id})\n${report.workspaces.map(describeReport).join('')}`);
		return report.workspaces.some(({ state }) => state === 'error') ? 1 : 0;
	},
};
