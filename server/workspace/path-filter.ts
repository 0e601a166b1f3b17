/**
 * Which paths are neither indexed nor completed. Rules as git reads them (through the `ignore` package), weakest first:
 * git's excludes, `.gitignore` files (deeper ones win), the built-in list, `.hefignore` files, the user's globs. The last
 * match decides; what lies in an ignored folder stays ignored. Secrets are decided before all that, and nothing lifts them.
 *
 * A folder that its own repository ignores was opened on purpose: rules from above it do not count then.
 *
 * Deliberately lacks: any look at files other than ignore files. Those are read when a folder is first asked about and kept
 * until `refresh`.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ignore, { type Ignore } from 'ignore';
import { DEFAULT_RULES, SECRET_RULES } from './builtin-rules.ts';
import { type GitExcludes, type RuleFile, readGitExcludes, ruleLines } from './git-excludes.ts';
import { namedBy } from './named-by-rules.ts';
import type { PathFilter } from './types.ts';

/** Ignore files that a folder may hold. */
export const IGNORE_FILES = { git: '.gitignore', hef: '.hefignore' } as const;

export interface RefreshableFilter extends PathFilter {
	/** Forgets what was read from ignore files and asks git anew. */
	refresh(): Promise<void>;
	/** Forgets what was read from ignore files in the folder. */
	forgetInner(): void;
}

export interface PathFilterOptions {
	/** Absolute. */
	folder: string;
	/** Patterns as in `.gitignore`, added to all others. */
	exclude: readonly string[];
	useGlobalGitExcludes: boolean;
}

/** The rules that hold in one directory. */
interface DirectoryRules {
	git: readonly RuleFile[];
	hef: readonly RuleFile[];
	matcher: Matcher;
}

type Matcher = Pick<Ignore, 'ignores'>;

/** File systems of other platforms do not tell cases apart; nor does git there. */
const IGNORE_CASE = process.platform === 'win32' || process.platform === 'darwin';

const SECRETS = matcherOf(SECRET_RULES, true);

export async function createPathFilter(options: PathFilterOptions): Promise<RefreshableFilter> {
	const readOuter = async (): Promise<GitExcludes> => {
		const outer = await readGitExcludes(options.folder, { useGlobal: options.useGlobalGitExcludes });
		const ignoresFolder = outer.prefix !== '' && newMatcher(outer.ruleFiles).ignores(`${outer.prefix}/`);
		return ignoresFolder ? { ...outer, prefix: '', ruleFiles: [] } : outer;
	};
	let outer = await readOuter();
	let directories = new Map<string, DirectoryRules>();

	const build = (git: readonly RuleFile[], hef: readonly RuleFile[]): DirectoryRules => {
		const own = (lines: readonly string[]): RuleFile => ({ directory: outer.prefix, lines });
		return { git, hef, matcher: newMatcher([...git, own(DEFAULT_RULES), ...hef, own(options.exclude)]) };
	};
	const rulesOf = (directory: string): DirectoryRules => {
		const known = directories.get(directory);
		if (known) return known;
		const parent = directory === '' ? undefined : rulesOf(parentOf(directory));
		const below = joinNames(outer.prefix, directory);
		const read = (name: string): RuleFile[] => {
			const lines = readRules(join(options.folder, directory, name));
			return lines.length > 0 ? [{ directory: below, lines }] : [];
		};
		const [git, hef] = [read(IGNORE_FILES.git), read(IGNORE_FILES.hef)];
		const inherited = parent && git.length + hef.length === 0;
		const rules = inherited ? parent : build([...(parent?.git ?? outer.ruleFiles), ...git], [...(parent?.hef ?? []), ...hef]);
		directories.set(directory, rules);
		return rules;
	};

	return {
		ignores(path, isDirectory) {
			const asked = isDirectory ? `${path}/` : path;
			return SECRETS.ignores(asked) || rulesOf(parentOf(path)).matcher.ignores(joinNames(outer.prefix, asked));
		},
		async refresh() {
			outer = await readOuter();
			directories = new Map();
		},
		forgetInner() {
			directories = new Map();
		},
	};
}

/**
 * Whether names alone say that a file holds secrets: its own, or that of a directory above it.
 * @param path absolute or not; of a file outside of any workspace folder
 */
export function looksSecret(path: string): boolean {
	const names = path.split(/[\\/]/).filter((name) => !/^(\.{0,2}|[a-z]:)$/i.test(name));
	return names.length > 0 && SECRETS.ignores(names.join('/'));
}

function newMatcher(files: readonly RuleFile[]): Matcher {
	return matcherOf(
		files.flatMap(({ directory, lines }) => lines.map((line) => anchor(line, directory))),
		IGNORE_CASE,
	);
}

/** Few paths have a name that any rule is about, so the rules are not asked about the others. */
function matcherOf(rules: readonly string[], ignorecase: boolean): Matcher {
	const isNamed = namedBy(rules);
	let matcher: Ignore | undefined;
	return {
		ignores(path) {
			if (!isNamed(path)) return false;
			matcher ??= ignore({ ignorecase }).add(rules);
			return matcher.ignores(path);
		},
	};
}

/** A pattern of an ignore file in `directory`, written for the root. */
function anchor(line: string, directory: string): string {
	if (directory === '') return line;
	const negated = line.startsWith('!');
	const pattern = negated ? line.slice(1) : line;
	const below = directory.replace(/[\\*?[\]!# ]/g, '\\$&');
	const slash = pattern.trimEnd().indexOf('/');
	const isAnchored = slash >= 0 && slash < pattern.trimEnd().length - 1;
	return `${negated ? '!' : ''}/${below}/${isAnchored ? pattern.replace(/^\//, '') : `**/${pattern}`}`;
}

function readRules(path: string): string[] {
	// Most folders have none, and an exception takes ten times as long.
	if (!existsSync(path)) return [];
	try {
		return ruleLines(readFileSync(path, 'utf8'));
	} catch {
		return [];
	}
}

function parentOf(path: string): string {
	return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

function joinNames(directory: string, name: string): string {
	return directory === '' || name === '' ? directory + name : `${directory}/${name}`;
}
