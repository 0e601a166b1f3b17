/**
 * What git ignores beside the `.gitignore` files of a folder: the repository's `info/exclude`, the user's global excludes, and
 * the `.gitignore` files between the repository's root and the folder.
 *
 * Deliberately lacks: git's index. A file that is tracked although a rule matches it is left out here.
 */
import { execFile } from 'node:child_process';
import { readFile, realpath, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { promisify } from 'node:util';

/** Lines of one ignore file, and the directory (relative to the root, `/` between names, '' for the root) that they count from. */
export interface RuleFile {
	directory: string;
	lines: readonly string[];
}

export interface GitExcludes {
	/** Path of the folder below the repository's root; '' when it is the root, or in no repository. */
	prefix: string;
	/** Weakest first. */
	ruleFiles: RuleFile[];
}

export async function readGitExcludes(folder: string, options: { useGlobal: boolean }): Promise<GitExcludes> {
	const real = await realpath(folder).catch(() => folder);
	const root = await repositoryRoot(real);
	if (root === undefined) return { prefix: '', ruleFiles: [] };
	const gitFolder = await commonGitFolder(root);
	const files: RuleFile[] = [];
	const add = async (path: string | undefined, directory: string): Promise<void> => {
		const lines = path === undefined ? [] : await readLines(path);
		if (lines.length > 0) files.push({ directory, lines });
	};
	await add(options.useGlobal ? await globalExcludesFile(root) : undefined, '');
	await add(join(gitFolder, 'info', 'exclude'), '');
	const prefix = relative(root, real).split(sep).join('/');
	const names = prefix === '' ? [] : prefix.split('/');
	for (let depth = 0; depth < names.length; depth++) {
		const directory = names.slice(0, depth).join('/');
		await add(join(root, directory, '.gitignore'), directory);
	}
	return { prefix, ruleFiles: files };
}

/** Lines of an ignore file; none when it cannot be read. */
async function readLines(path: string): Promise<string[]> {
	return ruleLines(await readFile(path, 'utf8').catch(() => ''));
}

export function ruleLines(text: string): string[] {
	return text
		.replace(/^\ufeff/, '')
		.split(/\r?\n/)
		.filter((line) => line.trim() !== '' && !line.startsWith('#'));
}

async function repositoryRoot(folder: string): Promise<string | undefined> {
	for (let directory = folder; ; directory = dirname(directory)) {
		const found = await stat(join(directory, '.git')).catch(() => undefined);
		if (found) return directory;
		if (directory === dirname(directory)) return undefined;
	}
}

/** The `.git` folder with `info`: elsewhere for a worktree or a submodule, whose `.git` is a file. */
async function commonGitFolder(root: string): Promise<string> {
	const path = join(root, '.git');
	const pointer = await readFile(path, 'utf8').catch(() => undefined);
	if (pointer === undefined) return path;
	const folder = resolve(root, pointer.replace(/^gitdir:\s*/, '').trim());
	const common = await readFile(join(folder, 'commondir'), 'utf8').catch(() => '');
	return common === '' ? folder : resolve(folder, common.trim());
}

/** `core.excludesFile` as git itself reads its configuration; git's default where it is not set, or git is not there. */
async function globalExcludesFile(root: string): Promise<string> {
	const fallback = join(process.env.XDG_CONFIG_HOME || join(homedir(), '.config'), 'git', 'ignore');
	const args = ['-C', root, 'config', '--type=path', '--get', 'core.excludesFile'];
	const answer = await promisify(execFile)('git', args, { timeout: 2000, windowsHide: true }).catch(() => undefined);
	const path = answer?.stdout.trim();
	return path ? resolve(root, path) : fallback;
}
