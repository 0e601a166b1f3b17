/**
 * What a completion can search of one workspace folder: the published files as a hierarchy, and an index over the vectors
 * of all its nodes. Lives on the completion thread and follows the store that the indexing thread writes.
 *
 * Guarantees: every method may be called at any time, also while a change is being applied; changes are applied one after
 * the other in turns of a few milliseconds (`sliced-work.ts`); a node whose vector is not there yet is left out and taken up with the
 * next change. The index is a cache: what a snapshot lacks or has too much is put right against the store (`node-vectors.ts`).
 *
 * Deliberately lacks: models, and any writing to the store.
 */
import { join } from 'node:path';
import type { HnswReport } from 'hef-shared';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import { type NodeId, type SpaceId, tunedId } from '../base/ids.ts';
import type { Logger } from '../base/logger.ts';
import { createHierarchy } from '../hierarchy/hierarchy.ts';
import type { Hierarchy, Occurrence } from '../hierarchy/types.ts';
import { openStoreReader } from '../store/lmdb-store.ts';
import { tunedBundles } from '../store/tuned.ts';
import type { FileChunks, FileRecord, StoreReader } from '../store/types.ts';
import { createHnswIndex, loadHnswIndex } from '../vector-index/hnsw-index.ts';
import type { GraphIndex, Hit, SearchOptions } from '../vector-index/types.ts';
import { NodeVectors } from './node-vectors.ts';
import { PathIndex } from './path-index.ts';
import { type Pause, SlicedWork } from './sliced-work.ts';
import { createUpkeep, type Upkeep } from './upkeep.ts';

export interface WorkspaceView {
	/** Another one whenever searches may answer differently; no two views share one. */
	readonly generation: symbol;
	/** Nodes that a search can return. */
	readonly size: number;
	/** Share of the hierarchy's nodes that a search can return, 0–1; 0 before anything was published. */
	readonly readyShare: number;
	search(query: Float32Array, k: number, options?: SearchOptions): Hit[];
	occurrences(id: NodeId): Iterable<Occurrence>;
	/** Those that a search can return. */
	nodes(): Iterable<NodeId>;
	/** What stands for the node in a prompt: its tuned vector where one was imported, else the one that searches compare. */
	vector(id: NodeId): Float32Array | undefined;
	file(path: string): FileRecord | undefined;
	/** Paths of all indexed files, unordered. */
	paths(): Iterable<string>;
	/** Indexed files that are a module of this name (`path-index.ts`). */
	filesOfModule(name: string): Iterable<string>;
	/** Indexed files of the directory that the path lies in. */
	filesBeside(path: string): Iterable<string>;
	/** Reads these files again from the store; resolves when searches see them. Calls queue up. */
	apply(paths: readonly string[] | 'all'): Promise<void>;
	/** Resolves when every change so far is applied. */
	settled(): Promise<void>;
	/** Measures recall, compacts the index and saves a snapshot, each where it pays. Runs by itself after a quiet moment. */
	maintain(): Promise<void>;
	report(): HnswReport;
	/** Stops background work, saves a snapshot where it pays, and closes the store. */
	close(): Promise<void>;
}

export interface WorkspaceViewOptions {
	store: StoreReader;
	hierarchy: Hierarchy;
	vectorIndex: GraphIndex;
	/** Where snapshots of the index are kept; none when undefined. */
	snapshotFolder?: string;
	/** Names tuned vectors; without it they are not looked for. */
	bundleId?: string;
	/** Takes the place of `vectorIndex`, which is empty, as soon as it is read, while files are; none when it holds nothing. */
	snapshot?: Promise<GraphIndex | undefined>;
	pause?: Pause;
	clock?: Clock;
	logger?: Logger;
	/** Quiet time after which {@link WorkspaceView.maintain} runs. Default 2000. */
	quietMs?: number;
}

/** Files between two commits of the hierarchy while many are read. */
const FILES_PER_COMMIT = 64;
/** File records in memory, some 5 KB each. */
const RECORDS_KEPT = 256;

/** A view of an opened store, empty until the first {@link WorkspaceView.apply}. */
export function createWorkspaceView(options: WorkspaceViewOptions): WorkspaceView {
	return new StoreView(options);
}

/**
 * Opens the environment at `storePath` and begins to load it: the last snapshot can be searched at once, the files are
 * read beside it and in the background ({@link WorkspaceView.settled}).
 * @throws HefError `cache-unavailable` when there is no store
 */
export async function openWorkspaceView(options: {
	storePath: string;
	/** With a `bundleId`, vectors that were tuned for it take the place of the embedder's when nodes are projected. */
	bundle: { spaceId: SpaceId; dimension: number; bundleId?: string };
	pause?: Pause;
	clock?: Clock;
	logger?: Logger;
}): Promise<WorkspaceView> {
	const { storePath, bundle, ...rest } = options;
	const store = openStoreReader({ path: storePath, ...bundle });
	const hierarchy = createHierarchy({ spaceId: bundle.spaceId });
	const snapshotFolder = join(storePath, 'hnsw');
	const snapshot = loadHnswIndex(snapshotFolder, { dimension: bundle.dimension });
	const vectorIndex = createHnswIndex({ dimension: bundle.dimension });
	const tuned = bundle.bundleId === undefined ? {} : { bundleId: bundle.bundleId };
	const view = new StoreView({ store, hierarchy, vectorIndex, snapshotFolder, snapshot, ...tuned, ...rest });
	view.apply('all').catch((error: unknown) => options.logger?.error(`loading the index of ${storePath}: ${messageOf(error)}`));
	await snapshot;
	return view;
}

