/** What the kill rounds and the process that they kill agree on. */
import { join } from 'node:path';
import type { SpaceId } from '../../server/base/ids.ts';
import type { HnswOptions } from '../../server/vector-index/hnsw-index.ts';

export const KILL_SPACE = { spaceId: 'kill-rounds' as SpaceId, dimension: 32 };

/** Small graphs that are compacted early, so that every round has several of them and some compaction. */
export const KILL_GRAPHS: HnswOptions = {
	dimension: KILL_SPACE.dimension,
	graphCapacity: 512,
	maxTombstoneShare: 0.1,
	minTombstones: 20,
};

export function snapshotFolderOf(storePath: string): string {
	return join(storePath, 'hnsw');
}
