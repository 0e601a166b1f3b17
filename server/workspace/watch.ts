/**
 * Changes on disk, through chokidar (the only module that imports it). Reports paths and whether the rules or the branch
 * changed, and leaves it to the caller to look at what is there now: an event is a hint, never a fact.
 *
 * Guarantees: ignored folders are not watched, by the rules of the moment; a burst is one report; when the system has no watch left,
 * or the file system does not tell of changes, that is told once and polling takes over; after a failure of the watcher `missed` is
 * reported, and when the folder is watched anew because the rules changed, or it, or one in it, was replaced.
 *
 * Deliberately lacks: waiting for writes to end (a half-written file is reported again when the other half comes), and the branch of a
 * repository whose `.git` lies elsewhere: its files tell.
 */
import { realpathSync } from 'node:fs';
import { relative, sep } from 'node:path';
import { type ChokidarOptions, type FSWatcher, watch as openChokidar } from 'chokidar';
import type { Clock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { type Batcher, createBatcher } from './batcher.ts';
import { IGNORE_FILES } from './path-filter.ts';
import { ReplacedFolders } from './replaced-folders.ts';
import type { ChangeReason, OnWatchProblem } from './types.ts';

export interface WatchOptions {
	/** Absolute. */
	folder: string;
	/** Whether a path is of no interest. */
	ignores(path: string, isDirectory: boolean): boolean;
	/** Ignore files changed: {@link ignores} goes by what they say now once it has resolved. */
	readRules(): Promise<void>;
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
	const { folder, silentFileSystem, onProblem } = options;
	if (silentFileSystem !== undefined) onProblem(silentMessage(folder, silentFileSystem), 'notice');
	const watch = new FolderWatch(options);
	await watch.start();
	return () => watch.stop();
}

class FolderWatch {
	readonly #options: WatchOptions;
	readonly #batcher: Batcher<string>;
	readonly #replaced: ReplacedFolders;
	#watcher: FSWatcher | undefined;
	#isPolling: boolean;
	#stopped = false;
	/** Starts run one after the other: what is closed before it is ready never is. */
	#tail: Promise<void> = Promise.resolve();

	constructor(options: WatchOptions) {
		const { clock, logger, silentFileSystem } = options;
		this.#options = options;
		this.#isPolling = silentFileSystem !== undefined;
		this.#batcher = createBatcher({
			clock,
			quietMs: QUIET_MS,
			maxMs: MAX_BATCH_MS,
			onBatch: (paths) => void this.#report(paths).catch((error: unknown) => logger.error(messageOf(error))),
		});
		this.#replaced = new ReplacedFolders({ clock, quietMs: QUIET_MS, awayMs: POLL_MS, onReplaced: () => void this.#startAnew() });
	}

	/** Resolves when changes are seen. */
	start(): Promise<void> {
		const opened = this.#open();
		this.#tail = opened.catch(() => {});
		return opened;
	}

	#open(): Promise<void> {
		const { folder, open = openChokidar } = this.#options;
		// Chokidar does not follow the link that the folder may be.
		const root = realPath(folder);
		const pathOf = (absolute: string): string => relative(root, absolute).split(sep).join('/');
		const usePolling = this.#isPolling;
		this.#replaced.begin(root);
		const watcher = open(root, {
			ignored: (absolute, stats) => this.#ignores(pathOf(absolute), stats?.isDirectory()),
			ignoreInitial: true,
			followSymlinks: false,
			ignorePermissionErrors: true,
			usePolling,
			...(usePolling ? { interval: POLL_MS, binaryInterval: POLL_MS } : {}),
		});
		this.#watcher = watcher;
		watcher.on('all', (event, path) => {
			if (event === 'unlinkDir') this.#replaced.seen(path);
			else if (event !== 'addDir') this.#batcher.add(pathOf(path));
		});
		watcher.on('raw', (event, name, details) => this.#replaced.told(event, name, (details as { watchedPath?: string }).watchedPath));
		return new Promise((resolve) => {
			watcher.on('ready', () => {
				this.#replaced.ready();
				resolve();
			});
			watcher.on('error', (error) => {
				if (this.#failed(watcher, error)) resolve(this.#open());
			});
		});
	}

	async stop(): Promise<void> {
		this.#stopped = true;
		this.#replaced.stop();
		this.#batcher.stop();
		await this.#watcher?.close();
	}

	async #report(paths: readonly string[]): Promise<void> {
		const { readRules, onChange } = this.#options;
		const reason = reasonOf(paths);
		if (reason === 'rules') await readRules();
		if (this.#stopped) return;
		onChange(
			paths.filter((path) => path !== MISSED),
			reason,
		);
		// What was ignored until now is not watched yet.
		if (reason === 'rules') await this.#startAnew();
	}

	#startAnew(): Promise<void> {
		const started = this.#tail.then(async () => {
			const watcher = this.#watcher;
			this.#watcher = undefined;
			await watcher?.close();
			if (this.#stopped) return;
			await this.#open();
			this.#batcher.add(MISSED);
		});
		this.#tail = started.catch(() => {});
		return started;
	}

	/** Whether it has to be started anew, to poll. */
	#failed(watcher: FSWatcher, error: unknown): boolean {
		if (watcher !== this.#watcher || this.#stopped) return false;
		const { folder, logger, onProblem } = this.#options;
		this.#batcher.add(MISSED);
		if (!isOutOfWatches(error) || this.#isPolling) {
			logger.warn(`watching ${folder}: ${messageOf(error)}`);
			return false;
		}
		onProblem(outOfWatchesMessage(folder), 'warning');
		this.#isPolling = true;
		this.#watcher = undefined;
		watcher.close().catch(() => {});
		return true;
	}

	#ignores(path: string, isDirectory: boolean | undefined): boolean {
		if (path === '' || WATCHED_IN_GIT.has(path)) return false;
		if (path.startsWith('.git/')) return true;
		if (isIgnoreFile(path) && !isDirectory) return false;
		return this.#options.ignores(path, isDirectory ?? true);
	}
}

/** The path itself when nothing is there. */
function realPath(path: string): string {
	try {
		return realpathSync.native(path);
	} catch {
		return path;
	}
}

function isIgnoreFile(path: string): boolean {
	const name = path.slice(path.lastIndexOf('/') + 1);
	return name === IGNORE_FILES.git || name === IGNORE_FILES.hef;
}

/** Whether a path changes what other paths count for. */
function changesRules(path: string): boolean {
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
