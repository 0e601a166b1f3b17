/**
 * The health of a folder's cache, read from the store and the disk without loading a model: what `status DIR` prints.
 *
 * Deliberately lacks any repair: of the cache it writes at most a snapshot of the vector index, so that the next one is quick. A
 * cache that cannot be written is copied to be read, because LMDB wants its lock file beside the data.
 */
import { accessSync, chmodSync, constants, cpSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { HnswReport, UpdateReport, WorkspaceReport } from 'hef-shared';
import { contentHash, type SpaceId } from '../base/ids.ts';
import { createHierarchy } from '../hierarchy/hierarchy.ts';
import type { Bundle } from '../inference/bundle.ts';
import { openWorkspaceView } from '../retrieval/view.ts';
import { createClaims, OPENING } from '../store/claim.ts';
import { existingFormat, existingStorePath, openStoreReader, problemWith, storeFormat, workspaceCacheFolder } from '../store/lmdb-store.ts';
import { makeTemporaryFolder } from '../store/temporary-store.ts';
import type { StoreReader } from '../store/types.ts';
import type { SourceFile, Workspace } from '../workspace/types.ts';
import { createWorkspace } from '../workspace/workspace.ts';
import { KnownFiles } from './known-files.ts';
import { emptyReport, share } from './status.ts';
import { LAST_UPDATE_KEY } from './types.ts';

export interface InspectOptions {
	folder: string;
	cacheFolder: string;
	bundle: Bundle;
	exclude: readonly string[];
}

/**
 * The report of a folder that no server need have open; `stale` and `pending` compare with the disk: sizes and times, and content
 * where those differ.
 * @throws HefError `workspace-unreadable` or `cache-unavailable`
 */
export async function inspectFolder({ folder, cacheFolder, bundle, exclude }: InspectOptions): Promise<WorkspaceReport> {
	const workspace = await createWorkspace(folder, { exclude, cacheFolder });
	const cache = workspaceCacheFolder(cacheFolder, folder);
	const storePath = existingStorePath(cache);
	const space = { spaceId: bundle.spaceId, dimension: bundle.manifest.embedder.dimension };
	if (storePath === undefined) {
		return { ...emptyReport(folder, 'off'), message: 'never indexed', pending: (await workspace.list()).length };
	}
	const builder = createClaims({ folder: cache, space: bundle.spaceId }).builder();
	const builtBy = builder ? { builder: { pid: builder.pid, own: false } } : {};
	// It reads the whole file through itself, and may put another in its place.
	if (builder?.state === OPENING)
		return { ...emptyReport(folder, 'indexing'), message: `the index is being opened by process ${builder.pid}`, ...builtBy };
	const described = async (path: string, isTrusted: boolean): Promise<WorkspaceReport> => {
		const problem = isTrusted ? undefined : await problemWith(path);
		if (problem !== undefined)
			return {
				...emptyReport(folder, 'error'),
				message: `the index is damaged (${problem}); the next start keeps what is intact and rebuilds the rest`,
			};
		if ((await existingFormat(path)) !== storeFormat(bundle.spaceId))
			return {
				...emptyReport(folder, 'off'),
				...builtBy,
				message: 'indexed with another model bundle; the next start indexes it anew',
				pending: (await workspace.list()).length,
			};
		const store = openStoreReader({ path, ...space });
		try {
			const report = await describeStore(store, workspace, createHierarchy({ spaceId: bundle.spaceId }));
			return { ...report, ...builtBy, hnsw: await describeVectorIndex(path, space) };
		} finally {
			await store.close();
		}
	};
	if (!isWritable(storePath)) return onCopy(storePath, (copy) => described(copy, false));
	try {
		return await described(storePath, builder !== undefined);
	} catch (error) {
		// Who builds it puts a packed one in its place now and then.
		const moved = existingStorePath(cache);
		if (moved === undefined || moved === storePath) throw error;
		return described(moved, true);
	}
}

function isWritable(path: string): boolean {
	try {
		accessSync(path, constants.W_OK);
		return true;
	} catch {
		return false;
	}
}

async function onCopy<T>(storePath: string, use: (copy: string) => Promise<T>): Promise<T> {
	const copy = makeTemporaryFolder();
	try {
		cpSync(storePath, copy, { recursive: true, filter: (source) => !source.endsWith('lock.mdb') });
		for (const path of ['', ...readdirSync(copy, { recursive: true, encoding: 'utf8' })]) chmodSync(join(copy, path), 0o700);
		return await use(copy);
	} finally {
		rmSync(copy, { recursive: true, force: true });
	}
}

async function describeVectorIndex(storePath: string, space: { spaceId: SpaceId; dimension: number }): Promise<HnswReport> {
	const view = await openWorkspaceView({ storePath, bundle: space });
	try {
		await view.settled();
		await view.maintain();
		return view.report();
	} finally {
		await view.close();
	}
}

/** Files whose content is another, of those whose size or time is: a checkout gives old files new times. */
async function countChanged(onDisk: readonly SourceFile[], known: KnownFiles, workspace: Workspace): Promise<number> {
	let changed = 0;
	for (const file of onDisk) {
		const record = known.get(file.path);
		if (record === undefined || known.looksUnchanged(file)) continue;
		const source = await workspace.read(file.path);
		const isSame = source.kind === 'skipped' ? source.reason === record.skipped : contentHash(source.text) === record.contentHash;
		if (!isSame) changed++;
	}
	return changed;
}

async function describeStore(
	store: StoreReader,
	workspace: Workspace,
	hierarchy: ReturnType<typeof createHierarchy>,
): Promise<WorkspaceReport> {
	const known = new KnownFiles();
	for (const [path, record] of store.files()) {
		known.set(path, record);
		hierarchy.setFile(path, record.chunks);
	}
	hierarchy.commit();
	const onDisk = await workspace.list();
	const pending = onDisk.filter(({ path }) => known.get(path) === undefined).length;
	const changed = await countChanged(onDisk, known, workspace);
	const present = new Set(onDisk.map(({ path }) => path));
	const gone = [...known.paths()].filter((path) => !present.has(path)).length;
	const skipped = known.skipped();
	const passedOver = Object.values(skipped).reduce((sum, count) => sum + count, 0);
	const lastUpdate = store.getMeta(LAST_UPDATE_KEY);
	return {
		...emptyReport(workspace.folder, 'ready'),
		pending,
		files: known.size - passedOver,
		searchable: share(known.size, pending),
		chunks: hierarchy.chunkCount,
		nodes: hierarchy.nodeCount,
		nodesByLevel: hierarchy.nodesByLevel(),
		stale: changed + gone,
		storeBytes: store.sizeBytes(),
		lastUpdate: lastUpdate === undefined ? null : (JSON.parse(lastUpdate) as UpdateReport),
		skipped,
	};
}
