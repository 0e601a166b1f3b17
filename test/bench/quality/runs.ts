/** The evaluations that make the tables of a bundle: which lines, which modes, how many. */
import type { EvalReport } from '../../../server/cli/evaluation/report.ts';

export interface Run {
	/** Names its file of results. */
	name: string;
	title: string;
	/** File of lines among the benchmarks. */
	data: string;
	arguments: readonly string[];
	/** What of it is shown; default its modes. */
	shows?: 'k' | 'levels' | 'against';
}

export type Result = EvalReport & { bundle: { id: string; name: string } };

/** Results by the names of their runs. */
export type Results = ReadonlyMap<string, Result>;

const ALL = 'none-copy,snippets-copy,llavacode-copy,hef-copy,hef-entities-copy,none,snippets,hef,hef-analogy,copy';
const CONTEXTS = 'none-copy,snippets-copy,hef-copy,none,snippets,hef,copy';
const ENTITIES = 'none-copy,hef-copy,hef-entities-copy,none,hef,hef-analogy,copy';
const EVERYDAY = 'none,hef,hef-analogy,hef-search,copy,none-copy,hef-copy';
const [LINE, API, XFILE, DAILY] = ['repoeval-line.jsonl', 'repoeval-api.jsonl', 'xfile-dev.jsonl', 'everyday-dev.jsonl'] as const;
const ABLATION = ['--modes', 'hef-entities-copy,none-copy', '--mid', '--limit', '126'];

const tabled = (name: string, title: string, data: string, modes: string, ...rest: string[]): Run => ({
	...{ name, title, data },
	arguments: ['--modes', modes, ...rest],
});

export const RUNS: readonly Run[] = [
	tabled('line-prefix', 'RepoEval-style lines, prefix only', LINE, ALL, '--limit', '300', '--no-suffix'),
	tabled('line-suffix', 'RepoEval-style lines, with suffix', LINE, CONTEXTS, '--limit', '300'),
	tabled('api-prefix', 'RepoEval-style API lines, prefix only', API, CONTEXTS, '--limit', '240', '--no-suffix'),
	tabled('xfile-suffix', 'Cross-file lines, with suffix', XFILE, ALL, '--limit', '300'),
	tabled('xfile-prefix', 'Cross-file lines, prefix only', XFILE, CONTEXTS, '--limit', '300', '--no-suffix'),
	tabled('xfile-mid', 'Cross-file lines, cursor before the first name of another file', XFILE, ENTITIES, '--limit', '300', '--mid'),
	tabled('everyday-suffix', 'Everyday lines, with suffix', DAILY, EVERYDAY, '--limit', '300'),
	tabled('everyday-prefix', 'Everyday lines, prefix only', DAILY, EVERYDAY, '--limit', '300', '--no-suffix'),
	tabled('everyday-mid', 'Everyday lines, cursor at a random column', DAILY, EVERYDAY, '--limit', '300', '--mid'),
	{ name: 'k', title: 'Budget of pseudo-tokens', data: XFILE, arguments: [...ABLATION, '--k', '1,5,10,20,32,64'], shows: 'k' },
	{
		...{ name: 'levels', title: 'Levels that retrieval may return', data: XFILE, shows: 'levels' },
		arguments: [...ABLATION, '--levels', 'chunk,file,directory,repository'],
	},
];

/** The same lines under another bundle, pair by pair. */
export function against(bundle: string): Run {
	return {
		...{ name: 'against', title: 'Minus another bundle', data: LINE, shows: 'against' },
		arguments: ['--modes', 'hef,hef-copy', '--limit', '160', '--no-suffix', '--against', bundle],
	};
}
