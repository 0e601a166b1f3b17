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
}

/** One atomic change. */
export interface StoreBatch {
	files?: Iterable<readonly [path: string, record: FileRecord | null]>;
	/** Vectors of unit length. */
	vectors?: Iterable<readonly [id: NodeId, vector: Float32Array | null]>;
	meta?: Iterable<readonly [key: string, value: string | null]>;
}

export interface Store {
	getFile(path: string): FileRecord | undefined;
	/** All files, in UTF-8 byte order of their paths. */
	files(): Iterable<readonly [path: string, record: FileRecord]>;
	/** The vector, at half precision or better; undefined when it is absent or does not pass its checksum (a miss). */
	getVector(id: NodeId): Float32Array | undefined;
	hasVector(id: NodeId): boolean;
	vectorIds(): Iterable<NodeId>;
	getMeta(key: string): string | undefined;
	/** Applies all or nothing, durable once resolved, seen by other threads and processes that opened the same store. */
	write(batch: StoreBatch): Promise<void>;
	/** Removes everything and frees the disk. */
	clear(): Promise<void>;
	sizeBytes(): number;
	close(): Promise<void>;
}
