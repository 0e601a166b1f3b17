/** What the LSP thread and the indexing worker say to each other. */
import type { ExecutionProviderReport, ExecutionProviderSetting, UpdateReport, WorkspaceReport } from 'hef-shared';
import type { CheckedBundle } from '../inference/bundle.ts';
import type { FileProgress, IndexRequest } from './types.ts';

export interface IndexingWorkerData {
	bundle: CheckedBundle;
	executionProvider: ExecutionProviderSetting;
	threads: number;
	/** Models that have not run for so long give their memory back. Default 0: never. */
	unloadAfterMs?: number | undefined;
	/** Folder that holds the caches of all workspaces. */
	cacheFolder: string;
	/** What all of them may take on disk. Default no limit. */
	cacheBudgetBytes?: number;
	/** `ActivityGate`: raised while a completion runs. */
	gate: SharedArrayBuffer;
	/** Work at a third of the pace while the machine runs on its battery. Default no. */
	throttleOnBattery?: boolean;
}

export interface FolderOptions {
	folder: string;
	/** Globs beside the built-in list. */
	exclude: readonly string[];
	/** Follow changes on disk. */
	watch: boolean;
}

export interface IndexingWorkerMethods {
	/** Opens store and watcher. Answers where completion finds the store; indexes nothing yet. */
	openFolder(options: FolderOptions): { storePath: string };
	closeFolder(folder: string): void;
	/** Indexes and publishes; see {@link Indexer.request}. */
	request(folder: string, request: IndexRequest): UpdateReport;
	/** Files that the user has open: they, what they import and their folders come first. */
	prioritise(folder: string, paths: readonly string[]): void;
	/** Also folders that are opened later. */
	pause(): void;
	resume(): void;
	/** Empties the store, which then lies elsewhere, as `moved` tells; what refills it is a request of its own. False: the folder was closed. */
	clear(folder: string): boolean;
	report(folder: string): WorkspaceReport;
	dispose(): void;
}

/** What the worker asks the LSP thread. */
export interface IndexingHost {
	/** Where models run: one choice for both workers, so that a driver is tried once. */
	chooseExecutionProvider(): ExecutionProviderReport;
}

/** Events of the worker for the LSP thread. */
export interface IndexingEvents {
	log(level: 'error' | 'warn' | 'info' | 'debug', message: string): void;
	progress(folder: string, progress: FileProgress): void;
	published(folder: string, paths: string[] | 'all'): void;
	updated(folder: string, report: UpdateReport): void;
	/** Another store holds the folder's index from now on. */
	moved(folder: string, storePath: string): void;
	/** Indexing of the folder was paused or resumed, in this editor or in another. */
	paused(folder: string, isPaused: boolean): void;
	/** Something the user should read. */
	problem(message: string): void;
}
