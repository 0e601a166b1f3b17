/** `chunks DIR`: the server's own cuts as JSON lines, for the training recipe. */
import { resolve } from 'node:path';
import { HefError } from '../base/errors.ts';
import { runChunks } from './chunks.ts';
import { type Command, onePositional } from './command.ts';

export const chunksCommand: Command = {
	name: 'chunks',
	usage: '--tokenizer FILE DIR',
	summary: "a folder's chunks and entities as JSON lines (training reads them)",
	options: { tokenizer: { type: 'string' } },
	printsLines: true,
	async run({ positionals, values }, context) {
		const folder = resolve(onePositional(chunksCommand, positionals, 'folder'));
		const { tokenizer } = values;
		if (typeof tokenizer !== 'string')
			throw new HefError('usage', `--tokenizer is needed\nUsage: hef-language-server chunks ${chunksCommand.usage}`);
		const source = await context.openChunkSource(folder, resolve(tokenizer));
		await runChunks({ ...source, out: (line) => context.stdout(`${line}\n`) });
		return 0;
	},
};
