/**
 * The folder that holds the caches of all workspaces: what is in it, how large it is, and what goes when it is too large.
 *
 * Guarantees: a workspace that some process has open is never deleted; the ones that were not used for longest go first.
 */
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { COMPILED_FOLDER } from '../base/default-cache-folder.ts';
import { createClaims, OPENING } from './claim.ts';
import { isAtRest } from './rest.ts';

export interface CachedWorkspace {
	/** Its folder in the cache. */
	path: string;
	/** The workspace folder that it stands for, as far as it says so. */
	folder: string | undefined;
	sizeBytes: number;
	/** When it was last opened or closed. Milliseconds since the epoch. */
	usedMs: number;
	/** Whether a process builds it now. */
	inUse: boolean;
}

/** Written when a workspace is opened and closed: its content names the folder, its time says when. */
export const FOLDER_FILE = 'folder.txt';
const DAMAGED = 'damaged';

/** All workspaces with a cache, the one used last first. */
export function listCachedWorkspaces(cacheFolder: string): CachedWorkspace[] {
	const workspaces = join(cacheFolder, 'workspaces');
	return namesIn(workspaces)
		.map((name) => join(workspaces, name))
		.map((path) => ({
			path,
			folder: readText(join(path, FOLDER_FILE))?.trim(),
			sizeBytes: sizeOf(path),
			usedMs: statSync(join(path, FOLDER_FILE), { throwIfNoEntry: false })?.mtimeMs ?? 0,
			inUse: isInUse(path),
		}))
		.sort((a, b) => b.usedMs - a.usedMs);
}

/**
 * Deletes until the budget holds: what was damaged and set aside at first, then whole workspaces.
 * @param keep a workspace's folder in the cache that stays, whether or not it is in use
 * @returns bytes that the cache takes beyond the budget all the same, 0 when it holds
 */
export function keepWithinBudget({ cacheFolder, budgetBytes, keep }: { cacheFolder: string; budgetBytes: number; keep?: string }): {
	overBytes: number;
	/** Workspaces that lost their cache. */
	removed: CachedWorkspace[];
} {
	const workspaces = listCachedWorkspaces(cacheFolder);
	let total = sizeOf(cacheFolder);
	const removed: CachedWorkspace[] = [];
	for (const { path } of workspaces) {
		if (total <= budgetBytes) break;
		total -= sizeOf(join(path, DAMAGED));
		removeQuietly(join(path, DAMAGED));
	}
	for (const workspace of workspaces.reverse()) {
		if (total <= budgetBytes) break;
		if (workspace.inUse || workspace.path === keep) continue;
		const sizeBytes = sizeOf(workspace.path);
		removeQuietly(workspace.path);
		total -= sizeBytes - sizeOf(workspace.path);
		removed.push(workspace);
	}
	return { overBytes: Math.max(0, total - budgetBytes), removed };
}

/** Bytes of all files below a path; 0 when there is none, or none that may be seen. */
export function sizeOf(path: string): number {
	try {
		const stats = statSync(path);
		return stats.isDirectory() ? namesIn(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0) : stats.size;
	} catch {
		return 0;
	}
}

export interface ClearedCache {
	/** Folders whose cache is gone. */
	removed: string[];
	/** Folders that a running editor has open. */
	inUse: string[];
	freedBytes: number;
}

/** Deletes the caches at these paths, but for those that are in use. */
export function removeCaches(workspaces: readonly CachedWorkspace[]): ClearedCache {
	const cleared: ClearedCache = { removed: [], inUse: [], freedBytes: 0 };
	for (const { path, folder, inUse } of workspaces) {
		if (inUse) {
			cleared.inUse.push(folder ?? path);
			continue;
		}
		const before = sizeOf(path);
		removeQuietly(path);
		cleared.freedBytes += before - sizeOf(path);
		if (!existsSync(path)) cleared.removed.push(folder ?? path);
	}
	return cleared;
}

/** Deletes Node's compiled code of the server, which the next start makes anew. @returns bytes that were freed */
export function removeCompiled(cacheFolder: string): number {
	const path = join(cacheFolder, COMPILED_FOLDER);
	const before = sizeOf(path);
	removeQuietly(path);
	return before - sizeOf(path);
}

/** Whether some process has the index open for writing. */
function isInUse(workspaceCache: string): boolean {
	return createClaims({ folder: workspaceCache, space: '' }).builder() !== undefined;
}

/** Whether the index at this store path can be opened for reading as it is: it is at rest, or who builds it has checked it. */
export function isReadable(workspaceCache: string, storePath: string): boolean {
	const builder = createClaims({ folder: workspaceCache, space: '' }).builder();
	return builder ? builder.state !== OPENING : isAtRest(storePath);
}

function namesIn(folder: string): string[] {
	try {
		return readdirSync(folder);
	} catch {
		return [];
	}
}

function readText(path: string): string | undefined {
	try {
		return readFileSync(path, 'utf8');
	} catch {
		return undefined;
	}
}

/** On some systems a file that is open cannot be deleted; it goes another time. */
function removeQuietly(path: string): void {
	try {
		rmSync(path, { recursive: true, force: true });
	} catch {}
}