class StoreView implements WorkspaceView {
	readonly #store: StoreReader;
	readonly #hierarchy: Hierarchy;
	readonly #vectors: NodeVectors;
	readonly #snapshotTaken: Promise<void> | undefined;
	readonly #bundleId: string | undefined;
	readonly #work: SlicedWork;
	readonly #upkeep: Upkeep;
	readonly #paths = new PathIndex();
	/** As the store has them; a completion asks for those of some thirty nodes, and the next one for the same. */
	readonly #records = new LRUCache<string, FileRecord>({ max: RECORDS_KEPT });
	#generation = Symbol();
	/** Whether any vector was tuned for the bundle; undefined after a change. */
	#isTuned: boolean | undefined;

	constructor(options: WorkspaceViewOptions) {
		const { store, hierarchy, vectorIndex, snapshot, bundleId, pause } = options;
		this.#store = store;
		this.#hierarchy = hierarchy;
		this.#bundleId = bundleId;
		this.#work = new SlicedWork(pause);
		this.#vectors = new NodeVectors({ index: vectorIndex, hierarchy, store, work: this.#work, changed: () => this.#upkeep.changed() });
		this.#upkeep = createUpkeep({ ...options, index: () => this.#vectors.index, pause: () => this.#work.rest() });
		this.#snapshotTaken = snapshot?.then((index) => {
			if (!index) return;
			this.#vectors.replaceBy(index);
			this.#generation = Symbol();
		});
		// Whoever applies the first change is told.
		this.#snapshotTaken?.catch(() => {});
	}

	get generation(): symbol {
		return this.#generation;
	}

	get size(): number {
		return this.#vectors.index.size;
	}

	get readyShare(): number {
		return this.#vectors.readyShare;
	}

	search(query: Float32Array, k: number, options?: SearchOptions): Hit[] {
		return this.#vectors.index.search(query, k, options);
	}

	occurrences(id: NodeId): Iterable<Occurrence> {
		return this.#hierarchy.occurrences(id);
	}

	nodes(): Iterable<NodeId> {
		return this.#vectors.index.ids();
	}

	/** Where none was tuned it comes from the graph, which is in memory anyway: reading the store would map its file as well. */
	vector(id: NodeId): Float32Array | undefined {
		const bundleId = this.#bundleId;
		this.#isTuned ??= bundleId !== undefined && tunedBundles(this.#store).includes(bundleId);
		const tuned = this.#isTuned && bundleId ? this.#store.getVector(tunedId(bundleId, id)) : undefined;
		return tuned ?? this.#vectors.index.vector(id) ?? this.#store.getVector(id);
	}

	file(path: string): FileRecord | undefined {
		const known = this.#records.get(path);
		if (known) return known;
		const record = this.#store.getFile(path);
		if (record) this.#records.set(path, record);
		return record;
	}

	paths(): Iterable<string> {
		return this.#paths;
	}

	filesOfModule(name: string): Iterable<string> {
		return this.#paths.ofModule(name);
	}

	filesBeside(path: string): Iterable<string> {
		return this.#paths.beside(path);
	}

	apply(paths: readonly string[] | 'all'): Promise<void> {
		return this.#work.add(async () => {
			this.#store.refresh();
			this.#isTuned = undefined;
			if (paths === 'all') this.#records.clear();
			else for (const path of paths) this.#records.delete(path);
			if (paths === 'all') await this.#readAll();
			else await this.#readFiles(this.#filesAt(paths));
			await this.#vectors.takeUp();
			if (this.#work.closed) return;
			this.#generation = Symbol();
			this.#upkeep.schedule(() => this.maintain());
		});
	}

	settled(): Promise<void> {
		return this.#work.add(async () => {});
	}

	maintain(): Promise<void> {
		return this.#work.add(() => this.#upkeep.run());
	}

	report(): HnswReport {
		const { size, tombstones } = this.#vectors.index;
		return { size, tombstones, recallAt32: this.#upkeep.recallAt32 };
	}

	async close(): Promise<void> {
		const ended = this.#work.close();
		this.#upkeep.stop();
		await ended;
		await this.#upkeep.saveLast();
		await this.#store.close();
	}

	async #readAll(): Promise<void> {
		const gone = new Set(this.#paths);
		await this.#readFiles(this.#store.chunks(), gone);
		await this.#readFiles([...gone].map((path) => [path, undefined] as const));
		await this.#snapshotTaken;
		await this.#vectors.removeOthers();
	}

	/** Each is read when it is asked for: thousands at once would take longer than a turn. */
	*#filesAt(paths: readonly string[]): Iterable<readonly [path: string, record: FileRecord | undefined]> {
		for (const path of paths) yield [path, this.#store.getFile(path)];
	}

	async #readFiles(files: Iterable<readonly [path: string, record: FileChunks | undefined]>, gone?: Set<string>): Promise<void> {
		let uncommitted = 0;
		for (const [path, record] of files) {
			if (this.#work.closed) return;
			gone?.delete(path);
			if (record && record.skipped === undefined) this.#paths.add(path);
			else this.#paths.delete(path);
			this.#hierarchy.setFile(path, record?.chunks ?? null);
			if (++uncommitted < FILES_PER_COMMIT) continue;
			this.#vectors.accept(this.#hierarchy.commit());
			uncommitted = 0;
			await this.#work.rest();
		}
		this.#vectors.accept(this.#hierarchy.commit());
	}
}
