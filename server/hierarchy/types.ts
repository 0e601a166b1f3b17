/** The Merkle tree over a workspace folder's chunks. */
import type { NodeLevel } from 'hef-shared';
import type { NodeId } from '../base/ids.ts';

/** An inner node that has to be fused from its children. */
export interface PlannedNode {
	id: NodeId;
	/** 1 to arity ids, in order; each is a chunk or stands earlier in the plan or existed before. */
	children: readonly NodeId[];
}

/** What one commit changed in the set of distinct nodes. */
export interface HierarchyDelta {
	/** Chunk ids that were not in the tree before. */
	addedChunks: NodeId[];
	/** Inner nodes that were not in the tree before, children first. */
	addedNodes: PlannedNode[];
	/** Ids (chunks and inner nodes) that the tree no longer holds. */
	removed: NodeId[];
	/** Inner nodes on the changed paths whose id did not change. */
	reusedNodes: number;
}

/** Where a node's content lies. Equal content in two places is one node with two occurrences. */
export interface Occurrence {
	level: NodeLevel;
	/** File or directory, relative to the folder; '' is the folder itself. */
	path: string;
	/** Zero-based, inclusive; both 0 for directories. */
	startLine: number;
	endLine: number;
}
