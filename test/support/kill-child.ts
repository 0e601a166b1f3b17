/**
 * The process that the kill rounds kill: indexer, store, view and HNSW graphs on real folders, with stand-ins for chunker and
 * models. Indexes, then maintains the view, says on stdout where it is, and does so again for every line on stdin.
 *
 * Keeps a journal of every inner node that it plans, written before the node can be in the store, so that whoever looks at the
 * store later can tell what each vector must be.
 */
import { appendFileSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { systemClock } from '../../server/base/clock.ts';
import { silentLogger } from '../../server/base/logger.ts';
import { createHierarchy } from '../../server/hierarchy/hierarchy.ts';
import type { Hierarchy } from '../../server/hierarchy/types.ts';
import { createIndexer } from '../../server/indexing/indexer.ts';
import { createWorkspaceView } from '../../server/retrieval/view.ts';
import { openStore, openStoreReader } from '../../server/store/lmdb-store.ts';
import type { Store } from '../../server/store/types.ts';
import { createHnswIndex, loadHnswIndex } from '../../server/vector-index/hnsw-index.ts';
import { createWorkspace } from '../../server/workspace/workspace.ts';
import { createFakeChunker, createFakeEmbedder, createFakeFuser, fakeTokenizer } from './fakes.ts';
import { KILL_GRAPHS, KILL_SPACE, snapshotFolderOf } from './kill-space.ts';

const [folder, storeFolder, journal, budget] = process.argv.slice(2) as [string, string, string, 'roomy' | 'tight'];
const say = (phase: string) => writeSync(1, `${phase}\n`);

/** The tree, with each commit's new nodes written down. */
function withJournal(tree: Hierarchy): Hierarchy {
	const commit = () => {
		const delta = tree.commit();
		const lines = delta.addedNodes.map(({ id, children }) => `${id} ${children.join(' ')}\n`);
		if (lines.length > 0) appendFileSync(journal, lines.join(''));
		return delta;
	};
	return new Proxy(tree, {
		get(target, name) {
			const value: unknown = name === 'commit' ? commit : Reflect.get(target, name, target);
			return typeof value === 'function' ? value.bind(target) : value;
		},
	});
}

function openView(storePath: string) {
	const snapshotFolder = snapshotFolderOf(storePath);
	return createWorkspaceView({
		store: openStoreReader({ path: storePath, ...KILL_SPACE }),
		hierarchy: createHierarchy(KILL_SPACE),
		vectorIndex: createHnswIndex(KILL_GRAPHS),
		snapshotFolder,
		snapshot: loadHnswIndex(snapshotFolder, KILL_GRAPHS),
		quietMs: 1e9,
	});
}

/** The store, which says when it is compacted. */
function withNews(store: Store): Store {
	const compact = async () => {
		say('compact');
		await store.compact();
		say('compacted');
	};
	return new Proxy(store, {
		get(target, name) {
			const value: unknown = name === 'compact' ? compact : Reflect.get(target, name, target);
			return typeof value === 'function' ? value.bind(target) : value;
		},
	});
}

const store = withNews(await openStore({ folder: storeFolder, ...KILL_SPACE }));
let view = openView(store.path);
let viewPath = store.path;
const embedder = createFakeEmbedder(KILL_SPACE);
const fuser = createFakeFuser();
const indexer = await createIndexer({
	workspace: await createWorkspace(folder, { useGlobalGitExcludes: false }),
	store,
	hierarchy: withJournal(createHierarchy(KILL_SPACE)),
	chunker: createFakeChunker(),
	tokenizer: async () => fakeTokenizer,
	spaceId: KILL_SPACE.spaceId,
	embedder: async () => embedder,
	fuser: async () => fuser,
	gate: { idle: async () => {} },
	clock: systemClock,
	logger: silentLogger,
	// Garbage goes at once then, and the store is compacted after it.
	isOverBudget: () => budget === 'tight',
	events: { published: (paths) => void view.apply(paths), progress() {}, updated() {} },
});

async function indexAndMaintain(): Promise<void> {
	say('index');
	await indexer.request({ paths: 'all', reason: 'start' });
	say('indexed');
	if (store.path !== viewPath) {
		await view.close();
		viewPath = store.path;
		view = openView(viewPath);
		await view.apply('all');
	}
	await view.settled();
	say('maintain');
	await view.maintain();
	say('maintained');
}

await view.apply('all');
await indexAndMaintain();
for await (const _ of createInterface({ input: process.stdin })) await indexAndMaintain();
await indexer.idle();
await view.close();
await indexer.close();
