/** What the processes that save snapshots and the one that looks at them agree on: a vector that can be told from its id. */
import { hashText, type NodeId } from '../../server/base/ids.ts';
import type { HnswOptions } from '../../server/vector-index/hnsw-index.ts';
import { unit } from './vectors.ts';

/** Small graphs, so that every snapshot has several of them. */
export const SNAPSHOT_GRAPHS: HnswOptions = { dimension: 16, graphCapacity: 256 };

export function snapshotId(name: string): NodeId {
	return hashText(name) as NodeId;
}

export function snapshotVector(id: NodeId): Float32Array {
	return unit(Float32Array.from(Buffer.from(id, 'hex'), (byte) => byte - 127.5));
}
