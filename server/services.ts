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
import type { CompletionRequest } from './completion/types.ts';

export interface IndexProgress {
	folder: string;
	filesDone: number;
	filesTotal: number;
	reason: string;
}

export interface ServiceEvents {
	progress(progress: IndexProgress): void;
	/** An update of a folder has ended. */
	updated(folder: string, update: UpdateReport): void;
	/** Something the user should read: a watcher limit, a repaired cache. */
	problem(message: string): void;
}

export interface Services {
	readonly bundle: BundleReport;
	/** Known once {@link warmUp} has resolved. */
	readonly executionProvider: ExecutionProviderReport | undefined;
	/** Loads the models of completion. */
	warmUp(): Promise<ExecutionProviderReport & { loadMs: number }>;
	/**
	 * Opens a workspace folder: what is stored serves at once, the rest is indexed in the background.
	 * @param watch follow changes on disk
	 */
	openFolder(folder: string, options: { watch: boolean; exclude: readonly string[] }): Promise<void>;
	closeFolder(folder: string): Promise<void>;
	/** Whether the file may be indexed and completed (ignore rules, secrets). */
	includes(folder: string, path: string): boolean;
	/** Indexes changed files; resolves when they are published. */
	update(folder: string, paths: readonly string[], reason: string): Promise<void>;
	/** Compares the folder with the disk and indexes what differs; resolves when it is published. */
	reconcile(folder: string, reason: string): Promise<UpdateReport>;
	/** Deletes the folder's cache and builds it again. */
	clear(folder: string): Promise<void>;
	/** Resolves when all that was published is in the view that completion searches. */
	settled(): Promise<void>;
	complete(request: CompletionRequest, signal?: AbortSignal): Promise<CompletionReport | undefined>;
	/** A document was closed. */
	forget(uri: string): void;
	report(folder: string): Promise<WorkspaceReport>;
	/** Paths of the folder's indexed files that are code, in order. */
	codeFiles(folder: string): Promise<string[]>;
	status(): Promise<StatusReport>;
	/** Ends both workers; never while a model runs. */
	dispose(): Promise<void>;
}

export type CreateServices = (settings: Settings, events: ServiceEvents) => Promise<Services>;
