/**
 * What the LSP server and the command line stand on: the two workers of one configuration, joined. `main.ts` makes it;
 * a command takes the same path as an editor's request.
 */
import type {
	BundleReport,
	CompletionReport,
	ExecutionProviderReport,
	Settings,
	StatusReport,
	UpdateReport,
	WorkspaceReport,
} from 'hef-shared';
import { ActivityGate } from './base/cancellation.ts';
import { messageOf } from './base/errors.ts';
import type { Logger } from './base/logger.ts';
import { completionThreads, INDEXING_THREADS } from './base/threads.ts';
import { createCompletionClient } from './completion/client.ts';
import type { CompletionRequest } from './completion/types.ts';
import { createIndexingClient } from './indexing/client.ts';
import { emptyReport } from './indexing/status.ts';
import type { FileProgress } from './indexing/types.ts';
import { type Bundle, describeBundle } from './inference/bundle.ts';
import { looksSecret } from './workspace/path-filter.ts';
import { sourceKindOf } from './workspace/source-kinds.ts';
import type { Workspace } from './workspace/types.ts';
import { createWorkspace } from './workspace/workspace.ts';

export interface IndexProgress extends FileProgress {
	folder: string;
}

export interface ServiceEvents {
	progress(progress: IndexProgress): void;
	/** An update of a folder has ended. */
	updated(folder: string, update: UpdateReport): void;
	/** Indexing of a folder was paused or resumed, in this editor or in another that has it open. */
	paused?(folder: string, isPaused: boolean): void;
	/** Something the user should read: a watcher limit, a repaired cache. */
	problem(message: string): void;
	/** A worker ended by itself: these services answer nothing any more. Without a listener the next call says so. */
	died?(message: string): void;
}

export interface OpenOptions {
	/** Follow changes on disk. */
	watch: boolean;
	/** Globs beside the built-in list. */
	exclude: readonly string[];
	/** Opening also waits until vectors were looked for that damage took. Default false: that is done later. */
	thorough?: boolean;
}

export interface Services {
	readonly bundle: BundleReport;
	/** Known once {@link warmUp} has resolved. */
	readonly executionProvider: ExecutionProviderReport | undefined;
	/** Loads the models of completion. */
	warmUp(): Promise<ExecutionProviderReport & { loadMs: number }>;
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
	/** Documents that the user has open, the one looked at last first: their neighbourhood is indexed before the rest. */
	prioritise(folder: string, paths: readonly string[]): void;
	/** Indexing of all folders stops before the next chunk, in whichever editor they are built; requests wait. */
	pause(): Promise<void>;
	resume(): Promise<void>;
	/** Deletes the folder's cache and builds it again; resolves when that is done, or when the folder was closed. */
	clear(folder: string): Promise<void>;
	/** Resolves when all that was published is in the view that completion searches. */
	searchable(): Promise<void>;
	/** Resolves when it is in the copy model too. */
	settled(): Promise<void>;
	/** Undefined when superseded by a newer request of the document, or aborted. */
	complete(request: CompletionRequest, signal?: AbortSignal): Promise<CompletionReport | undefined>;
	/** The answer that needs no model, if there is one. */
	recall(request: CompletionRequest): Promise<CompletionReport | undefined>;
	/** Computes ahead what such a request would need, until a request comes. */
	prepare(request: CompletionRequest): void;
	/** A document was closed. */
	forget(uri: string): void;
	report(folder: string): Promise<WorkspaceReport>;
	/** Paths of the folder's files that are code, in order. */
	codeFiles(folder: string): Promise<string[]>;
	status(): Promise<StatusReport>;
	/** Ends both workers; never while a model runs. */
	dispose(): Promise<void>;
}

export type CreateServices = (settings: Settings, events: ServiceEvents) => Promise<Services>;

export interface ServicesOptions {
	bundle: Bundle;
	settings: Settings;
	/** Folder that holds the caches of all workspaces. */
	cacheFolder: string;
	version: string;
	events: ServiceEvents;
	logger: Logger;
}

interface OpenFolder {
	options: OpenOptions;
	placing?: Promise<void>;
	/** The comparison with the disk that opening begins with. */
	building?: Promise<unknown>;
	/** Undefined for the first moments. */
	workspace?: Workspace;
	/** Why the folder could not be opened. */
	failure?: string;
}

