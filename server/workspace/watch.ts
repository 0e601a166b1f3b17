/**
 * Changes on disk, through chokidar (the only module that imports it). Reports paths and whether the rules or the branch
 * changed, and leaves it to the caller to look at what is there now: an event is a hint, never a fact.
 *
 * Guarantees: ignored folders are not watched; a burst is one report; when the system has no watch left, or the file system does
 * not tell of changes, that is told once and polling takes over; after a failure of the watcher `missed` is reported. Deliberately lacks: waiting for writes to end (a half-written file
 * is reported again when the other half comes), and the branch of a repository whose `.git` lies elsewhere: its files tell.
 */
import { relative, sep } from 'node:path';
import { type ChokidarOptions, type FSWatcher, watch as openChokidar } from 'chokidar';
import type { Clock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { createBatcher } from './batcher.ts';
import { IGNORE_FILES } from './path-filter.ts';
import type { ChangeReason, OnWatchProblem } from './types.ts';

export interface WatchOptions {
	/** Absolute. */
	folder: string;
	/** Whether a path is of no interest. */
	ignores(path: string, isDirectory: boolean): boolean;
	onChange(paths: string[], reason: ChangeReason): void;
	onProblem: OnWatchProblem;
	/** Name of a file system that does not tell of changes, as from {@link silentFileSystem}. */
	silentFileSystem?: string | undefined;
	clock: Clock;
	logger: Logger;
	/** Replaced in tests. */
	open?: (folder: string, options: ChokidarOptions) => FSWatcher;
}

const QUIET_MS = 200;
const MAX_BATCH_MS = 2000;
const POLL_MS = 5000;
/** In place of a path: something was missed. No path is empty. */
const MISSED = '';
const HEAD = '.git/HEAD';
const INFO_EXCLUDE = '.git/info/exclude';
/** Inside `.git` only what tells about branches and rules. */
const WATCHED_IN_GIT: ReadonlySet<string> = new Set(['.git', HEAD, '.git/info', INFO_EXCLUDE]);

/** Resolves when changes from now on are seen. The returned function stops. */
export async function watchFolder(options: WatchOptions): Promise<() => Promise<void>> {
	const { folder, clock, logger, open = openChokidar } = options;
	const batcher = createBatcher<string>({
		clock,
		quietMs: QUIET_MS,
		maxMs: MAX_BATCH_MS,
		onBatch: (paths) =>
			options.onChange(
				paths.filter((path) => path !== MISSED),
				reasonOf(paths),
			),
	});
	const ignored = (absolute: string, stats?: { isDirectory(): boolean }): boolean => {
		const path = relative(folder, absolute).split(sep).join('/');
		if (path === '' || WATCHED_IN_GIT.has(path)) return false;
		if (path.startsWith('.git/')) return true;
		if (isIgnoreFile(path) && !stats?.isDirectory()) return false;
		return options.ignores(path, stats?.isDirectory() ?? true);
	};

	let watcher: FSWatcher | undefined;
	let stopped = false;
	const start = (usePolling: boolean): Promise<void> =>
		new Promise((resolve) => {
			const started = open(folder, {
				ignored,
				ignoreInitial: true,
				followSymlinks: false,
				ignorePermissionErrors: true,
				usePolling,
				...(usePolling ? { interval: POLL_MS, binaryInterval: POLL_MS } : {}),
			});
			watcher = started;
			started.on('all', (event, path) => {
				if (event !== 'addDir' && event !== 'unlinkDir') batcher.add(relative(folder, path).split(sep).join('/'));
			});
			started.on('ready', resolve);
			started.on('error', (error) => {
				if (started !== watcher || stopped) return;
				const noWatchLeft = isOutOfWatches(error);
				batcher.add(MISSED);
				if (!noWatchLeft || usePolling) {
					logger.warn(`watching ${folder}: ${messageOf(error)}`);
					return;
				}
				options.onProblem(outOfWatchesMessage(folder), 'warning');
				watcher = undefined;
				started.close().catch(() => {});
				resolve(start(true));
			});
		});

	const { silentFileSystem } = options;
	if (silentFileSystem !== undefined) options.onProblem(silentMessage(folder, silentFileSystem), 'notice');
	await start(silentFileSystem !== undefined);
	return async () => {
		stopped = true;
		batcher.stop();
		await watcher?.close();
	};
}

function isIgnoreFile(path: string): boolean {
	const name = path.slice(path.lastIndexOf('/') + 1);
	return name === IGNORE_FILES.git || name === IGNORE_FILES.hef;
}

/** Whether a path changes what other paths count for. */
export function changesRules(path: string): boolean {
	return isIgnoreFile(path) || path === INFO_EXCLUDE;
}

function reasonOf(paths: readonly string[]): ChangeReason {
	if (paths.some(changesRules)) return 'rules';
	if (paths.includes(HEAD)) return 'branch';
	return paths.includes(MISSED) ? 'missed' : 'files';
}

function isOutOfWatches(error: unknown): boolean {
	const code = (error as NodeJS.ErrnoException | undefined)?.code;
	return code === 'ENOSPC' || code === 'EMFILE';
}

function silentMessage(folder: string, fileSystem: string): string {
	return `${folder} lies on ${fileSystem}, which does not tell of every change; changes are found by polling every ${POLL_MS / 1000} s.`;
}

function outOfWatchesMessage(folder: string): string {
	return (
		`The system has no file watches left for ${folder}; changes are found by polling every ${POLL_MS / 1000} s instead. ` +
		'On Linux raise the limit: sudo sysctl fs.inotify.max_user_watches=524288 (and the same line in /etc/sysctl.conf to keep it), ' +
		'or exclude large folders with hef.exclude.'
	);
}
