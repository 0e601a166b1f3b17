/**
 * Vectors that other workspaces have already: a second checkout of a repository, or a worktree, costs no model run for what it
 * shares with the first. Ids are made of content, so whoever has an id has its vector, wherever it was made.
 *
 * Guarantees: reads only; an index that is not at rest is left alone unless a process builds it, and so has checked it; every
 * vector passes the checksum that ties it to its id and space.
 */
import type { NodeId, SpaceId } from '../base/ids.ts';
import { isReadable, listCachedWorkspaces } from './cache-folder.ts';
import { existingStorePath, openStoreReader } from './lmdb-store.ts';
import type { StoreReader } from './types.ts';

/** The workspaces used last are asked. */
const DONORS = 4;

export interface Donors {
	getVector(id: NodeId): Float32Array | undefined;
	close(): Promise<void>;
}

/** @param except the asking workspace's own folder in the cache, where it is the one that is built */
export function openDonors(options: { cacheFolder: string; except?: string; spaceId: SpaceId; dimension: number }): Donors {
	const { cacheFolder, except, spaceId, dimension } = options;
	const readers: StoreReader[] = [];
	for (const { path } of listCachedWorkspaces(cacheFolder)) {
		if (path === except || readers.length === DONORS) continue;
		const storePath = existingStorePath(path);
		if (storePath === undefined || !isReadable(path, storePath)) continue;
		try {
			readers.push(openStoreReader({ path: storePath, spaceId, dimension }));
		} catch {
			// One donor less.
		}
	}
	return {
		getVector(id) {
			for (const reader of readers) {
				const vector = reader.getVector(id);
				if (vector) return vector;
			}
			return undefined;
		},
		async close() {
			await Promise.all(readers.splice(0).map((reader) => reader.close()));
		},
	};
}
