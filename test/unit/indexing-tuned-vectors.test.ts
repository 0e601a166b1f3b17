import { join } from 'node:path';
import { expect, test } from 'vitest';
import { chunkId, type NodeId, type SpaceId, tunedId } from '../../server/base/ids.ts';
import { createHierarchy } from '../../server/hierarchy/hierarchy.ts';
import { Garbage } from '../../server/indexing/garbage.ts';
import { importVectors } from '../../server/indexing/import-vectors.ts';
import type { Manifest } from '../../server/inference/manifest.ts';
import { createWorkspaceView } from '../../server/retrieval/view.ts';
import { createClaims } from '../../server/store/claim.ts';
import { openStore, storeFormat, workspaceCacheFolder } from '../../server/store/lmdb-store.ts';
import { withTunedBundle } from '../../server/store/tuned.ts';
import { createHnswIndex } from '../../server/vector-index/hnsw-index.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const spaceId = 'space' as SpaceId;
const dimension = 4;
const bundle = { bundleId: 'b1', spaceId, manifest: { embedder: { dimension } } as Manifest };
const [one, two] = ['one', 'two'].map((text) => chunkId(spaceId, text)) as [NodeId, NodeId];
const own = Float32Array.of(1, 0, 0, 0);
const header = { format: 'hef-tuned-vectors', version: 1, bundle: 'b1', space: 'space', dimension };
const fileOf = (...rows: object[]) => rows.map((row) => JSON.stringify(row)).join('\n');

/** A workspace whose index holds the vectors of two chunks. */
async function indexed() {
	const folder = temporaryFolder({ 'repo/a.py': 'one' });
	const place = { folder: join(folder, 'repo'), cacheFolder: join(folder, 'cache') };
	const open = () => openStore({ folder: workspaceCacheFolder(place.cacheFolder, place.folder), spaceId, dimension });
	const store = await open();
	await store.write({ vectors: [one, two].map((id) => [id, own] as const) });
	await store.close();
	return { place, open };
}

test('a tuned vector is projected and never searched, and another bundle does not see it', async () => {
	const { place, open } = await indexed();
	const text = fileOf(header, { id: one, vector: [0, 0, 0.6, 0.8] }, { id: chunkId(spaceId, 'gone'), vector: [1, 0, 0, 0] });
	expect(await importVectors({ ...place, bundle, text })).toEqual({ imported: 1, unknown: 1 });
	const store = await open();
	const view = (bundleId?: string) =>
		createWorkspaceView({
			store,
			hierarchy: createHierarchy({ spaceId }),
			vectorIndex: createHnswIndex({ dimension }),
			...(bundleId ? { bundleId } : {}),
		});
	expect([...(view('b1').vector(one) ?? [])].map((x) => Math.round(10 * x))).toEqual([0, 0, 6, 8]);
	expect(view('b1').vector(two)).toEqual(own);
	for (const other of [view('b2'), view()]) expect(other.vector(one)).toEqual(own);
	expect(store.getVector(one)).toEqual(own);
	await store.close();
});

test('an index that another process builds is left alone, and whoever comes meanwhile waits', async () => {
	const { place, open } = await indexed();
	const claims = createClaims({ folder: workspaceCacheFolder(place.cacheFolder, place.folder), space: storeFormat(spaceId) });
	const taken = claims.take();
	const text = fileOf(header, { id: one, vector: [0, 1, 0, 0] });
	await expect(importVectors({ ...place, bundle, text })).rejects.toThrow(`open in process ${process.pid}`);
	if ('claim' in taken) taken.claim.release();
	const imported = importVectors({ ...place, bundle, text });
	expect(claims.builder()).toMatchObject({ state: 'opening' });
	expect(await imported).toEqual({ imported: 1, unknown: 0 });
	expect(claims.builder()).toBeUndefined();
	const store = await open();
	expect(store.hasVector(tunedId('b1', one))).toBe(true);
	await store.close();
});

test('garbage collection keeps tuned vectors as long as their chunk', async () => {
	const { place, open } = await indexed();
	const rows = [one, two].map((id) => ({ id, vector: [0, 1, 0, 0] }));
	await importVectors({ ...place, bundle, text: fileOf(header, ...rows) });
	const store = await open();
	expect(await new Garbage(store, { nodeCount: 1, has: (id) => id === one }).collect(async () => {}, true)).toBe(2);
	expect([...store.vectorIds()].sort()).toEqual([one, tunedId('b1', one)].sort());
	await store.close();
});

test.each([
	['another bundle', fileOf({ ...header, bundle: 'b2' }), /line 1.*bundle is "b2"/],
	['another dimension', fileOf({ ...header, dimension: 8 }), /line 1.*dimension/],
	['a vector that is not of length 1', fileOf(header, { id: one, vector: [1, 1, 0, 0] }), /line 2.*length/],
	['a vector with a hole', fileOf(header, { id: one, vector: [1, null, 0, 0] }), /line 2.*4 numbers/],
	['something else', 'no JSON', /line 1.*JSON/],
])('%s is refused, and nothing is written', async (_, text, message) => {
	const { place, open } = await indexed();
	await expect(importVectors({ ...place, bundle, text })).rejects.toThrow(message);
	const store = await open();
	expect([...store.vectorIds()]).toHaveLength(2);
	await store.close();
});

test('a folder without an index is told so', async () => {
	const folder = temporaryFolder();
	await expect(importVectors({ folder, cacheFolder: join(folder, 'cache'), bundle, text: fileOf(header) })).rejects.toThrow(/no index/);
});

test('tuned vectors are looked for where some were imported, and as soon as that shows', async () => {
	const { open } = await indexed();
	const store = await open();
	const asked: NodeId[] = [];
	const getVector = store.getVector.bind(store);
	store.getVector = (id) => {
		asked.push(id);
		return getVector(id);
	};
	const options = { hierarchy: createHierarchy({ spaceId }), vectorIndex: createHnswIndex({ dimension }), bundleId: 'b1' };
	const view = createWorkspaceView({ store, ...options });
	expect(view.vector(one)).toEqual(own);
	expect(asked).toEqual([one]);
	const tuned = Float32Array.of(0, 1, 0, 0);
	await store.write({ vectors: [[tunedId('b1', one), tuned]], meta: [withTunedBundle(store, 'b1')] });
	await view.apply([]);
	expect(view.vector(one)).toEqual(tuned);
	await view.close();
});
