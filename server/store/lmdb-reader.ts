/**
 * Reading a store on disk, from any thread or process.
 *
 * Guarantees: every value is checked against its key; what fails is a miss. No read outlives a turn of the event loop.
 */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../base/errors.ts';
import type { NodeId, SpaceId } from '../base/ids.ts';
import {
	decodeChunks,
	decodeRecord,
	decodeSummary,
	decodeVector,
	isIntactVector,
	META_PREFIX,
	nodeIdOf,
	nodeKey,
	spaceTag,
	unsealText,
} from './codec.ts';
import { cacheError } from './environment.ts';
import { DATA_FILE, type Environment, openEnvironment } from './open-environment.ts';
import { type FileChunks, type FileRecord, type FileSummary, MAX_PATH_BYTES, type StoreReader } from './types.ts';

/** Entries fetched at a time while iterating, so that no read transaction outlives a turn of the event loop. */
const BATCH_ENTRIES = 256;

/**
 * Opens the environment at a {@link Store.path} for reading, from any thread or process.
 * @throws HefError `cache-unavailable` when there is none
 */
export function openStoreReader(options: { path: string; spaceId: SpaceId; dimension: number }): StoreReader {
	if (!existsSync(join(options.path, DATA_FILE))) throw cacheError(options.path, new Error('there is no index'));
	try {
		return new LmdbReader(options, openEnvironment(options.path));
	} catch (error) {
		throw cacheError(options.path, error);
	}
}

export class LmdbReader implements StoreReader {
	protected environment: Environment;
	protected readonly tag: Buffer;
	readonly #dimension: number;

	constructor(options: { spaceId: SpaceId; dimension: number }, environment: Environment) {
		this.tag = spaceTag(options.spaceId);
		this.#dimension = options.dimension;
		this.environment = environment;
	}

	getFile(path: string): FileRecord | undefined {
		const key = Buffer.from(path, 'utf8');
		if (key.length === 0 || key.length > MAX_PATH_BYTES) return undefined;
		const value = read(() => this.environment.files, key);
		return value && decodeRecord(key, value);
	}

	files(): Iterable<readonly [path: string, record: FileRecord]> {
		return this.#decoded(decodeRecord);
	}

	summaries(): Iterable<readonly [path: string, summary: FileSummary]> {
		return this.#decoded(decodeSummary);
	}

	chunks(): Iterable<readonly [path: string, file: FileChunks]> {
		return this.#decoded(decodeChunks);
	}

	getVector(id: NodeId): Float32Array | undefined {
		const key = nodeKey(id);
		const value = read(() => this.environment.vectors, key);
		return value && decodeVector(key, this.tag, this.#dimension, value);
	}

	hasVector(id: NodeId): boolean {
		const key = nodeKey(id);
		const value = read(() => this.environment.vectors, key);
		return value !== undefined && isIntactVector(key, this.tag, this.#dimension, value);
	}

	*vectorIds(): Iterable<NodeId> {
		for (const key of keysOf(() => this.environment.vectors)) yield nodeIdOf(key);
	}

	vectorCount(): number {
		const { entryCount } = (orMiss(() => this.environment.vectors.getStats()) ?? {}) as { entryCount?: number };
		return entryCount ?? 0;
	}

	getMeta(key: string): string | undefined {
		const name = META_PREFIX + key;
		const value = orMiss(() => this.environment.root.get(name));
		return value === undefined ? undefined : unsealText(name, value);
	}

	refresh(): void {
		this.environment.root.resetReadTxn();
	}

	sizeBytes(): number {
		try {
			return statSync(join(this.environment.path, DATA_FILE)).size;
		} catch {
			return 0;
		}
	}

	async close(): Promise<void> {
		await this.environment.root.close();
	}

	*#decoded<T>(decode: (key: Buffer, value: Buffer) => T | undefined): Iterable<readonly [path: string, file: T]> {
		for (const keys of batchesOfKeys(() => this.environment.files)) yield* this.#decodedBatch(keys, decode);
	}

	/** No generator: one with all of this in it is compiled for longer than it runs at a start. */
	#decodedBatch<T>(keys: readonly Buffer[], decode: (key: Buffer, value: Buffer) => T | undefined): (readonly [string, T])[] {
		const files: (readonly [string, T])[] = [];
		for (const key of keys) {
			const value = read(() => this.environment.files, key);
			const file = value && decode(key, value);
			if (file) files.push([key.toString('utf8'), file]);
		}
		return files;
	}
}

/** A read that LMDB refuses because a page is damaged is a miss like any other. */
function orMiss<T>(read: () => T): T | undefined {
	try {
		return read();
	} catch (error) {
		if (/MDB_/.test(messageOf(error))) return undefined;
		throw error;
	}
}

/**
 * A value, valid until the next read. LMDB reuses one buffer whose length is a property set by hand, which `subarray` of
 * newer Node versions (24) does not read: the value ends here, or it would run into bytes of older ones.
 */
function read(database: () => Environment['files'], key: Buffer): Buffer | undefined {
	const value = orMiss(() => database().getBinaryFast(key));
	return value?.subarray(0, value.length);
}

function* keysOf(database: () => Environment['files']): Iterable<Buffer> {
	for (const keys of batchesOfKeys(database)) yield* keys;
}

function* batchesOfKeys(database: () => Environment['files']): Iterable<readonly Buffer[]> {
	let after: Buffer | undefined;
	for (;;) {
		const range = after ? { start: after, exclusiveStart: true } : {};
		const keys = orMiss(() => [...database().getKeys({ ...range, limit: BATCH_ENTRIES })].map((key) => Buffer.from(key))) ?? [];
		yield keys;
		if (keys.length < BATCH_ENTRIES) return;
		after = keys.at(-1);
	}
}
