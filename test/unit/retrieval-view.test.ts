import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { NodeId, SpaceId } from '../../server/base/ids.ts';
import { silentLogger } from '../../server/base/logger.ts';
import { createHierarchy } from '../../server/hierarchy/hierarchy.ts';
import { createIndexer } from '../../server/indexing/indexer.ts';
import { createWorkspaceView, openWorkspaceView, type WorkspaceView } from '../../server/retrieval/view.ts';
import { openStore } from '../../server/store/lmdb-store.ts';
import type { Store } from '../../server/store/types.ts';
import { createHnswIndex } from '../../server/vector-index/hnsw-index.ts';
import {
	createFakeChunker,
	createFakeEmbedder,
	createFakeFuser,
	createFakeWorkspace,
	createManualClock,
	fakeTokenizer,
} from '../support/fakes.ts';
import { createMemoryStore } from '../support/memory-store.ts';

const spaceId = 'space' as SpaceId;
const dimension = 16;
const lines = (count: number, name: string) => Array.from({ length: count }, (_, i) => `def ${name}${i}\n`).join('');

let folder = '';
beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), 'hef-view-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** An indexer on files in memory whose publications go to `onPublished`. */
async function startIndexer(store: Store, onPublished: (paths: string[] | 'all') => void = () => {}) {
	const workspace = createFakeWorkspace(
		Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`d${i % 5}/f${i}.py`, lines(1 + (i % 9), `f${i}_`)])),
	);
	const hierarchy = createHierarchy({ spaceId });
	const embedder = createFakeEmbedder({ dimension });
	const indexer = await createIndexer({
		workspace,
		store,
		hierarchy,
		chunker: createFakeChunker(),
		tokenizer: async () => fakeTokenizer,
		spaceId,
		embedder: async () => embedder,
		fuser: async () => createFakeFuser(),
		gate: { idle: async () => {} },
		clock: createManualClock(),
		logger: silentLogger,
		events: { published: onPublished, progress: () => {}, updated: () => {} },
	});
	return { workspace, hierarchy, indexer };
}

function viewOf(store: Store, options: { quietMs?: number; clock?: ReturnType<typeof createManualClock> } = {}): WorkspaceView {
	return createWorkspaceView({ store, hierarchy: createHierarchy({ spaceId }), vectorIndex: createHnswIndex({ dimension }), ...options });
}

/** The view has exactly the nodes of the indexer's tree, each found by its own vector. */
function expectEqualTo(view: WorkspaceView, store: Store, hierarchy: ReturnType<typeof createHierarchy>): void {
	expect(view.size).toBe(hierarchy.nodeCount);
	expect(view.readyShare).toBe(hierarchy.nodeCount === 0 ? 0 : 1);
	for (const id of hierarchy.ids()) {
		const vector = store.getVector(id) as Float32Array;
		expect(view.search(vector, 3).map((hit) => hit.id)).toContain(id);
		expect([...view.occurrences(id)]).toEqual(expect.arrayContaining([...hierarchy.occurrences(id)]));
	}
}

test('a generation is that of one view', async () => {
	const store = createMemoryStore();
	const [view, other] = [viewOf(store), viewOf(store)];
	expect(view.generation).not.toBe(other.generation);
	for (const each of [view, other]) await each.apply('all');
	expect(view.generation).not.toBe(other.generation);
});

test('many files that changed at once are read in turns', async () => {
	const store = createMemoryStore();
	let nRead = 0;
	const slow = (path: string) => {
		nRead++;
		for (const until = performance.now() + 0.5; performance.now() < until; );
		return store.getFile(path);
	};
	const readBefore: number[] = [];
	const pause = async () => void readBefore.push(nRead);
	const view = createWorkspaceView({
		...{ store: { ...store, getFile: slow }, hierarchy: createHierarchy({ spaceId }), vectorIndex: createHnswIndex({ dimension }), pause },
	});
	await view.apply(Array.from({ length: 300 }, (_, i) => `f${i}.py`));
	expect(nRead).toBe(300);
	expect(readBefore[0]).toBeLessThan(100);
});

