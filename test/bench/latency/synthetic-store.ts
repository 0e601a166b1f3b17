/**
 * Stores of any size for the completion worker, without embedding anything: a hierarchy over synthetic files whose chunks lie
 * around real vectors, so that queries meet the neighbourhoods that they would meet; inner nodes are their children's mean.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ContentHash, NodeId } from '../../../server/base/ids.ts';
import type { HierarchyDelta } from '../../../server/hierarchy/types.ts';
import type { Bundle } from '../../../server/inference/bundle.ts';
import type { FileRecord, Store } from '../../../server/store/types.ts';
import { createRandom, type Random } from '../../support/random.ts';
import { unit } from '../../support/vectors.ts';
import { built, type StorePlace, storeOptions } from './server-parts.ts';

const CHUNKS_PER_FILE = 5;
const LINES_PER_CHUNK = 30;
/** Of a hierarchy over files of five chunks. */
const NODES_PER_FILE = 7;
/** Length of what is added to a real vector of length 1. */
const NOISE = 0.35;
const VECTORS_PER_WRITE = 5000;

type LmdbStore = typeof import('../../../server/store/lmdb-store.ts');

/** Vectors of an index that is there. */
export async function storedVectors(place: StorePlace & { most: number }): Promise<Float32Array[]> {
	const { existingStorePath, openStoreReader } = await built<LmdbStore>('store/lmdb-store');
	const options = await storeOptions(place);
	const path = existingStorePath(options.folder);
	if (path === undefined) throw new Error(`${place.folder} has no index`);
	const reader = openStoreReader({ ...options, path });
	const vectors: Float32Array[] = [];
	for (const id of reader.vectorIds()) {
		const vector = vectors.length < place.most ? reader.getVector(id) : undefined;
		if (vector) vectors.push(vector);
	}
	await reader.close();
	return vectors;
}

export interface SyntheticWorkspace {
	folder: string;
	storePath: string;
	nNodes: number;
	nFiles: number;
}

export interface SyntheticOptions {
	bundle: Bundle;
	cacheFolder: string;
	/** About so many nodes. */
	nNodes: number;
	/** Real vectors, at least one. */
	around: readonly Float32Array[];
}

/** An empty folder with a full store, filled unless an earlier run did. */
export async function syntheticWorkspace({ bundle, cacheFolder, nNodes, around }: SyntheticOptions): Promise<SyntheticWorkspace> {
	const folder = join(cacheFolder, 'synthetic', String(nNodes));
	mkdirSync(folder, { recursive: true });
	const { openStore } = await built<LmdbStore>('store/lmdb-store');
	const { createHierarchy } = await built<typeof import('../../../server/hierarchy/hierarchy.ts')>('hierarchy/hierarchy');
	const store = await openStore(await storeOptions({ bundle, cacheFolder, folder }));
	const hierarchy = createHierarchy({ spaceId: bundle.spaceId });
	const random = createRandom(nNodes);
	const files = Array.from({ length: Math.round(nNodes / NODES_PER_FILE) }, (_, n) => syntheticFile(n, random));
	for (const [path, record] of files) hierarchy.setFile(path, record.chunks);
	const delta = hierarchy.commit();
	if (store.getMeta('synthetic') !== String(hierarchy.nodeCount)) {
		await writeVectors(store, delta, around, random);
		await store.write({ files, meta: [['synthetic', String(hierarchy.nodeCount)]] });
	}
	const { path: storePath } = store;
	await store.close();
	return { folder, storePath, nNodes: hierarchy.nodeCount, nFiles: files.length };
}

function syntheticFile(n: number, random: Random): [path: string, record: FileRecord] {
	const path = `packages/part${Math.floor(n / 400)}/src/area${Math.floor(n / 20) % 20}/module${n}.ts`;
	const chunks = Array.from({ length: CHUNKS_PER_FILE }, (_, i) => {
		const startLine = i * LINES_PER_CHUNK;
		const endLine = startLine + LINES_PER_CHUNK - 1;
		return { id: randomHex(random) as NodeId, startOffset: startLine * 40, endOffset: (endLine + 1) * 40, startLine, endLine };
	});
	const entities = chunks.map(({ startLine }, i) => ({ name: `Module${n}.method${i}`, line: startLine }));
	return [path, { contentHash: randomHex(random) as ContentHash, sizeBytes: 6000, mtimeMs: 1, chunks, entities }];
}

function randomHex(random: Random): string {
	return Array.from({ length: 4 }, () =>
		random
			.below(2 ** 32)
			.toString(16)
			.padStart(8, '0'),
	).join('');
}

async function writeVectors(store: Store, { addedChunks, addedNodes }: HierarchyDelta, around: readonly Float32Array[], random: Random) {
	const vectors = new Map<NodeId, Float32Array>();
	let batch: [NodeId, Float32Array][] = [];
	const add = async (id: NodeId, vector: Float32Array) => {
		vectors.set(id, vector);
		batch.push([id, vector]);
		if (batch.length < VECTORS_PER_WRITE) return;
		await store.write({ vectors: batch });
		batch = [];
	};
	for (const id of addedChunks) {
		const centre = random.pick(around);
		const scale = NOISE / Math.sqrt(centre.length);
		await add(id, unit(centre.map((value) => value + scale * random.normal())));
	}
	for (const { id, children } of addedNodes) await add(id, mean(children.map((child) => vectors.get(child) as Float32Array)));
	await store.write({ vectors: batch });
}

/** Mean of at least one vector, at length 1. */
export function mean(vectors: readonly Float32Array[]): Float32Array {
	const sum = new Float32Array(vectors[0]?.length ?? 0);
	for (const vector of vectors) for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + (vector[i] as number);
	return unit(sum);
}
