/** Nearest neighbours by cosine similarity. */
import type { NodeId } from '../base/ids.ts';

export interface Hit {
	id: NodeId;
	/** Cosine similarity, higher is better. */
	score: number;
}

export interface SearchOptions {
	/** Ids for which this returns false are left out. */
	filter?: (id: NodeId) => boolean;
}

export interface VectorIndex {
	readonly dimension: number;
	/** Vectors that a search can return. */
	readonly size: number;
	/** Deleted vectors that still take space. */
	readonly tombstones: number;
	has(id: NodeId): boolean;
	/** Ids that a search can return. */
	ids(): Iterable<NodeId>;
	/** Adds a vector of unit length `[dimension]`; a known id is left as it is (content addressed: same id, same vector). */
	add(id: NodeId, vector: Float32Array): void;
	remove(id: NodeId): void;
	/** At most `k` hits, best first. Fewer when the filter or the size allows no more. */
	search(query: Float32Array, k: number, options?: SearchOptions): Hit[];
}

/** A graph that is dear to build: it can be kept on disk, and cleaned of deleted vectors while it serves. */
export interface GraphIndex extends VectorIndex {
	/** A vector that a search can return `[dimension]`, of unit length; undefined when there is none. */
	vector(id: NodeId): Float32Array | undefined;
	/** Whether so many vectors were deleted that {@link compact} pays. */
	readonly worthCompacting: boolean;
	/**
	 * Builds the graph anew from the vectors that are left. Searches, additions and removals go on meanwhile.
	 * @param pause awaited after each vector; decides how long a turn may take
	 */
	compact(pause: () => Promise<void> | undefined): Promise<void>;
	/** Writes a snapshot that {@link loadHnswIndex} takes back. Nothing may be added or removed until it has resolved. */
	save(folder: string): Promise<void>;
}
