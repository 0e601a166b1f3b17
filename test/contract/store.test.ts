/** What every store does, and what the one on disk does besides: share, survive and recover. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { open } from 'lmdb';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { chunkId, contentHash, type SpaceId } from '../../server/base/ids.ts';
import { fromFloat16, toFloat16 } from '../../server/store/float16.ts';
import { openStore, openStoreReader, workspaceCacheFolder } from '../../server/store/lmdb-store.ts';
import { openEnvironment } from '../../server/store/open-environment.ts';
import { isAtRest, noteUnrest } from '../../server/store/rest.ts';
import type { FileRecord, Store, StoreReader } from '../../server/store/types.ts';
import { createMemoryStore } from '../support/memory-store.ts';
import { createRandom } from '../support/random.ts';

const spaceId = 'space-a' as SpaceId;
const dimension = 24;
const random = createRandom(5);

function unitVector(): Float32Array {
	const vector = Float32Array.from({ length: dimension }, () => random.normal());
	const norm = Math.hypot(...vector);
	return vector.map((value) => value / norm);
}
const id = (text: string) => chunkId(spaceId, text);

function record(text: string, chunks = 1): FileRecord {
	return {
		contentHash: contentHash(text),
		sizeBytes: text.length,
		mtimeMs: 1_700_000_000_123.5,
		chunks: Array.from({ length: chunks }, (_, i) => ({
			id: id(`${text}${i}`),
			startOffset: i * 10,
			endOffset: i * 10 + 10,
			startLine: i,
			endLine: i + 1,
		})),
		entities: [{ name: 'Großes.Ding', line: 3 }],
	};
}

function close(a: Float32Array | undefined, b: Float32Array): void {
	expect(a?.length).toBe(b.length);
	for (const [i, value] of b.entries()) expect(a?.[i]).toBeCloseTo(value, 3);
}

let folder = '';
let stores: { close(): Promise<void> }[] = [];
beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), 'hef-store-'));
	stores = [];
});
afterEach(async () => {
	for (const store of stores) await store.close();
	rmSync(folder, { recursive: true, force: true });
});
const keep = <T extends { close(): Promise<void> }>(store: T): T => {
	stores.push(store);
	return store;
};
const onDisk = async (space = spaceId) => keep(await openStore({ folder, spaceId: space, dimension }));

const drivers: [string, () => Promise<Store>][] = [
	['memory', async () => createMemoryStore()],
	['LMDB', () => onDisk()],
];

describe.each(drivers)('%s store', (_, create) => {
	test('gives back what was written, and forgets what was removed', async () => {
		const store = await create();
		const vector = unitVector();
		const a = record('a', 3);
		await store.write({ files: [['src/a.ts', a]], vectors: [[id('v'), vector]], meta: [['k', 'v']] });
		expect(store.getFile('src/a.ts')).toEqual(a);
		close(store.getVector(id('v')), vector);
		expect(store.hasVector(id('v'))).toBe(true);
		expect(store.getMeta('k')).toBe('v');
		await store.write({ files: [['src/a.ts', null]], vectors: [[id('v'), null]], meta: [['k', null]] });
		expect(store.getFile('src/a.ts')).toBeUndefined();
		expect(store.getVector(id('v'))).toBeUndefined();
		expect(store.hasVector(id('v'))).toBe(false);
		expect(store.getMeta('k')).toBeUndefined();
	});

	test('a file without chunks and entities is a record like any other', async () => {
		const store = await create();
		const empty = { ...record(''), chunks: [], entities: [] };
		const skipped = { ...empty, skipped: 'binary' };
		await store.write({
			files: [
				['empty.txt', empty],
				['image.txt', skipped],
			],
		});
		expect(store.getFile('empty.txt')).toEqual(empty);
		expect(store.getFile('image.txt')).toEqual(skipped);
	});

	test('lists files in UTF-8 byte order, more than fit into one read', async () => {
		const store = await create();
		const paths = ['Z', 'a/b', 'a.ts', 'é', '\u{ff5e}', '\u{1f600}', ...Array.from({ length: 1500 }, (_, i) => `many/${i}.ts`)];
		await store.write({ files: paths.map((path) => [path, record(path)] as const) });
		const sorted = paths.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
		expect([...store.files()].map(([path]) => path)).toEqual(sorted);
	});

	test('summaries and chunks of the files say what the records say', async () => {
		const store = await create();
		const files = Array.from({ length: 600 }, (_, i) => [`dir/${i}.ts`, { ...record(`${i}`), mtimeMs: 1e12 + i / 3 }] as const);
		const odd: [string, FileRecord][] = [
			['binary.ts', { ...record('b'), chunks: [], entities: [], skipped: 'binary' }],
			['empty.ts', { ...record('e'), chunks: [], entities: [], mtimeMs: 0 }],
			['names.ts', { ...record('n'), entities: [{ name: '","skipped":"binary"}', line: 3 }] }],
			['old.ts', { ...record('o'), mtimeMs: -1.5e-7, sizeBytes: 2 ** 40 }],
		];
		await store.write({ files: [...files, ...odd] });
		const all = [...store.files()];
		expect(all).toHaveLength(604);
		for (const [i, [path, summary]] of [...store.summaries()].entries()) {
			const [expectedPath, { contentHash, sizeBytes, mtimeMs, skipped }] = all[i] as (typeof all)[number];
			expect([path, { ...summary }]).toMatchObject([expectedPath, { contentHash, sizeBytes, mtimeMs }]);
			expect(summary.skipped).toBe(skipped);
		}
		for (const [i, [path, file]] of [...store.chunks()].entries()) {
			const [expectedPath, { chunks, skipped }] = all[i] as (typeof all)[number];
			expect([path, file.chunks, file.skipped]).toEqual([expectedPath, chunks, skipped]);
		}
		expect([[...store.summaries()].length, [...store.chunks()].length]).toEqual([604, 604]);
	});

	test('lists the ids of vectors', async () => {
		const store = await create();
		const ids = Array.from({ length: 700 }, (_, i) => id(`v${i}`));
		await store.write({ vectors: ids.map((each) => [each, unitVector()] as const) });
		expect([...store.vectorIds()].sort()).toEqual(ids.sort());
	});

	test('a batch with something that cannot be stored changes nothing', async () => {
		const store = await create();
		const tooLong = 'x'.repeat(1901);
		await expect(
			store.write({
				files: [
					['fine.ts', record('fine')],
					[tooLong, record('no')],
				],
			}),
		).rejects.toThrow(RangeError);
		expect(store.getFile('fine.ts')).toBeUndefined();
		expect(store.getFile(tooLong)).toBeUndefined();
	});

	test('writes started together all land, the last one winning', async () => {
		const store = await create();
		await Promise.all(Array.from({ length: 20 }, (_, i) => store.write({ meta: [['n', String(i)]], files: [[`f${i}`, record(`f${i}`)]] })));
		expect(store.getMeta('n')).toBe('19');
		expect([...store.files()].length).toBe(20);
	});

	test('clear empties it, and it goes on working', async () => {
		const store = await create();
		await store.write({ files: [['a', record('a')]], vectors: [[id('v'), unitVector()]], meta: [['k', 'v']] });
		await store.clear();
		expect([...store.files()]).toEqual([]);
		expect([...store.vectorIds()]).toEqual([]);
		expect(store.getMeta('k')).toBeUndefined();
		await store.write({ files: [['b', record('b')]] });
		expect([...store.files()].length).toBe(1);
	});
});

describe('LMDB store on disk', () => {
	test('keeps everything across a reopening', async () => {
		const vector = unitVector();
		const store = await openStore({ folder, spaceId, dimension });
		await store.write({ files: [['a.ts', record('a')]], vectors: [[id('v'), vector]] });
		await store.close();
		const again = await onDisk();
		expect(again.getFile('a.ts')).toEqual(record('a'));
		close(again.getVector(id('v')), vector);
		expect(again.recovered).toEqual([]);
	});

	test('a reader sees later writes, and keeps the old content after a clear', async () => {
		const store = await onDisk();
		await store.write({ files: [['a.ts', record('a')]] });
		const reader = keep(openStoreReader({ path: store.path, spaceId, dimension }));
		expect(reader.getFile('a.ts')).toBeDefined();
		await store.write({ files: [['b.ts', record('b')]] });
		reader.refresh();
		expect(reader.getFile('b.ts')).toBeDefined();
		const before = store.path;
		await store.clear();
		expect(store.path).not.toBe(before);
		expect(existsSync(before)).toBe(false);
		reader.refresh();
		expect(reader.getFile('a.ts')).toBeDefined();
		expect(keep(openStoreReader({ path: store.path, spaceId, dimension })).getFile('a.ts')).toBeUndefined();
	});

	test('a store and its readers share what one thread has open; each is closed by itself', async () => {
		const store = await onDisk();
		const readers = [0, 1].map(() => openStoreReader({ path: store.path, spaceId, dimension })) as [StoreReader, StoreReader];
		await readers[0].close();
		await readers[0].close();
		await store.write({ files: [['a.ts', record('a')]] });
		await store.close();
		readers[1].refresh();
		expect(readers[1].getFile('a.ts')).toBeDefined();
		await readers[1].close();
		expect(() => readers[1].getFile('a.ts')).toThrow();
		expect((await onDisk()).getFile('a.ts')).toBeDefined();
	});

	test('a store in place of a deleted one that somebody still reads is another', async () => {
		const store = await openStore({ folder, spaceId, dimension });
		await store.write({ files: [['a.ts', record('a')]] });
		const reader = keep(openStoreReader({ path: store.path, spaceId, dimension }));
		await store.close();
		rmSync(folder, { recursive: true });
		const other = await onDisk();
		expect(other.path).toBe(store.path);
		expect([other, reader].map((each) => each.getFile('a.ts') !== undefined)).toEqual([false, true]);
	});

	test('there is nothing to read where no store is', () => {
		expect(() => openStoreReader({ path: join(folder, 'nowhere'), spaceId, dimension })).toThrow(/hef\.cacheFolder/);
	});

	test('clear frees the disk', async () => {
		const store = await onDisk();
		await store.write({ vectors: Array.from({ length: 5000 }, (_, i) => [id(`v${i}`), unitVector()] as const) });
		const full = store.sizeBytes();
		await store.clear();
		expect(store.sizeBytes()).toBeLessThan(full / 5);
		const onDiskBytes = readdirSync(folder, { recursive: true, encoding: 'utf8' })
			.map((name) => statSync(join(folder, name)))
			.reduce((sum, stats) => sum + (stats.isFile() ? stats.size : 0), 0);
		expect(onDiskBytes).toBeLessThan(full / 5);
	});

	test('another vector space: records go, vectors stay but are misses, and are hits again on the way back', async () => {
		const vector = unitVector();
		let store = await openStore({ folder, spaceId, dimension });
		await store.write({ files: [['a.ts', record('a')]], vectors: [[id('v'), vector]] });
		await store.close();
		store = await openStore({ folder, spaceId: 'space-b' as SpaceId, dimension });
		expect(store.getFile('a.ts')).toBeUndefined();
		expect(store.getVector(id('v'))).toBeUndefined();
		await store.close();
		store = await onDisk();
		expect(store.getFile('a.ts')).toBeUndefined();
		close(store.getVector(id('v')), vector);
	});

	test('another dimension is a miss', async () => {
		const store = await openStore({ folder, spaceId, dimension });
		await store.write({ vectors: [[id('v'), unitVector()]] });
		await store.close();
		const other = keep(await openStore({ folder, spaceId, dimension: dimension + 8 }));
		expect(other.hasVector(id('v'))).toBe(false);
	});

	test.each([
		['garbage', (file: string) => writeFileSync(file, Buffer.alloc(100_000, 7))],
		['an empty file', (file: string) => truncateSync(file, 0)],
		['half of the file', (file: string) => truncateSync(file, Math.floor(statSync(file).size / 2))],
	])('%s in place of the data is moved aside, reported, and begun anew', async (_, damage) => {
		const store = await openStore({ folder, spaceId, dimension });
		await store.write({ vectors: Array.from({ length: 5000 }, (_, i) => [id(`v${i}`), unitVector()] as const) });
		const data = join(store.path, 'data.mdb');
		await store.close();
		damage(data);
		const again = await onDisk();
		expect(again.recovered.join()).toMatch(/damaged .* is being rebuilt/);
		expect(existsSync(join(folder, 'damaged', 'data.mdb'))).toBe(true);
		await again.write({ files: [['a.ts', record('a')]] });
		expect(again.getFile('a.ts')).toBeDefined();
	});

	test('at rest between writes and after closing; not in a write, nor after one that failed', async () => {
		const store = await openStore({ folder, spaceId, dimension });
		expect(isAtRest(store.path)).toBe(true);
		const seen: boolean[] = [];
		const watched = {
			*[Symbol.iterator]() {
				seen.push(isAtRest(store.path));
				yield* ['key', 'value'];
			},
		};
		await store.write({ meta: [watched as Iterable<string> as [string, string]] });
		expect(seen).toEqual([false]);
		expect(isAtRest(store.path)).toBe(true);
		await store.compact();
		expect(isAtRest(store.path)).toBe(true);
		const fail = () => expect(store.write({ meta: [['x'.repeat(4000), 'a key that is too long']] })).rejects.toThrow();
		await fail();
		// Another environment knows nothing of it.
		await store.clear();
		expect(isAtRest(store.path)).toBe(true);
		await fail();
		await store.write({ vectors: [[id('after'), unitVector()]] });
		expect(isAtRest(store.path)).toBe(false);
		await store.close();
		expect(isAtRest(store.path)).toBe(false);
	});

	test.each(['vectors', 'files'])('when the name of the %s changes, they are lost, and that is said', async (name) => {
		const store = await openStore({ folder, spaceId, dimension });
		await store.write({ vectors: [[id('v'), unitVector()]], files: [['a.ts', record('a')]] });
		const data = join(store.path, 'data.mdb');
		await store.close();
		const bytes = readFileSync(data);
		for (let at = bytes.indexOf(name); at >= 0; at = bytes.indexOf(name, at + 1)) bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
		writeFileSync(data, bytes);
		const again = await onDisk();
		expect(again.recovered).toEqual([expect.stringContaining(`its ${name} are missing`)]);
		expect([again.hasVector(id('v')), again.getFile('a.ts') !== undefined]).toEqual([name === 'files', name === 'vectors']);
		expect(existsSync(join(folder, 'damaged', 'data.mdb'))).toBe(true);
	});

	test('to read an environment that is gone makes no folder', () => {
		const path = join(folder, 'index-1');
		expect(() => openEnvironment(path, { readOnly: true })).toThrow('no index');
		expect(existsSync(path)).toBe(false);
	});

	test('what was left in the middle of a write is copied whole, and nothing is said of it', async () => {
		const vectors = Array.from({ length: 300 }, (_, i) => [id(`v${i}`), unitVector()] as const);
		const store = await openStore({ folder, spaceId, dimension });
		await store.write({ vectors, files: [['a.ts', record('a', 5)]], meta: [['key', 'välue']] });
		mkdirSync(join(store.path, 'hnsw'));
		writeFileSync(join(store.path, 'hnsw', 'graphs.json'), '{}');
		await store.close();
		noteUnrest(store.path);
		const again = await onDisk();
		expect(again.recovered).toEqual([]);
		expect(again.path).not.toBe(store.path);
		expect(readdirSync(folder)).toEqual([basename(again.path)]);
		expect(readdirSync(join(again.path, 'hnsw'))).toEqual(['graphs.json']);
		for (const [each, vector] of vectors) close(again.getVector(each), vector);
		expect(again.getFile('a.ts')).toEqual(record('a', 5));
		expect(again.getMeta('key')).toBe('välue');
	});

	test('of three processes in a row that did not close it, the next one copies it', async () => {
		const paths: string[] = [];
		for (let start = 0; start < 4; start++) {
			// Left open, as a killed process leaves it.
			const store = await onDisk();
			await store.write({ vectors: [[id(`v${start}`), unitVector()]] });
			paths.push(store.path);
		}
		expect(new Set(paths.slice(0, 3)).size).toBe(1);
		expect(paths[3]).not.toBe(paths[2]);
	});

	test('another schema: records and metadata go, vectors stay', async () => {
		const vector = unitVector();
		const store = await openStore({ folder, spaceId, dimension });
		await store.write({ files: [['a.ts', record('a')]], vectors: [[id('v'), vector]], meta: [['key', 'value']] });
		await store.close();
		const root = open({ path: store.path, encoding: 'string' });
		await root.put('schema', '0');
		await root.close();
		const again = await onDisk();
		expect([...again.files()]).toEqual([]);
		expect(again.getMeta('key')).toBeUndefined();
		close(again.getVector(id('v')), vector);
		expect(again.recovered).toEqual([]);
	});

	test('a flipped bit in a value is a miss, never another vector', async () => {
		const vectors = new Map(Array.from({ length: 400 }, (_, i) => [id(`v${i}`), unitVector()] as const));
		const store = await openStore({ folder, spaceId, dimension });
		await store.write({ vectors, files: [['a.ts', record('a', 5)]] });
		const data = join(store.path, 'data.mdb');
		await store.close();
		const bytes = readFileSync(data);
		for (const vector of [...vectors.values()].slice(0, 200)) {
			// The first half of each vector, as it lies in the file.
			const at = bytes.indexOf(Buffer.from(toFloat16(vector).buffer).subarray(0, dimension)) + random.below(dimension);
			bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << random.below(8)), at);
		}
		writeFileSync(data, bytes);
		const again = await onDisk();
		let misses = 0;
		for (const [each, vector] of vectors) {
			const found = again.getVector(each);
			expect(again.hasVector(each)).toBe(found !== undefined);
			if (found) close(found, vector);
			else misses++;
		}
		expect(misses).toBe(200);
	});

	test('a folder that cannot be made says what to do', async () => {
		writeFileSync(join(folder, 'file'), '');
		await expect(openStore({ folder: join(folder, 'file', 'below'), spaceId, dimension })).rejects.toMatchObject({
			code: 'cache-unavailable',
			message: expect.stringContaining('hef.cacheFolder'),
		});
	});

	test('one cache folder for each real path', () => {
		expect(workspaceCacheFolder('/cache', folder)).toBe(workspaceCacheFolder('/cache', join(folder, '.')));
		expect(workspaceCacheFolder('/cache', folder)).not.toBe(workspaceCacheFolder('/cache', tmpdir()));
	});
});

test('half precision: round trip, rounding, signs and tiny values', () => {
	const values = Float32Array.from([0, -0, 1, -1, 0.333333, 2 ** -14, 2 ** -24, -(2 ** -20), 1e-9, 0.99951171875, 1.00048828125]);
	const back = fromFloat16(new Uint8Array(toFloat16(values).buffer));
	for (const [i, value] of values.entries())
		expect(Math.abs((back[i] as number) - value)).toBeLessThanOrEqual(Math.max(Math.abs(value) * 2 ** -11, 2 ** -25));
	// Known bit patterns, and ties to even.
	expect([...toFloat16(Float32Array.from([1, -2, 0.5, 2 ** -14, 2 ** -24, 1 + 2 ** -11, 1 + 3 * 2 ** -11]))]).toEqual([
		0x3c00, 0xc000, 0x3800, 0x0400, 0x0001, 0x3c00, 0x3c02,
	]);
});
