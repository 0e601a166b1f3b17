/** What the indexing engine is asked and what it needs. */
import type { UpdateReport, WorkspaceReport } from 'hef-shared';
import type { Clock } from '../base/clock.ts';
import type { SpaceId } from '../base/ids.ts';
import type { Logger } from '../base/logger.ts';
import type { Chunker } from '../chunking/types.ts';
import type { Hierarchy } from '../hierarchy/types.ts';
import type { Embedder, Fuser, Tokenizer } from '../inference/types.ts';
import type { Donors } from '../store/donors.ts';
import type { Store } from '../store/types.ts';
import type { Workspace } from '../workspace/types.ts';

/** Where a store keeps the last {@link UpdateReport}, as JSON. */
export const LAST_UPDATE_KEY = 'lastUpdate';

export interface IndexerOptions {
	workspace: Workspace;
	store: Store;
	/** Empty; the indexer fills it from the store with its first request. */
	hierarchy: Hierarchy;
	chunker: Chunker;
	spaceId: SpaceId;
	/** Called when the first vector is missing, as the models are, so that an unchanged workspace loads neither. */
	tokenizer(): Promise<Pick<Tokenizer, 'encode'>>;
	embedder(): Promise<Embedder>;
	fuser(): Promise<Fuser>;
	/** `idle` is awaited before each run of a model, so that completions come first. */
	gate: { idle(): Promise<void> };
	/** Whether to rest between two chunks. Default never. */
	onBattery?(): boolean;
	/** Whether the cache takes more disk than it may: vectors that no file needs are not kept then. Default never. */
	isOverBudget?(): boolean;
	/** Other indexes to take vectors from while a folder is indexed for the first time. Default none. */
	openDonors?(): Donors;
	clock: Clock;
	logger: Logger;
	events: IndexerEvents;
}

/** How far the work under way is. */
export interface FileProgress {
	filesDone: number;
	filesTotal: number;
	reason: string;
	/** From the pace of the last half minute; absent while nobody can tell. */
	remainingMs?: number;
}

export interface IndexerEvents {
	progress(progress: FileProgress): void;
	/** The store holds new content of these files; `all` after it was emptied. */
	published(paths: string[] | 'all'): void;
	/** All work is done, or given up. */
	updated(report: UpdateReport): void;
}

export interface IndexRequest {
	/** Relative paths, changed, created or gone; `all` compares the whole folder with the disk. */
	paths: readonly string[] | 'all';
	/** What asks: `start`, `save`, `watch`, `command`, … */
	reason: string;
	/** Vectors that damage took, which are looked for once after a start, are looked for a moment after the answer. Default: before it. */
	soon?: boolean;
}

/** Keeps one workspace folder's store true to the disk. */
export interface Indexer {
	/**
	 * Asks for work; named paths go before what a comparison found.
	 * @returns counters of all work that was done together with this, once the request's own files are in the store
	 */
	request(request: IndexRequest): Promise<UpdateReport>;
	/** Files that the user has open, the last looked at first: they, what they import and their folders come first. */
	prioritise(paths: readonly string[]): Promise<void>;
	/** Stops before the next chunk. Requests are kept. */
	pause(): void;
	resume(): void;
	/** Resolves when there is nothing left to do. Never while paused with work to do. */
	idle(): Promise<void>;
	/** The part of the report that costs nothing to make. */
	activity(): Pick<WorkspaceReport, 'state' | 'pending'>;
	/** State without the vector index, which is not known here: its part is empty. */
	report(): WorkspaceReport;
	/**
	 * Stops after the chunk under way and empties the store, whose path changes. What refills it is a request of its own; requests
	 * under way are rejected. Neither this nor {@link close} may be called while either runs: {@link FolderIndex} sees to that.
	 */
	clear(): Promise<void>;
	/** Stops after the chunk under way, keeps the vectors that are ready, closes the store. */
	close(): Promise<void>;
}

/** What the index of a folder needs, whoever builds it. */
export interface FolderIndexOptions {
	/** Absolute path of the workspace folder. */
	folder: string;
	workspace: Workspace;
	/** Folder that holds the caches of all workspaces. */
	cacheFolder: string;
	spaceId: SpaceId;
	/** Numbers in a vector. */
	dimension: number;
	/** What the caches of all workspaces may take on disk. Default no limit. */
	budgetBytes?: number;
	/** Whether a cache that cannot be used is replaced by a temporary one: for an editor, not for a command that fills the cache. */
	mayBuildAside: boolean;
	/** The indexer that writes a store. */
	createIndexer(store: Store, parts: Pick<IndexerOptions, 'events' | 'isOverBudget' | 'openDonors'>): Indexer;
	createHierarchy(): Hierarchy;
	clock: Clock;
	logger: Logger;
	events: IndexerEvents & {
		/** Another store holds the index from now on. */
		moved(storePath: string): void;
		/** Here or in another editor. */
		paused?(isPaused: boolean): void;
		/** Something the user should read. */
		problem(message: string): void;
	};
}

/** The index of one workspace folder, whoever builds it. */
export interface FolderIndex {
	/** Where the store lies now. */
	readonly storePath: string;
	request(request: IndexRequest): Promise<UpdateReport>;
	prioritise(paths: readonly string[]): Promise<void>;
	/** In every editor that has the folder open, as is {@link resume}. */
	pause(): void;
	resume(): void;
	/** Also while the builder changes, from what was known before. */
	report(): WorkspaceReport;
	/** A sentence for the status. */
	addNotice(message: string): void;
	/**
	 * Empties the index; who asks for it meanwhile joins. Resolves with the place of the new store, undefined when the folder was
	 * closed. What refills it is a request of its own; requests under way are answered once they are done in the new store.
	 */
	clear(): Promise<string | undefined>;
	/** Gives the claim back without waiting for anything: the thread ends. */
	abandon(): void;
	close(): Promise<void>;
}
