/** `index DIR`: builds or refreshes the cache of a folder. */
import { resolve } from 'node:path';
import type { Settings } from 'hef-shared';
import type { Services } from '../services.ts';
import { type Command, type CommandContext, onePositional } from './command.ts';
import { createProgressBar, describeReport, printJson } from './output.ts';

export const indexCommand: Command = {
	name: 'index',
	usage: 'DIR [--json]',
	summary: 'build or refresh the cache of a folder',
	options: {},
	async run({ positionals, values, settings }, context) {
		const folder = resolve(onePositional(indexCommand, positionals, 'folder'));
		const report = await withIndexedFolder(folder, settings, context, (services) => services.report(folder));
		if (values.json) printJson(context, report);
		else context.stdout(describeReport(report));
		return report.state === 'error' ? 1 : 0;
	},
};

/** Opens a folder, brings its index up to date with a progress bar, runs the task, and ends the services. */
export async function withIndexedFolder<T>(
	folder: string,
	settings: Settings,
	context: CommandContext,
	task: (services: Services) => Promise<T>,
): Promise<T> {
	const bar = createProgressBar(context);
	const services = await context.createServices(settings, {
		progress: bar.report,
		updated: bar.end,
		paused: (_, isPaused) => {
			if (isPaused) context.stderr('An editor has paused the indexing of this folder; it goes on when one resumes it.\n');
		},
		problem: (message) => context.stderr(`${message}\n`),
	});
	try {
		await services.openFolder(folder, { watch: false, exclude: settings.exclude, thorough: true });
		await services.settled();
		bar.end();
		return await task(services);
	} finally {
		bar.end();
		await services.dispose();
	}
}
