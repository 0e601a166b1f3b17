import { expect, test } from 'vitest';
import { KnownLogits } from '../../server/inference/known-logits.ts';
import { KvCache } from '../../server/inference/kv-cache.ts';

const shape = { layers: 1, kvHeads: 2, headDim: 2, maxPositions: 1000 };

/** Rows for a key and a value buffer `[kvHeads, cells, headDim]` whose numbers say head and position. */
function rows(from: number, count: number): Float32Array[] {
	const row = (sign: number) =>
		Float32Array.from(
			{ length: 2 * count * 2 },
			(_, i) => sign * (Math.floor(i / (count * 2)) * 10_000 + from + (Math.floor(i / 2) % count)),
		);
	return [row(1), row(-1)];
}

/** What the key buffer holds for a head and a position. */
function keyAt(cache: KvCache, head: number, position: number): number | undefined {
	return cache.buffers[0]?.[(head * cache.capacity + position) * 2];
}

function filled(length: number): KvCache {
	const cache = new KvCache(shape);
	cache.reserve(length);
	cache.append(
		Array.from({ length }, (_, i) => i),
		rows(0, length),
	);
	return cache;
}

test('growing keeps the rows of every head', () => {
	const cache = filled(200);
	cache.reserve(600);
	expect(cache.capacity).toBe(768);
	for (const head of [0, 1]) for (const position of [0, 100, 199]) expect(keyAt(cache, head, position)).toBe(head * 10_000 + position);
});

test('capacity grows in steps, leaves room for a line, and stops at the maximum', () => {
	const cache = new KvCache(shape);
	cache.reserve(1);
	expect(cache.capacity).toBe(128);
	cache.reserve(65);
	expect(cache.capacity).toBe(128);
	cache.reserve(129);
	expect(cache.capacity).toBe(256);
	cache.reserve(900);
	expect(cache.capacity).toBe(1000);
	expect(() => cache.reserve(1001)).toThrow(/exceed the model's 1000/);
});

test('positions written after a truncation replace the old ones', () => {
	const cache = filled(10);
	cache.truncate(4);
	expect(cache.commonPrefix([0, 1, 2, 3, 4])).toBe(4);
	cache.append(['node'], rows(77, 1));
	expect(cache.length).toBe(5);
	expect(keyAt(cache, 1, 4)).toBe(10_077);
	expect(cache.commonPrefix([0, 1, 2, 3, 'node', 5])).toBe(5);
});

test('rows of the wrong size are a bug, and leave the length alone', () => {
	const cache = filled(3);
	expect(() => cache.append([9], rows(0, 2))).toThrow(/Invariant/);
	expect(cache.length).toBe(3);
});

test('what is known is there for whatever stands behind the place where it was kept, until the cache is cut shorter', () => {
	const cache = filled(10);
	expect(cache.known).toBeUndefined();
	const known = new KnownLogits();
	const behind = (...ids: number[]) => cache.known?.behind(ids)?.[0];
	cache.keep(known);
	known.add([], Float32Array.of(1));
	known.add([10, 11], Float32Array.of(2));
	cache.append([10], rows(10, 1));
	expect([behind(), behind(11), behind(10, 11)]).toEqual([undefined, 2, undefined]);
	cache.keep(new KnownLogits());
	cache.truncate(10);
	expect([behind(), behind(10, 11)]).toEqual([1, 2]);
	cache.truncate(9);
	cache.append([9], rows(9, 1));
	expect(cache.known).toBeUndefined();
});

test('known logits: the path says whose they are, the ones asked for last are kept, in a megabyte', () => {
	const known = new KnownLogits();
	const row = (of: number) => new Float32Array(1 << 16).fill(of);
	expect(known.behind([])).toBeUndefined();
	for (const at of [1, 2, 3, 4]) known.add([at, 7], row(at));
	expect([known.behind([1, 7])?.[0], known.behind([17]), known.behind([1])]).toEqual([1, undefined, undefined]);
	known.add([5, 7], row(5));
	expect([1, 2, 3, 4, 5].map((at) => known.behind([at, 7])?.[0])).toEqual([1, undefined, 3, 4, 5]);
});

test('known logits: those of the prompt outlast what stands behind it', () => {
	const known = new KnownLogits();
	const row = (of: number) => new Float32Array(1 << 16).fill(of);
	known.add([], row(9));
	for (const at of [1, 2, 3, 4, 5, 6]) known.add([at], row(at));
	expect([known.behind([]), known.behind([1]), known.behind([6])].map((each) => each?.[0])).toEqual([9, undefined, 6]);
});

test('known logits: a row of a run does not keep the memory of the others', () => {
	const known = new KnownLogits();
	const run = Float32Array.of(1, 2, 3, 4);
	for (const at of [0, 1]) known.add([at], run.subarray(2 * at, 2 * at + 2));
	expect([0, 1].map((at) => Array.from(known.behind([at]) ?? []))).toEqual([
		[1, 2],
		[3, 4],
	]);
	expect([0, 1].map((at) => known.behind([at])?.buffer.byteLength)).toEqual([8, 8]);
});

test('known logits: a longer prompt shares its rows with the shorter one', () => {
	const known = new KnownLogits();
	const below = known.below([1]).below(['node', 23]);
	known.add([1, 2], Float32Array.of(12));
	below.add([4], Float32Array.of(4));
	expect(known.below([1]).behind([2])?.[0]).toBe(12);
	expect(below.behind([4])?.[0]).toBe(4);
	expect([known.behind([4]), known.below([1]).below(['node', 2]).behind([34])]).toEqual([undefined, undefined]);
});