test('follows an indexer slice by slice to the same tree', async () => {
	const store = createMemoryStore();
	const view = viewOf(store);
	const { workspace, hierarchy, indexer } = await startIndexer(store, (paths) => void view.apply(paths));
	await indexer.request({ paths: 'all', reason: 'start' });
	await view.settled();
	expectEqualTo(view, store, hierarchy);
	expect(new Set(view.paths())).toEqual(new Set((await workspace.list()).map(({ path }) => path)));
	const { generation } = view;
	const namesIn = (path: string) => view.file(path)?.entities.map(({ name }) => name);
	expect([namesIn('d1/f1.py')?.[0], namesIn('d2/f2.py')?.[0]]).toEqual(['f1_0', 'f2_0']);

	workspace.write('d1/f1.py', lines(8, 'other'));
	workspace.remove('d2/f2.py');
	workspace.writeBinary('d3/f3.py');
	workspace.write('new/n.py', lines(3, 'new'));
	await indexer.request({ paths: ['d1/f1.py', 'd2/f2.py', 'd3/f3.py', 'new/n.py'], reason: 'save' });
	await view.settled();
	expectEqualTo(view, store, hierarchy);
	expect(view.generation).not.toBe(generation);
	expect([...view.paths()]).not.toContain('d3/f3.py');
	expect(namesIn('new/n.py')).toEqual(['new0', 'new1', 'new2']);
	expect([namesIn('d1/f1.py')?.[0], namesIn('d2/f2.py')]).toEqual(['other0', undefined]);
	expect([...view.filesOfModule('n')]).toEqual(['new/n.py']);
	expect([...view.filesBeside('d2/new.py')]).not.toContain('d2/f2.py');

	await indexer.clear();
	await view.settled();
	expectEqualTo(view, store, hierarchy);
	expect(view.search(new Float32Array(dimension).fill(0.25), 5)).toEqual([]);
});

test('loads everything at once, leaves out what has no vector, and takes it up later', async () => {
	const store = createMemoryStore();
	const { hierarchy, indexer } = await startIndexer(store);
	await indexer.request({ paths: 'all', reason: 'start' });
	const [lost] = hierarchy.ids();
	const vector = store.getVector(lost as NodeId) as Float32Array;
	await store.write({ vectors: [[lost as NodeId, null]] });
	const view = viewOf(store);
	await view.apply('all');
	expect(view.size).toBe(hierarchy.nodeCount - 1);
	expect(view.readyShare).toBeLessThan(1);
	await store.write({ vectors: [[lost as NodeId, vector]] });
	await view.apply([]);
	expectEqualTo(view, store, hierarchy);
});

test('works in short turns and pauses between them', async () => {
	const store = createMemoryStore();
	const { indexer } = await startIndexer(store);
	await indexer.request({ paths: 'all', reason: 'start' });
	const slow: Store = {
		...store,
		getVector(id) {
			const until = performance.now() + 1;
			while (performance.now() < until);
			return store.getVector(id);
		},
	};
	const pause = vi.fn(async () => {});
	const view = createWorkspaceView({
		store: slow,
		hierarchy: createHierarchy({ spaceId }),
		vectorIndex: createHnswIndex({ dimension }),
		pause,
	});
	await view.apply('all');
	expect(pause.mock.calls.length).toBeGreaterThan(view.size / 8);
});

test('measures its recall after a quiet moment', async () => {
	const store = createMemoryStore();
	const { indexer } = await startIndexer(store);
	await indexer.request({ paths: 'all', reason: 'start' });
	const clock = createManualClock();
	const view = viewOf(store, { clock, quietMs: 1000 });
	await view.apply('all');
	expect(view.report().recallAt32).toBeNull();
	clock.advance(999);
	await view.settled();
	expect(view.report().recallAt32).toBeNull();
	clock.advance(1);
	await view.settled();
	expect(view.report()).toMatchObject({ size: view.size, tombstones: 0 });
	expect(view.report().recallAt32).toBeGreaterThanOrEqual(0.95);
});

