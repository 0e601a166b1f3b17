/** `import-vectors DIR FILE`: takes vectors that training tuned for a folder's chunks into its index. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { HefError, messageOf } from '../base/errors.ts';
import type { Command } from './command.ts';
import { printJson } from './output.ts';

export const importVectorsCommand: Command = {
	name: 'import-vectors',
	usage: 'DIR FILE [--json]',
	summary: "take tuned vectors of a folder's chunks into its index (training writes them)",
	mostPositionals: 2,
	options: {},
	async run({ positionals, values, settings }, context) {
		const [folder, file] = positionals;
		if (!folder || !file)
			throw new HefError('usage', `expected a folder and a file\nUsage: hef-language-server import-vectors ${importVectorsCommand.usage}`);
		const result = await context.importVectors(resolve(folder), await readText(resolve(file)), settings);
		if (values.json) printJson(context, result);
		else context.stdout(`${result.imported} vectors imported, ${result.unknown} of chunks that the index does not hold\n`);
		return 0;
	},
};

async function readText(file: string): Promise<string> {
	try {
		return await readFile(file, 'utf8');
	} catch (cause) {
		throw new HefError('workspace-unreadable', `cannot read ${file}: ${messageOf(cause)}`, { cause });
	}
}
