/** `lines`: draws benchmark lines from repositories, so that nothing need be tuned on a list that measures. */
import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { HefError, messageOf } from '../base/errors.ts';
import { LANGUAGE_IDS } from '../chunking/languages.ts';
import { type Command, integerOption } from './command.ts';
import { drawLines, LINE_KINDS, type LineKind, spread } from './evaluation/line-drawing.ts';

const LANGUAGES = 'typescript,javascript,python';
/** A `.tsx` file counts as TypeScript. */
const KNOWN = LANGUAGE_IDS.filter((id) => id !== 'tsx');

export const linesCommand: Command = {
	name: 'lines',
	usage: '--repos DIR --kind everyday|xfile [--count N] [--seed N] [--languages typescript,javascript,python,…]',
	summary: 'draws lines of repositories as JSON lines that eval and calibrate read',
	mostPositionals: 0,
	options: {
		repos: { type: 'string' },
		kind: { type: 'string' },
		count: { type: 'string' },
		seed: { type: 'string' },
		languages: { type: 'string' },
	},
	printsLines: true,
	async run({ values }, context) {
		const { repos } = values;
		const kind = values.kind as LineKind;
		if (values.kind !== undefined && !LINE_KINDS.includes(kind))
			throw new HefError('usage', `--kind wants one of ${LINE_KINDS.join(', ')}, got '${kind}'`);
		if (typeof repos !== 'string' || kind === undefined)
			throw new HefError('usage', `--repos and --kind are needed\nUsage: hef-language-server lines ${linesCommand.usage}`);
		const count = integerOption(values, 'count', 1, 600);
		const seed = integerOption(values, 'seed', 0, 1);
		const languages = String(values.languages ?? LANGUAGES).split(',');
		const unknown = languages.find((language) => !KNOWN.includes(language));
		if (unknown !== undefined) throw new HefError('usage', `--languages wants some of ${KNOWN.join(',')}, got '${unknown}'`);
		const drawn = [];
		for (const repo of await foldersIn(resolve(repos))) {
			const lines = await drawLines(repo, await context.openChunkSource(join(resolve(repos), repo)), kind, seed, languages);
			context.stderr(`${repo}: ${lines.length} lines to choose from\n`);
			drawn.push(lines);
		}
		for (const line of spread(drawn, count)) context.stdout(`${JSON.stringify(line)}\n`);
		return 0;
	},
};

async function foldersIn(folder: string): Promise<string[]> {
	try {
		const entries = await readdir(folder, { withFileTypes: true });
		return entries.flatMap((entry) => (entry.isDirectory() ? [entry.name] : [])).sort();
	} catch (error) {
		throw new HefError('workspace-unreadable', `cannot read the repositories in ${folder}: ${messageOf(error)}`, { cause: error });
	}
}
