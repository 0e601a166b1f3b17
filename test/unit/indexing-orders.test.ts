/**
 * Things that happen at any moment of a build: files and folders come, go and are renamed, branches change, writes and models
 * fail, the user pauses, opens files and clears. Afterwards the index is that of the files, as if it had been built from them.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { HefError } from '../../server/base/errors.ts';
import type { NodeId, SpaceId } from '../../server/base/ids.ts';
import { silentLogger } from '../../server/base/logger.ts';
import { createHierarchy } from '../../server/hierarchy/hierarchy.ts';
import type { Hierarchy } from '../../server/hierarchy/types.ts';
import { createIndexer } from '../../server/indexing/indexer.ts';
import { createWorkspaceView, type WorkspaceView } from '../../server/retrieval/view.ts';
import type { Store } from '../../server/store/types.ts';
import { createHnswIndex } from '../../server/vector-index/hnsw-index.ts';
import {
	createFakeChunker,
	createFakeEmbedder,
	createFakeFuser,
	createFakeWorkspace,
	createManualClock,
	type FakeWorkspace,
	fakeTokenizer,
} from '../support/fakes.ts';
import { createMemoryStore } from '../support/memory-store.ts';
import { createRandom, type Random } from '../support/random.ts';

const spaceId = 'space' as SpaceId;
const dimension = 16;
const FOLDERS = ['a', 'a/b', 'a/b/c', 'd', 'e'];
/** Of such texts there are few, so that files are often equal. */
const textOf = (random: Random) => Array.from({ length: 1 + random.below(9) }, () => `def f${random.below(40)}\n`).join('');
const pathOf = (random: Random) => `${random.pick(FOLDERS)}/f${random.below(6)}.py`;

interface Built {
	files: Record<string, NodeId[]>;
	root: NodeId | undefined;
	vectors: Record<string, number[] | undefined>;
}

function builtOf(store: Store, hierarchy: Hierarchy): Built {
	return {
		files: Object.fromEntries([...store.files()].map(([path, { chunks }]) => [path, chunks.map(({ id }) => id)])),
		root: hierarchy.rootId,
		vectors: Object.fromEntries([...hierarchy.ids()].sort().map((id) => [id, [...(store.getVector(id) ?? [])]])),
	};
}

/** An index, and a view that follows it, on files in memory. `happen` is called wherever other work may come in between. */
function setUp(files: FakeWorkspace, happen: (where: string) => void) {
	const workspace: FakeWorkspace = {
		...files,
		async list() {
			const listed = await files.list();
			happen('list');
			return listed;
		},
		async stat(path) {
			happen('stat');
			return files.stat(path);
		},
		async read(path) {
			happen('read');
			return files.read(path);
		},
	};
	const memory = createMemoryStore();
	const store: Store = {
		...memory,
		async write(batch) {
			happen('write');
			await memory.write(batch);
			happen('written');
		},
	};
	const hierarchy = createHierarchy({ spaceId });
	const view = createWorkspaceView({ store: memory, hierarchy: createHierarchy({ spaceId }), vectorIndex: createHnswIndex({ dimension }) });
	const embedder = createFakeEmbedder({ dimension, onRun: () => happen('embed') });
	const indexer = createIndexer({
		workspace,
		store,
		hierarchy,
		chunker: createFakeChunker(),
		tokenizer: async () => fakeTokenizer,
		spaceId,
		embedder: async () => embedder,
		fuser: async () => createFakeFuser(),
		gate: { idle: async () => happen('gate') },
		clock: createManualClock(),
		logger: silentLogger,
		events: { published: (paths) => void view.apply(paths), progress() {}, updated() {} },
	});
	return { indexer, store: memory, hierarchy, view };
}

async function builtFrom(workspace: FakeWorkspace): Promise<Built> {
	const { indexer, store, hierarchy, view } = setUp(workspace, () => {});
	await indexer.request({ paths: 'all', reason: 'start' });
	await view.close();
	return builtOf(store, hierarchy);
}

class Story {
	readonly #random: Random;
	readonly #mayFail: boolean;
	readonly #files = createFakeWorkspace();
	readonly #texts = new Map<string, string>();
	readonly #requests: Promise<unknown>[] = [];
	readonly #index: ReturnType<typeof setUp>;
	#events = 0;
	#clearing: Promise<unknown> | undefined;

	constructor(seed: number, events: number, mayFail: boolean) {
		this.#random = createRandom(seed);
		this.#events = events;
		this.#mayFail = mayFail;
		for (let i = 0; i < 25; i++) this.#put(pathOf(this.#random), textOf(this.#random));
		this.#index = setUp(this.#files, (where) => this.#happen(where));
	}

