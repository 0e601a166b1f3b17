/** Deletes indexes from outside of the processes that use them. */
import { setTimeout as wait } from 'node:timers/promises';
import { type ClearedCache, listCachedWorkspaces, removeCaches, removeCompiled, sizeOf } from '../store/cache-folder.ts';
import { knock } from '../store/knocks.ts';
import { existingStorePath, workspaceCacheFolder } from '../store/lmdb-store.ts';

/** A process that builds looks every half second whether it is asked for something. */
const ANSWER_MS = 10_000;
const LOOK_MS = 100;

/**
 * The index of one folder, or of all with the server's compiled code. An index that an editor has open is emptied by that editor,
 * which builds it anew.
 * @param folder absolute; undefined for all
 */
export async function clearCache(cacheFolder: string, folder: string | undefined): Promise<ClearedCache> {
	const own = folder === undefined ? undefined : workspaceCacheFolder(cacheFolder, folder);
	const chosen = listCachedWorkspaces(cacheFolder).filter(({ path }) => own === undefined || path === own);
	const cleared = removeCaches(chosen);
	if (own === undefined) cleared.freedBytes += removeCompiled(cacheFolder);
	for (const { path, inUse, sizeBytes } of chosen) {
		if (!inUse) continue;
		const before = existingStorePath(path);
		knock(path, { paths: 'all', reason: 'clear', clear: true });
		for (let waited = 0; existingStorePath(path) === before && waited < ANSWER_MS; waited += LOOK_MS) await wait(LOOK_MS);
		cleared.freedBytes += Math.max(0, sizeBytes - sizeOf(path));
	}
	return cleared;
}
