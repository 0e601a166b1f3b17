/** What every vector index does; and what the graph does besides: recall, snapshots, compaction. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { chunkId, type NodeId, type SpaceId } from '../../server/base/ids.ts';
import { createHnswIndex, loadHnswIndex } from '../../server/vector-index/hnsw-index.ts';
import { measureRecall } from '../../server/vector-index/recall.ts';
import type { VectorIndex } from '../../server/vector-index/types.ts';
import { createExactIndex } from '../support/exact-index.ts';
import { clusteredVectors } from '../support/vectors.ts';

const dimension = 64;
const id = (i: number) => chunkId('s' as SpaceId, `v${i}`);

/** Vectors by id, in clusters as those of related chunks are. */
function dataset(n: number, seed = 3): Map<NodeId, Float32Array> {
	return new Map(clusteredVectors({ n, dimension, clusters: Math.ceil(n / 40), seed }).map((vector, i) => [id(i), vector]));
}
function fill(index: VectorIndex, vectors: ReadonlyMap<NodeId, Float32Array>): VectorIndex {
	for (const [each, vector] of vectors) index.add(each, vector);
	return index;
}
const axis = (i: number) => Float32Array.from({ length: dimension }, (_, j) => (i === j ? 1 : 0));

describe.each([
	['exact', () => createExactIndex({ dimension })],
	['HNSW', () => createHnswIndex({ dimension })],
	['HNSW in many graphs', () => createHnswIndex({ dimension, graphCapacity: 64 })],
] as const)('%s index', (_, create) => {
	test('finds the nearest, best first, with cosine scores', () => {
		const vectors = dataset(500);
		const index = fill(create(), vectors);
		expect(index.size).toBe(500);
		for (const i of [0, 77, 499]) {
			const hits = index.search(vectors.get(id(i)) as Float32Array, 10);
			expect(hits.length).toBe(10);
			expect(hits[0]?.id).toBe(id(i));
			expect(hits[0]?.score).toBeCloseTo(1, 4);
			expect(hits.map((hit) => hit.score)).toEqual(hits.map((hit) => hit.score).sort((a, b) => b - a));
		}
		const opposite = index.search(
			(vectors.get(id(0)) as Float32Array).map((x) => -x),
			1,
		)[0];
		expect(opposite?.score).toBeGreaterThanOrEqual(-1.0001);
	});

	test('an empty index finds nothing; one with less than k finds all', () => {
		const index = create();
		expect(index.search(axis(0), 32)).toEqual([]);
		for (let i = 0; i < 5; i++) index.add(id(i), axis(i));
		expect(index.search(axis(0), 32).length).toBe(5);
		expect(index.search(axis(0), 0)).toEqual([]);
	});

	test('a known id is left as it is', () => {
		const index = create();
		index.add(id(0), axis(0));
		index.add(id(0), axis(1));
		expect(index.size).toBe(1);
		expect(index.search(axis(0), 1)[0]?.score).toBeCloseTo(1);
	});

	test('removed is never found, and comes back when added again', () => {
		const vectors = dataset(300);
		const index = fill(create(), vectors);
		const [first, vector] = [...vectors][0] as [NodeId, Float32Array];
		index.remove(first);
		index.remove(first);
		index.remove(id(9999));
		expect(index.has(first)).toBe(false);
		expect(index.size).toBe(299);
		expect([...index.ids()]).not.toContain(first);
		expect(index.search(vector, 299).map((hit) => hit.id)).not.toContain(first);
		index.add(first, vector);
		expect(index.has(first)).toBe(true);
		expect(index.size).toBe(300);
		expect(index.search(vector, 1)[0]?.id).toBe(first);
	});

	test('emptied and filled again', () => {
		const vectors = dataset(50);
		const index = fill(create(), vectors);
		for (const each of vectors.keys()) index.remove(each);
		expect(index.size).toBe(0);
		expect(index.search(axis(0), 5)).toEqual([]);
		index.add(id(1), axis(3));
		expect(index.search(axis(0), 5).length).toBe(1);
	});

	test('the filter leaves out, even nearly everything', () => {
		const vectors = dataset(400);
		const index = fill(create(), vectors);
		const allowed = new Set([id(3), id(200), id(399)]);
		const hits = index.search(vectors.get(id(7)) as Float32Array, 32, { filter: (each) => allowed.has(each) });
		expect(new Set(hits.map((hit) => hit.id))).toEqual(allowed);
		expect(index.search(axis(0), 32, { filter: () => false })).toEqual([]);
	});

	test('another dimension is refused by name and value', () => {
		const index = create();
		expect(() => index.add(id(0), new Float32Array(3))).toThrow('expected dimension 64, got 3');
		index.add(id(0), axis(0));
		expect(() => index.search(new Float32Array(65), 1)).toThrow('expected dimension 64, got 65');
	});
});

