/**
 * The source files of a folder: which they are, what they hold, when they change.
 *
 * Guarantees: one filter for listing, reading, watching and open documents; nothing outside of the folder is read, whatever
 * links lead there; files that come and go meanwhile are values, never errors.
 *
 * Deliberately lacks: any memory of what was seen. What changed since last time is the caller's question.
 */
import { existsSync, realpathSync } from 'node:fs';
import { isAbsolute, join, relative, resolve, sep } from 'node:path';
import { type Clock, systemClock } from '../base/clock.ts';
import { type Logger, silentLogger } from '../base/logger.ts';
import { silentFileSystem } from './file-systems.ts';
import { assertReadable, listFiles, statFile } from './list-files.ts';
import { createPathFilter } from './path-filter.ts';
import { readSource } from './read-source.ts';
import { sourceKindOf } from './source-kinds.ts';
import type { SourceText, Workspace } from './types.ts';
import { watchFolder } from './watch.ts';

export interface WorkspaceOptions {
	/** Patterns as in `.gitignore`, beside the built-in list. Default none. */
	exclude?: readonly string[];
	/** Never read when it lies inside of the folder. */
	cacheFolder?: string;
	/** Whether `core.excludesFile` counts. Default true. */
	useGlobalGitExcludes?: boolean;
	logger?: Logger;
	clock?: Clock;
}

/** How long the first list believes what git was asked for it: that takes as long as listing some thousand files. */
const FRESH_MS = 1000;
const UNREADABLE: SourceText = { kind: 'skipped', reason: 'unreadable' };

export async function createWorkspace(folderPath: string, options: WorkspaceOptions = {}): Promise<Workspace> {
	const { exclude = [], cacheFolder, useGlobalGitExcludes = true, logger = silentLogger, clock = systemClock } = options;
	const folder = resolve(folderPath);
	const filter = await createPathFilter({ folder, exclude: [...exclude, ...cacheRule(folder, cacheFolder)], useGlobalGitExcludes });

	/** For paths that are known to stay in the folder. */
	const isSource = (path: string, named = path): boolean => sourceKindOf(named) !== undefined && !filter.ignores(path, false);
	const includes = (path: string, named = path): boolean => isInside(path) && isSource(path, named);
	const isReal = realPathsIn(folder);
	const readFile = createReader(folder);
	let outerFreshUntilMs = clock.elapsed() + FRESH_MS;

	return {
		folder,
		includes,
		async list() {
			if (clock.elapsed() < outerFreshUntilMs) filter.forgetInner();
			else await filter.refresh();
			outerFreshUntilMs = 0;
			return listFiles({ folder, entersFolder: (path) => !filter.ignores(path, true), includesFile: (path) => isSource(path), logger });
		},
		async stat(path) {
			const file = includes(path) && isReal(path) ? await statFile(folder, path) : undefined;
			if (!file && !existsSync(folder)) assertReadable(folder);
			return file;
		},
		async read(path) {
			return includes(path) ? readFile(path) : UNREADABLE;
		},
		async watch(onChange, onProblem) {
			return watchFolder({
				silentFileSystem: await silentFileSystem(folder),
				folder,
				clock,
				logger,
				onProblem,
				ignores: (path, isDirectory) => (isDirectory ? filter.ignores(path, true) : !includes(path)),
				readRules: () => filter.refresh(),
				onChange,
			});
		},
	};
}

/** Reads source files of a folder, none outside of it, whatever the rules: for paths that an index has, which was sifted. */
export function createReader(folder: string): (path: string) => SourceText {
	const isReal = realPathsIn(folder);
	return (path) => {
		const kind = sourceKindOf(path);
		return kind && isInside(path) && isReal(path) ? readSource(join(folder, path), kind) : UNREADABLE;
	};
}

/** Tells of paths in the folder whether no link on the way leads elsewhere. The folder itself may be put elsewhere. */
function realPathsIn(folder: string): (path: string) => boolean {
	let root = realPath(folder) ?? folder;
	return (path) => {
		const real = realPath(join(folder, path));
		if (real === undefined || real === join(root, path)) return real !== undefined;
		root = realPath(folder) ?? folder;
		return real === join(root, path);
	};
}

/** Undefined when there is nothing. */
function realPath(path: string): string | undefined {
	try {
		return realpathSync.native(path);
	} catch {
		return undefined;
	}
}

/** Whether a relative path stays in the folder and is written plainly. */
function isInside(path: string): boolean {
	return path !== '' && !isAbsolute(path) && path.split('/').every((name) => name !== '' && name !== '.' && name !== '..');
}

function cacheRule(folder: string, cacheFolder: string | undefined): string[] {
	if (cacheFolder === undefined) return [];
	const path = relative(folder, resolve(cacheFolder)).split(sep).join('/');
	return isInside(path) ? [`/${path.replace(/[\\*?[\]!# ]/g, '\\$&')}/`] : [];
}
