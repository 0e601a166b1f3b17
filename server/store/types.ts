/** The persistent index of one workspace folder: file records, vectors by content address, and a little metadata. */
import type { ContentHash, NodeId } from '../base/ids.ts';

/** A chunk as stored: its address and where it lies in its file. */
export interface StoredChunk {
	id: NodeId;
	startOffset: number;
	endOffset: number;
	startLine: number;
	endLine: number;
}

/** What is known of one source file. The path is the key: relative to the folder, `/` between names. */
export interface FileRecord {
	contentHash: ContentHash;
	sizeBytes: number;
	mtimeMs: number;
	chunks: StoredChunk[];
	/** Qualified names of the definitions, with their zero-based lines, in file order. */
	entities: { name: string; line: number }[];
	/** Why the file was looked at and passed over (`binary`, `tooLarge`, …); it has no chunks then. */
	skipped?: string;
}

/** What a comparison with the disk needs of a file. */
export type FileSummary = Pick<FileRecord, 'contentHash' | 'sizeBytes' | 'mtimeMs' | 'skipped'>;

/** What the hierarchy needs of a file. */
export type FileChunks = Pick<FileRecord, 'chunks' | 'skipped'>;

/** One atomic change. A path longer than {@link MAX_PATH_BYTES} throws RangeError. */
export interface StoreBatch {
	files?: Iterable<readonly [path: string, record: FileRecord | null]>;
	/** Vectors of unit length. */
	vectors?: Iterable<readonly [id: NodeId, vector: Float32Array | null]>;
	meta?: Iterable<readonly [key: string, value: string | null]>;
}

/** UTF-8 bytes of the longest path that a store takes. */
export const MAX_PATH_BYTES = 1900;

/** What may be read. A damaged entry is a miss: absent from every answer, never wrong. */
export interface StoreReader {
	getFile(path: string): FileRecord | undefined;
	/** All files, in UTF-8 byte order of their paths. Safe to interleave with writes; later writes may or may not show. */
	files(): Iterable<readonly [path: string, record: FileRecord]>;
	/** {@link files} with less of each, in a fraction of the time. */
	summaries(): Iterable<readonly [path: string, summary: FileSummary]>;
	chunks(): Iterable<readonly [path: string, file: FileChunks]>;
	/** The vector, at half precision or better; undefined when it is absent or does not pass its checksum (a miss). */
	getVector(id: NodeId): Float32Array | undefined;
	/** Whether {@link getVector} would answer a vector. */
	hasVector(id: NodeId): boolean;
	/** Ids under which something is stored, whether or not it passes its checksum. Safe to interleave with writes. */
	vectorIds(): Iterable<NodeId>;
	/** How many ids {@link vectorIds} has, known without a look at each. */
	vectorCount(): number;
	getMeta(key: string): string | undefined;
	/** Shows what other threads and processes have written since. Reads within one turn of the event loop may lag otherwise. */
	refresh(): void;
	/** Size on disk, or an estimate of the size in memory. */
	sizeBytes(): number;
	close(): Promise<void>;
}

export interface Store extends StoreReader {
	/** Folder of the environment, for {@link StoreReader}s in other threads; changes with {@link clear}. '' in memory. */
	readonly path: string;
	/** What opening this store had to repair, one sentence each. */
	readonly recovered: readonly string[];
	/** Applies all or nothing, durable once resolved, seen by other threads and processes that opened the same store. */
	write(batch: StoreBatch): Promise<void>;
	/** Gives the disk back what deletions freed; the {@link path} changes. */
	compact(): Promise<void>;
	/** Removes everything and frees the disk. Readers of the old {@link path} keep the old content until they close. */
	clear(): Promise<void>;
}
