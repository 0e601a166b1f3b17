/**
 * An index over a real folder with the real chunker, tokenizer, store and view, on one thread, and with stand-ins for the two
 * models: vectors that depend on content alone, so that what a change costs beside the models can be seen.
 */
import type { UpdateReport } from 'hef-shared';
import { systemClock } from '../../server/base/clock.ts';
import type { NodeId, SpaceId } from '../../server/base/ids.ts';
import { silentLogger } from '../../server/base/logger.ts';
import { createChunker } from '../../server/chunking/chunker.ts';
import type { Chunker } from '../../server/chunking/types.ts';
import { createHierarchy } from '../../server/hierarchy/hierarchy.ts';
import type { Hierarchy } from '../../server/hierarchy/types.ts';
import { createIndexer } from '../../server/indexing/indexer.ts';
import { loadBundle } from '../../server/inference/bundle.ts';
import { loadTokenizer } from '../../server/inference/tokenizer.ts';
import type { Tokenizer } from '../../server/inference/types.ts';
import { openWorkspaceView, type WorkspaceView } from '../../server/retrieval/view.ts';
import { openStore, workspaceCacheFolder } from '../../server/store/lmdb-store.ts';
import type { Store } from '../../server/store/types.ts';
import { createWorkspace } from '../../server/workspace/workspace.ts';
import { createFakeEmbedder, createFakeFuser } from './fakes.ts';
import { shippedBundleFolder } from './tiny-bundle.ts';

export const DISK_SPACE = 'disk-index' as SpaceId;
export const DISK_DIMENSION = 192;

/** What cutting files needs; made once, because grammars and known words stay in it. */
export interface Cutter {
	chunker: Chunker;
	tokenizer: Tokenizer;
}

export async function createCutter(bundleFolder: string = shippedBundleFolder): Promise<Cutter> {
	const bundle = await loadBundle(bundleFolder);
	const { file, vocabSize } = bundle.manifest.embedder.tokenizer;
	const tokenizer = await loadTokenizer(bundle.path(file), vocabSize);
	return { tokenizer, chunker: createChunker({ countTokens: tokenizer.count }) };
}

export interface DiskIndex {
	store: Store;
	hierarchy: Hierarchy;
	view: WorkspaceView;
	/** Resolves when the view has what was asked for. */
	request(paths: readonly string[] | 'all', reason: string): Promise<UpdateReport>;
	close(): Promise<void>;
}

export interface DiskIndexOptions {
	folder: string;
	cacheFolder: string;
	cutter: Cutter;
}

/** Opens what the cache has; indexes nothing yet. */
export async function openDiskIndex({ folder, cacheFolder, cutter }: DiskIndexOptions): Promise<DiskIndex> {
	const bundle = { spaceId: DISK_SPACE, dimension: DISK_DIMENSION };
	const workspace = await createWorkspace(folder, { cacheFolder, useGlobalGitExcludes: false });
	const store = await openStore({ folder: workspaceCacheFolder(cacheFolder, folder), ...bundle });
	const hierarchy = createHierarchy({ spaceId: DISK_SPACE });
	const embedder = createFakeEmbedder({ dimension: DISK_DIMENSION });
	const fuser = createFakeFuser();
	let view: WorkspaceView | undefined;
	const indexer = await createIndexer({
		workspace,
		store,
		hierarchy,
		chunker: cutter.chunker,
		tokenizer: async () => cutter.tokenizer,
		spaceId: DISK_SPACE,
		embedder: async () => embedder,
		fuser: async () => fuser,
		gate: { idle: async () => {} },
		clock: systemClock,
		logger: silentLogger,
		events: { published: (paths) => void view?.apply(paths), progress() {}, updated() {} },
	});
	const opened = await openWorkspaceView({ storePath: store.path, bundle });
	view = opened;
	return {
		store,
		hierarchy,
		view: opened,
		async request(paths, reason) {
			const report = await indexer.request({ paths, reason });
			await opened.settled();
			return report;
		},
		async close() {
			await indexer.idle();
			await opened.close();
			await indexer.close();
		},
	};
}

/** Inner nodes on the longest way from a file's chunks to the root. */
export function depthAbove(hierarchy: Hierarchy, path: string): number {
	const depths = new Map<NodeId, number>();
	let deepest = 0;
	for (const id of hierarchy.fileNodes(path)) {
		const children = hierarchy.node(id)?.children ?? [];
		const depth = children.length === 0 ? 0 : 1 + Math.max(...children.map((child) => depths.get(child) ?? 0));
		depths.set(id, depth);
		deepest = Math.max(deepest, depth);
	}
	return deepest;
}