	async tell(): Promise<void> {
		const { indexer, store, hierarchy, view } = this.#index;
		this.#ask('all');
		while (this.#events > 0) {
			this.#happen('outside');
			for (let turn = this.#random.below(6); turn > 0; turn--) await nextTurn();
		}
		indexer.resume();
		await this.#clearing;
		await Promise.allSettled(this.#requests);
		await indexer.idle();
		if (this.#mayFail) await indexer.request({ paths: 'all', reason: 'focus' });
		await view.settled();
		expect(indexer.report()).toMatchObject({ state: 'ready', pending: 0, stale: 0 });
		const expected = await builtFrom(this.#files);
		expect(builtOf(store, hierarchy)).toEqual(expected);
		expect(nodesOf(view)).toEqual(Object.keys(expected.vectors));
		await view.close();
		await indexer.close();
	}

	#ask(paths: readonly string[] | 'all'): void {
		this.#requests.push(this.#index.indexer.request({ paths, reason: paths === 'all' ? 'branch' : 'watch' }));
	}

	#happen(where: string): void {
		const random = this.#random;
		if (this.#events === 0 || random.below(4) > 0) return;
		this.#events--;
		const { indexer } = this.#index;
		const kind = random.below(this.#mayFail ? 12 : 9);
		if (kind < 3) this.#write();
		else if (kind < 4) this.#rename();
		else if (kind < 6) this.#renameFolder();
		else if (kind < 7) this.#switchBranch();
		else if (kind < 8) random.below(2) === 0 ? indexer.pause() : indexer.resume();
		else if (kind < 9) void indexer.prioritise([pathOf(random), pathOf(random)]);
		else if (kind < 10) this.#clear();
		else if (where === 'embed') throw new HefError('inference-failed', 'the model failed');
		else if (where === 'write') throw new HefError('cache-unavailable', 'the disk failed');
	}

	#write(): void {
		const path = pathOf(this.#random);
		if (this.#random.below(3) === 0) this.#remove(path);
		else this.#put(path, textOf(this.#random));
		this.#ask([path]);
	}

	#rename(): void {
		const [from, to] = [pathOf(this.#random), pathOf(this.#random)];
		this.#move(from, to);
		// A watcher may tell of them in either order, and apart.
		for (const paths of this.#random.pick([[[from, to]], [[to], [from]], [[from], [to]]])) this.#ask(paths);
	}

	#renameFolder(): void {
		const [from, to] = [this.#random.pick(FOLDERS), this.#random.pick(FOLDERS)];
		const moved = this.#pathsBelow(from).map((path) => [path, to + path.slice(from.length)] as const);
		for (const [path, target] of moved) this.#move(path, target);
		if (this.#random.below(2) === 0) this.#ask([from, ...moved.map(([, path]) => path)]);
		else for (const paths of moved) this.#ask(paths);
	}

	#switchBranch(): void {
		for (let i = 0; i < 12; i++) {
			if (this.#random.below(2) === 0) this.#remove(pathOf(this.#random));
			else this.#put(pathOf(this.#random), textOf(this.#random));
		}
		this.#ask('all');
	}

	#clear(): void {
		if (this.#clearing) return;
		this.#clearing = this.#index.indexer.clear().then(() => {
			this.#clearing = undefined;
			this.#ask('all');
		});
	}

	#move(from: string, to: string): void {
		const text = this.#texts.get(from);
		if (text === undefined || from === to) return;
		this.#remove(from);
		this.#put(to, text);
	}

	#put(path: string, text: string): void {
		this.#texts.set(path, text);
		this.#files.write(path, text);
	}

	#remove(path: string): void {
		this.#texts.delete(path);
		this.#files.remove(path);
	}

	#pathsBelow(folder: string): string[] {
		return [...this.#texts.keys()].filter((path) => path.startsWith(`${folder}/`));
	}
}

function nodesOf(view: WorkspaceView): NodeId[] {
	return [...view.nodes()].sort();
}

test.each([
	['and nothing fails', false],
	['and models and writes fail now and then', true],
])('whatever happens during a build, %s', async (_, mayFail) => {
	const drawn = Date.now() % 1e6;
	console.info(`orders of events, seeds from ${drawn}`);
	for (const first of [1110, drawn]) for (let seed = first; seed < first + 10; seed++) await storyOf(seed, mayFail);
});

async function storyOf(seed: number, mayFail: boolean): Promise<void> {
	try {
		await new Story(seed, 60, mayFail).tell();
	} catch (error) {
		throw new Error(`seed ${seed}`, { cause: error });
	}
}
