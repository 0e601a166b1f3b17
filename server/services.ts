/**
 * What the LSP server and the command line stand on: the two workers of one configuration, joined. `main.ts` makes it;
 * a command takes the same path as an editor's request.
 *
 * Guarantees: what indexing publishes reaches completion; where models run is chosen once for both workers.
 *
 * Deliberately lacks: the life of folders (`folders.ts`), and another try after a worker's death, which is the session's.
 */
import type { BundleReport, CompletionReport, ExecutionProviderReport, Settings, StatusReport, UpdateReport } from 'hef-shared';
import { ActivityGate } from './base/cancellation.ts';
import { systemClock } from './base/clock.ts';
import type { Logger } from './base/logger.ts';
import { completionThreads, INDEXING_THREADS } from './base/threads.ts';
import { createCompletionClient } from './completion/client.ts';
import type { CompletionRequest } from './completion/types.ts';
import { createFolders, type Folders } from './folders.ts';
import { createIndexingClient } from './indexing/client.ts';
import type { FileProgress } from './indexing/types.ts';
import { type Bundle, describeBundle } from './inference/bundle.ts';

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

export interface Services extends Folders {
	readonly bundle: BundleReport;
	/** Known once {@link warmUp} has resolved. */
	readonly executionProvider: ExecutionProviderReport | undefined;
	/** Loads the models of completion. */
	warmUp(): Promise<ExecutionProviderReport & { loadMs: number }>;
	/** Indexing of all folders stops before the next chunk, in whichever editor they are built; requests wait. */
	pause(): Promise<void>;
	resume(): Promise<void>;
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
			updated(folder, report) {
				updated(folder, report);
				events.updated(folder, report);
			},
			paused: (folder, isPaused) => events.paused?.(folder, isPaused),
			moved: (folder, storePath) => moved(folder, storePath),
			problem: (message) => events.problem(message),
		},
	});
	const { moved, updated, reports, forgetAll, ...folders } = createFolders({
		completion,
		indexing,
		exclude: settings.exclude,
		cacheFolder,
		clock: systemClock,
		logger,
	});
	const bundleReport = describeBundle(bundle);
	let executionProvider: ExecutionProviderReport | undefined;

	return {
		...folders,
		bundle: bundleReport,
		get executionProvider() {
			return executionProvider;
		},
		async warmUp() {
			const warm = await completion.warmUp();
			executionProvider = warm.executionProvider;
			return { ...warm.executionProvider, loadMs: warm.loadMs };
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
		async status() {
			const { metrics } = completion;
			return {
				version,
				bundle: bundleReport,
				...(executionProvider ? { executionProvider } : {}),
				workspaces: await reports(),
				latencyMs: metrics.latencyMs(),
				kvReuse: metrics.kvReuse(),
				cacheHits: metrics.cacheHits(),
				suppressed: metrics.suppressed(),
				memory: { rssBytes: process.memoryUsage.rss() },
			};
		},
		async dispose() {
			forgetAll();
			await Promise.all([indexing.dispose(), completion.dispose()]);
		},
	};
}
