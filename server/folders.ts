/**
 * The workspace folders that both workers have open: each is opened in both, compared with the disk, emptied and closed in both.
 *
 * Guarantees: what was asked of a folder that is closed meanwhile ends without a failure; what could not be opened is tried again,
 * for an editor also by itself, ever more rarely, and its report says why until then; rules are known of folders that are not open yet.
 *
 * Deliberately lacks: completion. It searches what is open here.
 */
import type { UpdateReport, WorkspaceReport } from 'hef-shared';
import type { Clock } from './base/clock.ts';
import { messageOf } from './base/errors.ts';
import type { Logger } from './base/logger.ts';
import type { CompletionClient } from './completion/client.ts';
import type { IndexingClient } from './indexing/client.ts';
import { emptyReport } from './indexing/status.ts';
import { looksSecret } from './workspace/path-filter.ts';
import { sourceKindOf } from './workspace/source-kinds.ts';
import type { Workspace } from './workspace/types.ts';
import { createWorkspace } from './workspace/workspace.ts';

export interface OpenOptions {
	/** Follow changes on disk. */
	watch: boolean;
	/** Globs beside the built-in list. */
	exclude: readonly string[];
	/** Opening also waits until vectors were looked for that damage took. Default false: that is done later. */
	thorough?: boolean;
}

export interface Folders {
	/**
	 * Opens a workspace folder: what is stored serves at once, the rest is indexed. Resolves when that is done, or when the
	 * folder was closed meanwhile.
	 */
	openFolder(folder: string, options: OpenOptions): Promise<void>;
	closeFolder(folder: string): Promise<void>;
	/**
	 * Whether the file may be indexed and completed (ignore rules, secrets), with a wait until the rules of a folder are read that
	 * is not open yet.
	 * @param folder empty for a file outside of all folders
	 * @param named says what kind of file it is where its path does not
	 */
	includes(folder: string, path: string, named?: string): boolean | Promise<boolean>;
	/** Indexes changed files; resolves when they are published. */
	update(folder: string, paths: readonly string[], reason: string): Promise<void>;
	/** Compares the folder with the disk and indexes what differs; resolves when it is published, or when the folder was closed. */
	reconcile(folder: string, reason: string): Promise<void>;
	/** Documents that the user has open, the one looked at last first: their neighbourhood is indexed and copied from before the rest. */
	prioritise(folder: string, paths: readonly string[]): void;
	/** Deletes the folder's cache and builds it again; resolves when that is done, or when the folder was closed. */
	clear(folder: string): Promise<void>;
	/** At once, whatever the folder waits for. */
	report(folder: string): Promise<WorkspaceReport>;
	/** Paths of the folder's files that are code, in order. */
	codeFiles(folder: string): Promise<string[]>;
}

/** What the services ask beside that. */
export interface AllFolders extends Folders {
	/** The store of a folder lies elsewhere: another process emptied it, or this one had to leave it. */
	moved(folder: string, storePath: string): void;
	/** The index of a folder was updated. */
	updated(folder: string, update: UpdateReport): void;
	reports(): Promise<WorkspaceReport[]>;
	/** The workers end: nothing that fails from here on is a failure. */
	forgetAll(): void;
}

export interface FoldersOptions {
	completion: Pick<CompletionClient, 'openFolder' | 'closeFolder' | 'prioritise' | 'settled' | 'vectorIndex'>;
	indexing: Pick<IndexingClient, 'openFolder' | 'closeFolder' | 'request' | 'prioritise' | 'clear' | 'report'>;
	/** Globs that count in folders that are not open yet. */
	exclude: readonly string[];
	/** Folder that holds the caches of all workspaces. */
	cacheFolder: string;
	clock: Pick<Clock, 'schedule'>;
	logger: Logger;
}

/** How soon a folder is tried again that could not be opened: its disk may have room by then, or be there. The wait doubles up to the longest. */
const TRY_AGAIN_MS = 10_000;
const LONGEST_WAIT_MS = 320_000;
/** Reasons of an update before which an ignore file may have changed: the watcher saw it, or did not see what changed. */
const MAY_CHANGE_RULES = /rules|branch|focus|missed|takeover/;

interface OpenFolder {
	options: OpenOptions;
	placing?: Promise<void>;
	/** The index can be asked: it was read through, or is another process's that was. */
	isIndexOpen?: boolean;
	/** The comparison with the disk that opening begins with. */
	building?: Promise<unknown>;
	/** Undefined for the first moments. */
	workspace?: Workspace;
	/** Why the folder could not be opened. */
	failure?: string;
	/** Until it is tried again. */
	waitMs: number;
	stopWaiting(): void;
}

