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
	/** Adds a vector of unit length `[dimension]`; a known id is left as it is (content addressed: same id, same vector). */
	add(id: NodeId, vector: Float32Array): void;
	remove(id: NodeId): void;
	/** At most `k` hits, best first. Fewer when the filter or the size allows no more. */
	search(query: Float32Array, k: number, options?: SearchOptions): Hit[];
}