describe('HNSW index', () => {
	const options = { dimension };

	test('recall@32 against exact search is at least 0.95, also after a third was replaced', async () => {
		const vectors = dataset(2400);
		const index = fill(createHnswIndex(options), vectors);
		const queries = clusteredVectors({ n: 50, dimension, clusters: 60, seed: 3, skip: 2400 });
		const recall = () => measureRecall(index, { ids: vectors.keys(), vector: (each) => vectors.get(each), queries });
		const fresh = await recall();
		for (let i = 0; i < 800; i++) {
			index.remove(id(i));
			vectors.delete(id(i));
		}
		for (const [i, vector] of clusteredVectors({ n: 800, dimension, clusters: 60, seed: 3, skip: 2800 }).entries()) {
			vectors.set(id(10_000 + i), vector);
			index.add(id(10_000 + i), vector);
		}
		const churned = await recall();
		console.info(`recall@32 of 2,400 vectors: ${fresh.toFixed(4)}, after replacing a third: ${churned.toFixed(4)}`);
		expect(fresh).toBeGreaterThanOrEqual(0.95);
		expect(churned).toBeGreaterThanOrEqual(0.95);
	});

	test('gives back the vectors that it was given, in whichever graph they are', () => {
		const vectors = dataset(200);
		const index = createHnswIndex({ ...options, graphCapacity: 64 });
		fill(index, vectors);
		for (const i of [0, 100, 199])
			for (const [at, value] of (vectors.get(id(i)) as Float32Array).entries()) expect(index.vector(id(i))?.[at]).toBeCloseTo(value, 5);
		index.remove(id(100));
		expect(index.vector(id(100))).toBeUndefined();
		expect(index.vector(id(777))).toBeUndefined();
	});

	test('compaction drops the deleted, keeps what came and went meanwhile, and serves throughout', async () => {
		const vectors = dataset(2000);
		const index = createHnswIndex({ ...options, maxTombstoneShare: 0.3 });
		fill(index, vectors);
		expect(index.worthCompacting).toBe(false);
		for (let i = 0; i < 900; i++) index.remove(id(i));
		expect(index.tombstones).toBe(900);
		expect(index.worthCompacting).toBe(true);
		let steps = 0;
		await index.compact(() => {
			steps++;
			if (steps === 100) index.remove(id(1999));
			if (steps === 200) index.add(id(0), vectors.get(id(0)) as Float32Array);
			if (steps === 300) index.remove(id(900));
			if (steps % 100 === 0) expect(index.search(vectors.get(id(1500)) as Float32Array, 1)[0]?.id).toBe(id(1500));
			return steps % 50 === 0 ? Promise.resolve() : undefined;
		});
		expect(index.size).toBe(1099);
		expect(index.tombstones).toBeLessThanOrEqual(1);
		expect(index.worthCompacting).toBe(false);
		expect(index.has(id(0))).toBe(true);
		expect(index.has(id(1999))).toBe(false);
		expect(index.has(id(900))).toBe(false);
		expect(new Set(index.ids()).size).toBe(1099);
	});

	test('growth opens another graph, compaction joins what fits together, and recall stays', async () => {
		const vectors = dataset(2400);
		const index = createHnswIndex({ ...options, graphCapacity: 512, maxTombstoneShare: 0.3, minTombstones: 100 });
		fill(index, vectors);
		const queries = clusteredVectors({ n: 50, dimension, clusters: 60, seed: 3, skip: 2400 });
		const recall = () => measureRecall(index, { ids: vectors.keys(), vector: (each) => vectors.get(each), queries });
		expect(await recall()).toBeGreaterThanOrEqual(0.95);
		for (const each of [...vectors.keys()].filter((_, i) => i % 2 === 0)) {
			index.remove(each);
			vectors.delete(each);
		}
		expect(index.tombstones).toBe(1200);
		await index.compact(() => undefined);
		expect(index.worthCompacting).toBe(false);
		expect(index.tombstones).toBeLessThan(100);
		expect(new Set(index.ids())).toEqual(new Set(vectors.keys()));
		expect(await recall()).toBeGreaterThanOrEqual(0.95);
	});

	test('a compaction during which all that was deleted comes back loses nothing', async () => {
		const vectors = dataset(1000);
		const index = createHnswIndex({ ...options, graphCapacity: 1000, maxTombstoneShare: 0.3 });
		fill(index, vectors);
		for (let i = 0; i < 600; i++) index.remove(id(i));
		fill(index, new Map(clusteredVectors({ n: 300, dimension, clusters: 10, seed: 9 }).map((vector, i) => [id(20_000 + i), vector])));
		let steps = 0;
		await index.compact(() => {
			if (++steps === 350) for (let i = 0; i < 600; i++) index.add(id(i), vectors.get(id(i)) as Float32Array);
			return undefined;
		});
		expect(index.size).toBe(1300);
		for (const i of [0, 599, 999]) expect(index.search(vectors.get(id(i)) as Float32Array, 1)[0]?.id).toBe(id(i));
	});

	describe('snapshot', () => {
		const inFolder = async (work: (folder: string) => Promise<void>) => {
			const folder = mkdtempSync(join(tmpdir(), 'hef-hnsw-'));
			try {
				await work(folder);
			} finally {
				rmSync(folder, { recursive: true, force: true });
			}
		};
		const saved = async (folder: string) => {
			const vectors = dataset(1500);
			const index = createHnswIndex(options);
			fill(index, vectors);
			for (let i = 0; i < 20; i++) index.remove(id(i));
			await index.save(folder);
			return { index, vectors };
		};

		test('finds the same after loading, deleted ones stay deleted, and it goes on growing', () =>
			inFolder(async (folder) => {
				const { index, vectors } = await saved(folder);
				const loaded = await loadHnswIndex(folder, options);
				expect(loaded?.size).toBe(1480);
				expect(loaded?.tombstones).toBe(20);
				const query = vectors.get(id(5)) as Float32Array;
				expect(loaded?.search(query, 32)).toEqual(index.search(query, 32));
				loaded?.add(id(5), query);
				for (let i = 0; i < 1000; i++) loaded?.add(id(20_000 + i), vectors.get(id(i)) as Float32Array);
				expect(loaded?.search(query, 2).map((hit) => hit.id)).toContain(id(5));
				expect(loaded?.size).toBe(2481);
			}));

		test('is refused when missing, cut short, changed in one bit, or of another dimension', () =>
			inFolder(async (folder) => {
				expect(await loadHnswIndex(folder, options)).toBeUndefined();
				await saved(folder);
				expect(await loadHnswIndex(folder, { dimension: 32 })).toBeUndefined();
				expect(readdirSync(folder)).toHaveLength(3);
				for (const name of readdirSync(folder)) {
					const intact = readFileSync(join(folder, name));
					for (const damage of [
						(b: Buffer) => b.subarray(0, b.length - 9),
						(b: Buffer) => flipBit(b, Math.min(600, b.length >> 1)),
						(b: Buffer) => flipBit(b, b.length - 40),
					]) {
						writeFileSync(join(folder, name), damage(Buffer.from(intact)));
						expect(await loadHnswIndex(folder, options)).toBeUndefined();
					}
					writeFileSync(join(folder, name), intact);
				}
				expect(await loadHnswIndex(folder, options)).toBeDefined();
			}));

		test('of several graphs the intact ones are taken back, and only those with additions are written again', () =>
			inFolder(async (folder) => {
				const small = { ...options, graphCapacity: 512 };
				const index = createHnswIndex(small);
				const vectors = dataset(1300);
				fill(index, vectors);
				await index.save(folder);
				const names = () =>
					(JSON.parse(readFileSync(join(folder, 'graphs.json'), 'utf8')).graphs as { name: string }[]).map(({ name }) => name);
				const filesOf = (graphs: string[]) => ['graphs.json', ...graphs.flatMap((name) => [`${name}.hnsw`, `${name}.ids`])].sort();
				const first = names();
				expect(readdirSync(folder).sort()).toEqual(filesOf(first));
				index.remove(id(3));
				index.add(id(5000), vectors.get(id(0)) as Float32Array);
				await index.save(folder);
				expect(names()).toEqual([first[0], first[1], expect.not.stringContaining(first[2] as string)]);
				expect(readdirSync(folder).sort()).toEqual(filesOf(names()));
				const second = join(folder, `${first[1]}.hnsw`);
				writeFileSync(second, flipBit(readFileSync(second), 9000));
				const loaded = await loadHnswIndex(folder, small);
				expect(loaded?.size).toBe(1301 - 512);
				expect(loaded?.has(id(0))).toBe(true);
				expect(loaded?.has(id(600))).toBe(false);
				// Deletions are put right by whoever loads: the file may be older than they are.
				expect(loaded?.has(id(3))).toBe(true);
				fill(loaded as VectorIndex, vectors);
				await loaded?.save(folder);
				expect((await loadHnswIndex(folder, small))?.size).toBe(1301);
			}));

		test('nothing may be added while it is written', () =>
			inFolder(async (folder) => {
				const { index } = await saved(folder);
				const saving = index.save(folder);
				expect(() => index.add(id(77_777), axis(0))).toThrow('Invariant broken');
				await saving;
				index.add(id(77_777), axis(0));
			}));
	});
});

function flipBit(bytes: Buffer, at: number): Buffer {
	bytes.writeUInt8(bytes.readUInt8(at) ^ 4, at);
	return bytes;
}
