/**
 * A process of its own for measuring memory: `make FOLDER NODES DIMENSION` writes a store of so many nodes and a snapshot of its
 * graph; `open FOLDER DIMENSION` opens it as both workers do, without models, and prints what that takes as JSON.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../server/base/clock.ts';
import { chunkId, type NodeId, type SpaceId } from '../../server/base/ids.ts';
import { silentLogger } from '../../server/base/logger.ts';
import { createHierarchy } from '../../server/hierarchy/hierarchy.ts';
import { createIndexer } from '../../server/indexing/indexer.ts';
import { openWorkspaceView } from '../../server/retrieval/view.ts';
import { existingStorePath, openStore } from '../../server/store/lmdb-store.ts';
import type { FileRecord } from '../../server/store/types.ts';
import { createHnswIndex } from '../../server/vector-index/hnsw-index.ts';
import { createFakeChunker, createFakeWorkspace, fakeTokenizer } from './fakes.ts';
import { createMonorepo } from './monorepo.ts';
import { latentVectors } from './vectors.ts';

const spaceId = 'memory' as SpaceId;
const CHUNKS_PER_FILE = 10;
const ENTITIES_PER_FILE = 8;

/** What opening took. */
export interface MemoryReport {
	nodes: number;
	/** Resident memory beyond the empty process. */
	bytes: number;
	/** The part of it that is the store's file, mapped: the system takes it back when it needs it. */
	mappedBytes: number;
	/** The store's file: a check of every vector maps all of it. */
	storeBytes: number;
}

function recordOf(file: number): FileRecord {
	const chunks = Array.from({ length: CHUNKS_PER_FILE }, (_, i) => ({
		id: chunkId(spaceId, `${file} ${i}`),
		startOffset: 700 * i,
		endOffset: 700 * (i + 1),
		startLine: 22 * i,
		endLine: 22 * i + 21,
	}));
	const entities = Array.from({ length: ENTITIES_PER_FILE }, (_, i) => ({ name: `Type${file}.method${i}`, line: 25 * i }));
	return { contentHash: chunkId(spaceId, `${file}`) as never, sizeBytes: 7000, mtimeMs: 1, chunks, entities };
}

/** Inner nodes are about a third of all. */
async function make(folder: string, nodes: number, dimension: number): Promise<void> {
	const files = Math.ceil((nodes * 0.69) / CHUNKS_PER_FILE);
	const { paths } = createMonorepo({ files, seed: 61 });
	const records = paths.map((path, file) => [path, recordOf(file)] as const);
	const tree = createHierarchy({ spaceId });
	for (const [path, { chunks }] of records) tree.setFile(path, chunks);
	tree.commit();
	const vectorAt = latentVectors({ dimension, clusters: nodes >> 6, seed: 62 });
	const store = await openStore({ folder, spaceId, dimension });
	// Quick to build, and as large as any other.
	const index = createHnswIndex({ dimension, efConstruction: 24 });
	let batch: [NodeId, Float32Array][] = [];
	let n = 0;
	for (const id of tree.ids()) {
		const vector = vectorAt(n++);
		index.add(id, vector);
		if (batch.push([id, vector]) < 4096) continue;
		await store.write({ vectors: batch });
		batch = [];
	}
	await store.write({ vectors: batch, files: records });
	await index.save(join(store.path, 'hnsw'));
	await store.close();
}

async function open(folder: string, dimension: number): Promise<MemoryReport> {
	const before = resident();
	const store = await openStore({ folder, spaceId, dimension });
	const hierarchy = createHierarchy({ spaceId });
	const never = () => Promise.reject(new Error('no model is needed'));
	const indexer = await createIndexer({
		workspace: createFakeWorkspace(),
		store,
		hierarchy,
		chunker: createFakeChunker(),
		tokenizer: async () => fakeTokenizer,
		spaceId,
		embedder: never,
		fuser: never,
		gate: { idle: async () => {} },
		clock: systemClock,
		logger: silentLogger,
		events: { published() {}, progress() {}, updated() {} },
	});
	const view = await openWorkspaceView({ storePath: existingStorePath(folder) as string, bundle: { spaceId, dimension } });
	await view.settled();
	const queryAt = latentVectors({ dimension, clusters: view.size >> 6, seed: 62 });
	for (let n = 0; n < 200; n++) for (const { id } of view.search(queryAt(1e6 + n), 48)) view.vector(id);
	const after = resident();
	const report = {
		nodes: view.size,
		bytes: after.all - before.all,
		mappedBytes: after.mapped - before.mapped,
		storeBytes: store.sizeBytes(),
	};
	await view.close();
	await indexer.close();
	return report;
}

function resident(): { all: number; mapped: number } {
	for (let i = 0; i < 3; i++) (globalThis as { gc?: () => void }).gc?.();
	return { all: process.memoryUsage.rss(), mapped: mappedBytes() };
}

/** Known on Linux alone. */
function mappedBytes(): number {
	try {
		return Number(/^RssFile:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? 0) * 1024;
	} catch {
		return 0;
	}
}

const [mode, folder, ...numbers] = process.argv.slice(2);
if (mode === 'make') await make(folder as string, Number(numbers[0]), Number(numbers[1]));
else console.log(JSON.stringify(await open(folder as string, Number(numbers[0]))));