/** Starts both workers, which read the tokenizer at once; models come when they are needed. */
export function createServices(options: ServicesOptions): Services {
	const { bundle, settings, cacheFolder, version, events, logger } = options;
	const gate = new ActivityGate();
	const common = {
		bundle: { folder: bundle.folder, manifest: bundle.manifest },
		executionProvider: settings.executionProvider,
		gate: gate.buffer,
		unloadAfterMs: settings.unloadAfterMinutes * 60_000,
		cacheFolder,
		logger,
		died: (message: string) => events.died?.(message),
	};
	const completion = createCompletionClient({ ...common, threads: completionThreads(settings.maxThreads), copy: settings.copy });
	const indexing = createIndexingClient({
		...common,
		threads: INDEXING_THREADS,
		cacheBudgetBytes: settings.cacheBudgetBytes,
		host: { chooseExecutionProvider: () => completion.chooseExecutionProvider() },
		throttleOnBattery: settings.throttleOnBattery,
		events: {
			progress: (folder, progress) => events.progress({ folder, ...progress }),
			published: (folder, paths) => completion.published(folder, paths),
			updated: (folder, report) => events.updated(folder, report),
			paused: (folder, isPaused) => events.paused?.(folder, isPaused),
			moved: (folder, storePath) => moveView(folder, storePath),
			problem: (message) => events.problem(message),
		},
	});
	const bundleReport = describeBundle(bundle);
	const folders = new Map<string, OpenFolder>();
	/** Open documents by folder, also of folders that are not open yet. */
	const documents = new Map<string, readonly string[]>();
	/** Rules of folders that somebody asked about before they were open. */
	const early = new Map<string, Promise<Workspace>>();
	let executionProvider: ExecutionProviderReport | undefined;

	/** The store lies elsewhere: another process emptied it, or this one had to leave it. */
	const moveView = (folder: string, storePath: string): void => {
		if (!folders.has(folder)) return;
		completion.openFolder({ folder, storePath }).catch((error: unknown) => logger.error(`${folder}: ${messageOf(error)}`));
	};

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

	/** Opens the folder in both workers, unless it is closed meanwhile. */
	const place = async (folder: string, opened: OpenFolder): Promise<void> => {
		const { watch, exclude, thorough = false } = opened.options;
		delete opened.failure;
		try {
			const indexed = indexing.openFolder({ folder, watch, exclude });
			indexed.catch(() => {});
			opened.workspace = await createWorkspace(folder, { exclude, cacheFolder, logger });
			early.delete(folder);
			const { storePath } = await indexed;
			if (folders.get(folder) !== opened) return;
			const prioritised = indexing.prioritise(folder, documents.get(folder) ?? []);
			const viewed = completion.openFolder({ folder, storePath });
			// Begins while completion reads what is stored; what is published meanwhile waits there.
			opened.building = indexing.request(folder, { paths: 'all', reason: 'start', soon: !thorough });
			opened.building.catch(() => {});
			await Promise.all([prioritised, viewed]);
		} catch (error) {
			opened.failure = messageOf(error);
			throw error;
		}
	};

	const openFolder = async (folder: string, options: OpenOptions): Promise<void> => {
		const opened: OpenFolder = { options };
		folders.set(folder, opened);
		await unlessClosed(folder, async () => {
			opened.placing = place(folder, opened);
			await opened.placing;
			await opened.building;
			if (folders.get(folder) === opened) await completion.settled();
		});
	};

	/** Waits until the folder is open; what could not be opened may open by now. */
	const untilOpen = async (folder: string): Promise<void> => {
		const opened = folders.get(folder);
		await opened?.placing?.catch(() => {});
		if (opened?.failure !== undefined) await place(folder, opened);
	};

	const report = async (folder: string): Promise<WorkspaceReport> => {
		const { workspace, failure } = folders.get(folder) ?? {};
		if (failure !== undefined) return emptyReport(folder, 'error', failure);
		if (!workspace) return emptyReport(folder, 'indexing');
		const reports = await unlessClosed(folder, () => Promise.all([indexing.report(folder), completion.vectorIndex(folder)]));
		if (!reports) return emptyReport(folder, 'indexing');
		const [state, hnsw] = reports;
		return { ...state, ...(hnsw ? { hnsw } : {}) };
	};

	return {
		bundle: bundleReport,
		get executionProvider() {
			return executionProvider;
		},
		async warmUp() {
			const warm = await completion.warmUp();
			executionProvider = warm.executionProvider;
			return { ...warm.executionProvider, loadMs: warm.loadMs };
		},
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
			const asked = early.get(folder) ?? createWorkspace(folder, { exclude: settings.exclude, cacheFolder, logger });
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
		},
		pause: () => indexing.pause(),
		resume: () => indexing.resume(),
		searchable: () => completion.settled(),
		async settled() {
			await completion.settled();
			await completion.copied();
		},
		complete: (request, signal) => completion.complete(request, signal),
		recall: (request) => completion.recall(request),
		prepare: (request) => completion.prepare(request),
		forget: (uri) => completion.forget(uri),
		report,
		async codeFiles(folder) {
			const files = (await folders.get(folder)?.workspace?.list()) ?? [];
			return files.map(({ path }) => path).filter((path) => sourceKindOf(path) === 'code');
		},
		async status() {
			const workspaces = await Promise.all([...folders.keys()].map(report));
			const { metrics } = completion;
			return {
				version,
				bundle: bundleReport,
				...(executionProvider ? { executionProvider } : {}),
				workspaces,
				latencyMs: metrics.latencyMs(),
				kvReuse: metrics.kvReuse(),
				cacheHits: metrics.cacheHits(),
				suppressed: metrics.suppressed(),
				memory: { rssBytes: process.memoryUsage.rss() },
			};
		},
		async dispose() {
			folders.clear();
			await Promise.all([indexing.dispose(), completion.dispose()]);
		},
	};
}