export function createFolders({ completion, indexing, exclude, cacheFolder, clock, logger }: FoldersOptions): AllFolders {
	const folders = new Map<string, OpenFolder>();
	/** Open documents by folder, also of folders that are not open yet. */
	const documents = new Map<string, readonly string[]>();
	/** Rules of folders that somebody asked about before they were open. */
	const early = new Map<string, Promise<Workspace>>();

	/** Makes the folder's index complete and known to completion. */
	const reconcile = async (folder: string, reason: string): Promise<void> => {
		await indexing.request(folder, { paths: 'all', reason });
		await completion.settled();
	};

	/** What is done for an open folder. Closing the folder ends it, and is no failure. */
	const unlessClosed = async <T>(folder: string, task: () => Promise<T>): Promise<T | undefined> => {
		const opened = folders.get(folder);
		try {
			return await task();
		} catch (error) {
			if (folders.get(folder) === opened) throw error;
			return undefined;
		}
	};

	/** Lets completion search a store, in which it begins with what is open. */
	const view = async (folder: string, storePath: string): Promise<void> => {
		const viewed = completion.openFolder({ folder, storePath });
		completion.prioritise(folder, documents.get(folder) ?? []);
		await viewed;
	};

	/** Opens the folder in both workers, unless it is closed meanwhile. */
	const place = async (folder: string, opened: OpenFolder): Promise<void> => {
		const { watch, exclude: excluded, thorough = false } = opened.options;
		delete opened.failure;
		opened.isIndexOpen = false;
		opened.stopWaiting();
		try {
			const indexed = indexing.openFolder({ folder, watch, exclude: excluded });
			indexed.catch(() => {});
			opened.workspace = await createWorkspace(folder, { exclude: excluded, cacheFolder, logger });
			early.delete(folder);
			const { storePath } = await indexed;
			opened.isIndexOpen = true;
			if (folders.get(folder) !== opened) return;
			const prioritised = indexing.prioritise(folder, documents.get(folder) ?? []);
			const viewed = view(folder, storePath);
			// Begins while completion reads what is stored; what is published meanwhile waits there.
			opened.building = indexing.request(folder, { paths: 'all', reason: 'start', soon: !thorough });
			opened.building.catch(() => {});
			await Promise.all([prioritised, viewed]);
		} catch (error) {
			opened.failure = messageOf(error);
			if (watch) tryAgainLater(folder, opened);
			throw error;
		}
	};

	const openFolder = async (folder: string, options: OpenOptions): Promise<void> => {
		const opened: OpenFolder = { options, waitMs: TRY_AGAIN_MS, stopWaiting() {} };
		folders.set(folder, opened);
		await unlessClosed(folder, async () => {
			opened.placing = place(folder, opened);
			await opened.placing;
			await opened.building;
			if (folders.get(folder) === opened) await completion.settled();
		});
	};

	/** Documents are judged by the rules that the index follows. */
	const readRules = async (folder: string): Promise<void> => {
		const opened = folders.get(folder);
		if (!opened?.workspace) return;
		opened.workspace = await createWorkspace(folder, { exclude: opened.options.exclude, cacheFolder, logger });
	};

	const tryAgainLater = (folder: string, opened: OpenFolder): void => {
		opened.stopWaiting = clock.schedule(opened.waitMs, () => {
			if (folders.get(folder) === opened) untilOpen(folder).catch(() => {});
		});
		opened.waitMs = Math.min(2 * opened.waitMs, LONGEST_WAIT_MS);
	};

	/** Waits until the folder is open; what could not be opened may open by now. */
	const untilOpen = async (folder: string): Promise<void> => {
		const opened = folders.get(folder);
		await opened?.placing?.catch(() => {});
		if (opened?.failure !== undefined) await place(folder, opened);
	};

	const report = async (folder: string): Promise<WorkspaceReport> => {
		const { isIndexOpen, failure } = folders.get(folder) ?? {};
		if (failure !== undefined) return emptyReport(folder, 'error', failure);
		if (!isIndexOpen) return emptyReport(folder, 'indexing', 'its index is being opened');
		const reports = await unlessClosed(folder, () => Promise.all([indexing.report(folder), completion.vectorIndex(folder)]));
		if (!reports) return emptyReport(folder, 'indexing');
		const [state, hnsw] = reports;
		return { ...state, ...(hnsw ? { hnsw } : {}) };
	};

	return {
		openFolder,
		async closeFolder(folder) {
			folders.delete(folder);
			early.delete(folder);
			await Promise.all([indexing.closeFolder(folder), completion.closeFolder(folder)]);
		},
		includes(folder, path, named) {
			if (folder === '') return !looksSecret(path);
			const { workspace } = folders.get(folder) ?? {};
			if (workspace) return workspace.includes(path, named);
			const asked = early.get(folder) ?? createWorkspace(folder, { exclude, cacheFolder, logger });
			early.set(folder, asked);
			return asked.then((rules) => rules.includes(path, named));
		},
		async update(folder, paths, reason) {
			await indexing.request(folder, { paths, reason });
			await completion.settled();
		},
		async reconcile(folder, reason) {
			await unlessClosed(folder, async () => {
				await untilOpen(folder);
				await reconcile(folder, reason);
			});
		},
		async clear(folder) {
			await unlessClosed(folder, async () => {
				await untilOpen(folder);
				if (await indexing.clear(folder)) await reconcile(folder, 'clear');
			});
		},
		prioritise(folder, paths) {
			documents.set(folder, paths);
			// A folder that is still being opened is told then.
			indexing.prioritise(folder, paths).catch(() => {});
			completion.prioritise(folder, paths);
		},
		report,
		async codeFiles(folder) {
			const files = (await folders.get(folder)?.workspace?.list()) ?? [];
			return files.map(({ path }) => path).filter((path) => sourceKindOf(path) === 'code');
		},
		moved(folder, storePath) {
			if (!folders.has(folder)) return;
			view(folder, storePath).catch((error: unknown) => logger.error(`${folder}: ${messageOf(error)}`));
		},
		updated(folder, { reason }) {
			if (MAY_CHANGE_RULES.test(reason)) readRules(folder).catch((error: unknown) => logger.error(`${folder}: ${messageOf(error)}`));
		},
		reports: () => Promise.all([...folders.keys()].map(report)),
		forgetAll: () => folders.clear(),
	};
}
