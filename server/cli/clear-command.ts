/** `clear DIR` and `clear --all`: deletes indexes, and says how much disk that gave back. */
import { resolve } from 'node:path';
import { HefError } from '../base/errors.ts';
import { type Command, onePositional } from './command.ts';
import { megabytes, printJson } from './output.ts';

export const clearCommand: Command = {
	name: 'clear',
	usage: 'DIR|--all [--json]',
	summary: 'delete the index of a folder, or of all folders with the compiled code of the server',
	options: { all: { type: 'boolean' } },
	async run({ positionals, values, settings }, context) {
		if (values.all && positionals.length > 0) throw new HefError('usage', `--all clears every folder, and not '${positionals[0]}' alone`);
		const folder = values.all ? undefined : resolve(onePositional(clearCommand, positionals, 'folder'));
		const cleared = await context.clearCache(folder, settings);
		if (values.json) printJson(context, cleared);
		else {
			context.stdout(
				`${cleared.removed.length} ${cleared.removed.length === 1 ? 'index' : 'indexes'} deleted, ${megabytes(cleared.freedBytes)} freed\n`,
			);
			for (const open of cleared.inUse) context.stderr(`${open} is open in an editor, which builds its index anew\n`);
		}
		return 0;
	},
};
