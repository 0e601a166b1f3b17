/** The Merkle tree over a workspace folder's chunks. */
import type { NodeLevel } from 'hef-shared';
import type { NodeId, SpaceId } from '../base/ids.ts';

/** A chunk as the tree sees it: its address and the lines it covers, zero-based, inclusive. */
export interface ChunkPlace {
	id: NodeId;
	startLine: number;
	endLine: number;
}

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

/** A node of the tree: `children` is empty for a chunk. */
export interface HierarchyNode {
	id: NodeId;
	children: readonly NodeId[];
}

export interface HierarchyOptions {
	/** Names the vector space; part of every inner node's id. */
	spaceId: SpaceId;
	/** Most children of a node, at least 2. Default 8. */
	arity?: number;
}

/**
 * The tree. Reads (`node`, `occurrences`, counts) show the last commit; `setFile` alone changes nothing that is read.
 */
export interface Hierarchy {
	/** The repository's node; undefined while no file has chunks. */
	readonly rootId: NodeId | undefined;
	/** Files with at least one chunk. */
	readonly fileCount: number;
	/** Chunks of all files, repeated content counted as often as it occurs. */
	readonly chunkCount: number;
	/** Distinct nodes of all levels, chunks among them. */
	readonly nodeCount: number;
	/** Distinct nodes by the finest level at which they occur. Counts on demand: linear in the number of nodes. */
	nodesByLevel(): Record<NodeLevel, number>;
	/** Schedules a file's new chunks for the next commit. Null or no chunks: the file leaves the tree. */
	setFile(path: string, chunks: readonly ChunkPlace[] | null): void;
	/** Applies what was scheduled: regroups the changed files, their directories and the directories above, and nothing else. */
	commit(): HierarchyDelta;
	has(id: NodeId): boolean;
	node(id: NodeId): HierarchyNode | undefined;
	/** All distinct ids, children before their parents only within one container. */
	ids(): Iterable<NodeId>;
	/** Where the node's content lies, found as it is asked for (a licence header lies in every file); empty for an unknown id. A group of siblings is reported with the lines of its members. */
	occurrences(id: NodeId): Iterable<Occurrence>;
	/** Distinct ids on the way from the file to the root: its chunks, its inner nodes, and those above it. Empty if unknown. */
	fileNodes(path: string): NodeId[];
	/** The chunks of a file, as last committed. */
	chunksOf(path: string): readonly ChunkPlace[];
}
