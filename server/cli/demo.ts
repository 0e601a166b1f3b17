/** `demo [DIR]`: indexes a folder, completes at real cursors of it, and shows what stood behind each suggestion. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Command } from './command.ts';
import { describeCompletion } from './complete.ts';
import { drawCursors } from './cursors.ts';
import { withIndexedFolder } from './index-command.ts';
import { describeReport, printJson } from './output.ts';

const CURSORS = 5;

export const demoCommand: Command = {
	name: 'demo',
	usage: '[DIR] [--json]',
	summary: 'index a folder (default: here) and complete at real cursors of it',
	options: {},
	async run({ positionals, values, settings }, context) {
		const folder = resolve(positionals[0] ?? '.');
		return withIndexedFolder(folder, settings, context, async (services) => {
			const report = await services.report(folder);
			const cursors = await drawCursors(folder, await services.codeFiles(folder), CURSORS);
			const completions = [];
			for (const { path, text, offset, gold, line, column } of cursors) {
				const completion = await services.complete({
					uri: pathToFileURL(resolve(folder, path)).href,
					folder,
					path,
					text,
					offset,
					context: 'hef',
					multiLine: 'never',
					explicit: true,
					minConfidence: 0,
				});
				if (completion) completions.push({ path, line, column, before: lineBefore(text, offset), gold, completion });
			}
			if (values.json) {
				printJson(context, { report, completions });
				return 0;
			}
			context.stdout(describeReport(report));
			for (const { path, line, column, before, gold, completion } of completions) {
				context.stdout(
					`\n${'─'.repeat(72)}\n${path}:${line + 1}:${column + 1}\n  ${before}▮\n  in the file: ${gold}\n${describeCompletion(completion, settings.minConfidence)}`,
				);
			}
			return 0;
		});
	},
};

function lineBefore(text: string, offset: number): string {
	return text.slice(text.lastIndexOf('\n', offset - 1) + 1, offset).trimStart();
}
