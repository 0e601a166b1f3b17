/** What the LSP thread and the completion worker say to each other. */
import type { BundleReport, CompletionReport, ExecutionProviderReport, ExecutionProviderSetting, HnswReport } from 'hef-shared';
import type { CheckedBundle } from '../inference/bundle.ts';
import type { CompletionRequest } from './types.ts';

export interface CompletionWorkerData {
	bundle: CheckedBundle;
	executionProvider: ExecutionProviderSetting;
	threads: number;
	/** Models that have not run for so long give their memory back. Default 0: never. */
	unloadAfterMs?: number | undefined;
	/** Folder that holds the caches of all workspaces; without one, findings about providers are not kept. */
	cacheFolder?: string | undefined;
	/** Whether the copy model takes part. */
	copy: boolean;
	/** {@link ActivityGate}: raised while a completion runs, so that indexing steps aside. */
	gate: SharedArrayBuffer;
}

export interface FolderPlace {
	folder: string;
	/** Where the indexing worker keeps the folder's store. */
	storePath: string;
}

export interface CompletionWorkerMethods {
	/** Loads every model and runs each once, so that the first completion does not wait for it. */
	warmUp(): WarmUpReport;
	/** Where models run. Tries what this machine has, once. */
	chooseExecutionProvider(): ExecutionProviderReport;
	openFolder(place: FolderPlace): void;
	closeFolder(folder: string): void;
	/** Null when cancelled through the flag. */
	complete(request: CompletionRequest, cancelFlag: SharedArrayBuffer): CompletionReport | null;
	/** The answer that needs no model; null when there is none. */
	recall(request: CompletionRequest): CompletionReport | null;
	/** What the folder's vector index looks like; undefined for a folder that is not open. */
	vectorIndex(folder: string): HnswReport | undefined;
	forget(uri: string): void;
	/** Resolves when every published change so far is in the view. */
	settled(): void;
	/** Resolves when the copy model has read every published change so far. */
	copied(): void;
	dispose(): void;
}

export interface WarmUpReport {
	bundle: BundleReport;
	executionProvider: ExecutionProviderReport;
	loadMs: number;
}

export interface CompletionWorkerEvents {
	/** The store of a folder has new content under these paths. */
	published(folder: string, paths: string[] | 'all'): void;
	/** Documents of the folder that are open, the one looked at last first. */
	prioritise(folder: string, paths: readonly string[]): void;
	/** Computes ahead what such a request would need, when nothing else is to do. */
	prepare(request: CompletionRequest): void;
}

/** Events of the worker for the LSP thread. */
export interface CompletionClientEvents {
	log(level: 'error' | 'warn' | 'info' | 'debug', message: string): void;
}