test('begins with the last snapshot and puts it right against the store', async () => {
	const store = await openStore({ folder, spaceId, dimension });
	const { workspace, hierarchy, indexer } = await startIndexer(store);
	await indexer.request({ paths: 'all', reason: 'start' });
	const open = () => openWorkspaceView({ storePath: store.path, bundle: { spaceId, dimension } });
	const first = await open();
	expect(first.size).toBe(0);
	await first.settled();
	expectEqualTo(first, store, hierarchy);
	await first.close();

	workspace.write('d1/f1.py', lines(8, 'other'));
	workspace.remove('d2/f2.py');
	await indexer.request({ paths: 'all', reason: 'start' });
	const second = await open();
	expect(second.size).toBeGreaterThan(200);
	await second.settled();
	expectEqualTo(second, store, hierarchy);
	await second.close();
	await indexer.close();
});

test.each([
	['the list of graphs', 'graphs.json', (file: string) => rmSync(file)],
	['a graph', '.hnsw', (file: string) => rmSync(file)],
	['the end of a graph', '.hnsw', (file: string) => truncateSync(file, statSync(file).size >> 1)],
	['the end of the ids', '.ids', (file: string) => truncateSync(file, statSync(file).size - 16)],
	['all but the names', '', (file: string) => truncateSync(file, 0)],
])('a snapshot without %s is made good from the store, and saved again', async (_, ending, damage) => {
	const store = await openStore({ folder, spaceId, dimension });
	const { hierarchy, indexer } = await startIndexer(store);
	await indexer.request({ paths: 'all', reason: 'start' });
	const open = () => openWorkspaceView({ storePath: store.path, bundle: { spaceId, dimension } });
	const first = await open();
	await first.settled();
	await first.close();
	const snapshot = join(store.path, 'hnsw');
	const files = readdirSync(snapshot).filter((name) => name.endsWith(ending));
	expect(files.length).toBeGreaterThan(0);
	for (const name of files) damage(join(snapshot, name));
	const second = await open();
	expect(second.size).toBe(0);
	await second.settled();
	expectEqualTo(second, store, hierarchy);
	await second.close();
	const third = await open();
	expect(third.size).toBeGreaterThan(200);
	await third.close();
	await indexer.close();
});

test('a snapshot is saved when many nodes changed, and at the end when some did', async () => {
	const store = await openStore({ folder, spaceId, dimension });
	const { workspace, indexer } = await startIndexer(store);
	const view = await openWorkspaceView({ storePath: store.path, bundle: { spaceId, dimension } });
	const snapshot = join(store.path, 'hnsw');
	const saved = () => readdirSync(snapshot).filter((name) => name.endsWith('.hnsw'));
	const change = async (path: string, count: number, following = view) => {
		workspace.write(path, lines(count, path));
		await indexer.request({ paths: [path], reason: 'save' });
		await following.apply([path]);
		await following.maintain();
	};
	await change('many.py', 500);
	const [many] = saved();
	expect(many).toBeDefined();
	await change('some.py', 180);
	expect(saved()).toEqual([many]);
	const { size } = view;
	await view.close();
	const [some] = saved();
	expect(some).not.toBe(many);

	const next = await openWorkspaceView({ storePath: store.path, bundle: { spaceId, dimension } });
	expect(next.size).toBe(size);
	await next.settled();
	await change('few.py', 20, next);
	await next.close();
	expect(saved()).toEqual([some]);
	await indexer.close();
});

test('a view that is closed after its index was emptied saves no snapshot and warns of nothing; a disk that fails is told', async () => {
	for (const [spoil, warnings] of [
		[(path: string) => expect(existsSync(path)).toBe(false), 0],
		[(path: string) => writeFileSync(join(path, 'hnsw'), ''), 1],
	] as const) {
		const store = await openStore({ folder, spaceId, dimension });
		const { indexer } = await startIndexer(store);
		await indexer.request({ paths: 'all', reason: 'start' });
		const warn = vi.fn();
		const { path } = store;
		const view = await openWorkspaceView({ storePath: path, bundle: { spaceId, dimension }, logger: { ...silentLogger, warn } });
		await view.settled();
		if (warnings === 0) await indexer.clear();
		spoil(path);
		await view.close();
		expect(warn).toHaveBeenCalledTimes(warnings);
		await indexer.close();
	}
});

test('closing in the middle of loading ends it', async () => {
	const store = createMemoryStore();
	const { indexer } = await startIndexer(store);
	await indexer.request({ paths: 'all', reason: 'start' });
	const view = viewOf(store);
	const loading = view.apply('all');
	await view.close();
	await loading;
	await view.apply(['d1/f1.py']);
});
