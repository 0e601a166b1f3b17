/**
 * The store on disk: one LMDB environment per workspace folder.
 *
 * Guarantees: a batch is applied whole or not at all, and survives a crash of the process or the machine once `write` has
 * resolved; one for which the disk has no room changes nothing, and the next may succeed. Every value is checked against its key
 * when read; what fails is a miss. Of a damaged environment what is intact is kept, of an outdated one the vectors. Other threads
 * and processes may read at any time, and write one at a time.
 *
 * Deliberately lacks: caching (LMDB maps the file), eviction (the indexer decides what is garbage), and any trust in what
 * the file holds.
 */
import { existsSync, readFileSync, realpathSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { HefError } from '../base/errors.ts';
import { hashText, type SpaceId } from '../base/ids.ts';
import { makeFolder } from '../base/make-folder.ts';
import { FOLDER_FILE } from './cache-folder.ts';
import { encodeRecord, encodeVector, META_PREFIX, nodeKey, sealText } from './codec.ts';
import { cacheError, DiskFull, newestEnvironment, openNewest, replaceByCompact, replaceByEmpty } from './environment.ts';
import { LmdbReader } from './lmdb-reader.ts';
import { type Environment, openEnvironment } from './open-environment.ts';
import { noteOpened, noteRest, noteUnrest } from './rest.ts';
import { MAX_PATH_BYTES, type Store, type StoreBatch } from './types.ts';

export { openStoreReader } from './lmdb-reader.ts';

/**
 * Part of what is written; raised too when the rules change by which definitions are found. Under another number records and
 * metadata may mean something else and are dropped; vectors are kept, because each says by itself what it is: one that the codec
 * does not read is a miss.
 */
const SCHEMA_VERSION = '3';

export interface StoreOptions {
	/** The workspace's own cache folder, as from {@link workspaceCacheFolder}; made when missing. */
	folder: string;
	spaceId: SpaceId;
	/** Numbers in a vector. */
	dimension: number;
}

/** Names what a store holds and how: processes share one only when both agree. */
export function storeFormat(spaceId: SpaceId): string {
	return `${spaceId}/${SCHEMA_VERSION}`;
}

/** The {@link storeFormat} of what lies at a {@link Store.path}, which can be trusted. */
export async function existingFormat(path: string): Promise<string> {
	const { root } = openEnvironment(path);
	try {
		return `${root.get('space')}/${root.get('schema')}`;
	} finally {
		await root.close();
	}
}

/** Where the index of a workspace folder is kept: one folder for each real path. */
export function workspaceCacheFolder(cacheFolder: string, workspaceFolder: string): string {
	let real = workspaceFolder;
	try {
		real = realpathSync(workspaceFolder);
	} catch {
		// A folder that is gone still has its cache.
	}
	return join(cacheFolder, 'workspaces', hashText(real).slice(0, 16));
}

/**
 * Opens the store for reading and writing. When the vector space differs from the one it was written for, file records are
 * dropped and vectors kept, so that going back to an earlier bundle embeds nothing.
 * @throws HefError `cache-unavailable` when the folder cannot be written
 */
export async function openStore(options: StoreOptions & { workspaceFolder?: string }): Promise<Store> {
	const recovered: string[] = [];
	try {
		makeFolder(options.folder);
		if (options.workspaceFolder) nameFolder(options.folder, options.workspaceFolder);
		const environment = await openNewest(options.folder, recovered);
		const store = new LmdbStore(options, environment, recovered);
		try {
			store.prepare();
		} catch (error) {
			await environment.root.close();
			throw error;
		}
		return store;
	} catch (error) {
		throw error instanceof HefError ? error : cacheError(options.folder, error);
	}
}

function nameFolder(cache: string, workspaceFolder: string): void {
	const [path, text] = [join(cache, FOLDER_FILE), `${workspaceFolder}\n`];
	// Written only when it has to be: a full disk would leave it empty.
	if (existsSync(path) && readFileSync(path, 'utf8') === text) touch(path);
	else writeFileSync(path, text);
}

/** @throws HefError `cache-unavailable` */
export function makeCacheFolder(folder: string): void {
	try {
		makeFolder(folder);
	} catch (error) {
		throw cacheError(folder, error);
	}
}

/** What is wrong with the index at a {@link Store.path} that nobody has open; undefined when it may be read. */
export { DiskFull, problemWith } from './environment.ts';

/** The {@link Store.path} of what a workspace's cache folder holds; undefined when it was never indexed. */
export function existingStorePath(folder: string): string | undefined {
	return newestEnvironment(folder);
}

class LmdbStore extends LmdbReader implements Store {
	readonly #options: StoreOptions;
	readonly recovered: readonly string[];
	/** Processes that opened this store since one last closed it, with this one. */
	readonly #unclosed: number;
	/** A write failed, not for want of room: the next start reads the file through, whatever was written since. */
	#failed = false;
	/** Writes and clears run one after the other. */
	#last: Promise<unknown> = Promise.resolve();

	constructor(options: StoreOptions, environment: Environment, recovered: readonly string[]) {
		super(options, environment);
		this.#options = options;
		this.recovered = recovered;
		this.#unclosed = noteOpened(environment.path);
	}

	get path(): string {
		return this.environment.path;
	}

	/** Brings an environment of another schema or vector space up to date. */
	prepare(): void {
		const { root } = this.environment;
		const isSameSchema = root.get('schema') === SCHEMA_VERSION;
		if (isSameSchema && root.get('space') === this.#options.spaceId) return;
		const dropped = isSameSchema ? [] : [...root.getKeys()].filter((key) => key.startsWith(META_PREFIX));
		this.#transact(({ root: meta, files }) => {
			files.clearSync();
			for (const key of dropped) put(meta, key, null);
			put(meta, 'schema', SCHEMA_VERSION);
			put(meta, 'space', this.#options.spaceId);
		});
	}

	async write(batch: StoreBatch): Promise<void> {
		// Encoded first: whatever is wrong with the input shows before the transaction begins.
		const files = [...(batch.files ?? [])].map(([path, record]) => {
			const key = pathKey(path);
			return [key, record && encodeRecord(key, record)] as const;
		});
		const vectors = [...(batch.vectors ?? [])].map(([id, vector]) => {
			const key = nodeKey(id);
			return [key, vector && encodeVector(key, this.tag, vector)] as const;
		});
		const meta = [...(batch.meta ?? [])];
		await this.#enqueue(async () =>
			this.#transact((environment) => {
				for (const [key, value] of vectors) put(environment.vectors, key, value);
				for (const [key, value] of files) put(environment.files, key, value);
				for (const [key, value] of meta) {
					const name = META_PREFIX + key;
					put(environment.root, name, value === null ? null : sealText(name, value));
				}
			}),
		);
	}

	async compact(): Promise<void> {
		await this.#enqueue(async () => {
			try {
				this.environment = await replaceByCompact(this.#options.folder, this.environment);
				this.#noteRest(this.#unclosed);
			} catch (error) {
				throw cacheError(this.#options.folder, error);
			}
		});
	}

	async clear(): Promise<void> {
		await this.#enqueue(async () => {
			try {
				this.environment = await replaceByEmpty(this.#options.folder, this.environment);
				this.#failed = false;
				this.prepare();
			} catch (error) {
				throw error instanceof HefError ? error : cacheError(this.#options.folder, error);
			}
		});
	}

	override async close(): Promise<void> {
		await this.#enqueue(async () => {
			await super.close();
			this.#noteRest(0);
			touch(join(this.#options.folder, FOLDER_FILE));
		});
	}

	#transact(change: (environment: Environment) => void): void {
		const { environment } = this;
		try {
			noteUnrest(environment.path);
			// Not the asynchronous kind: of that, a commit that fails rejects promises that nobody holds, and one may stay open for ever.
			environment.root.transactionSync(() => change(environment));
			this.#noteRest(this.#unclosed);
			// A reader that was killed would hold on to its pages, and the file would grow for ever.
			environment.root.readerCheck();
			this.refresh();
		} catch (error) {
			const failure = cacheError(this.#options.folder, error);
			if (failure instanceof DiskFull) this.#noteRest(this.#unclosed);
			else this.#failed = true;
			throw failure;
		}
	}

	#noteRest(unclosed: number): void {
		if (!this.#failed) noteRest(this.path, unclosed);
	}

	#enqueue<T>(action: () => Promise<T>): Promise<T> {
		const result = this.#last.then(action);
		this.#last = result.catch(() => {});
		return result;
	}
}

/** Says when the workspace was last used. */
function touch(path: string): void {
	try {
		const now = new Date();
		utimesSync(path, now, now);
	} catch {
		// A temporary store belongs to no workspace.
	}
}

function put<K extends Buffer | string, V>(
	database: { putSync(k: K, v: V): unknown; removeSync(k: K): unknown },
	key: K,
	value: V | null,
): void {
	if (value === null) database.removeSync(key);
	else database.putSync(key, value);
}

function pathKey(path: string): Buffer {
	const key = Buffer.from(path, 'utf8');
	if (key.length === 0 || key.length > MAX_PATH_BYTES)
		throw new RangeError(`path: expected 1 to ${MAX_PATH_BYTES} bytes, got ${key.length}`);
	return key;
}
