import { expect, test } from 'vitest';
import type { Cell, KvShape } from '../../server/inference/kv-cache.ts';
import { KvPool, mostCaches } from '../../server/inference/kv-pool.ts';

const shape: KvShape = { layers: 1, kvHeads: 2, headDim: 2, maxPositions: 1000 };

/** Cells of a prompt: `n` that all prompts of `stem` share, then `m` of its own. */
function prompt(stem: string, n: number, own = '', m = 0): Cell[] {
	return [...Array.from({ length: n }, (_, i) => `${stem}${i}`), ...Array.from({ length: m }, (_, i) => `${own}${i}`)];
}

/** Reads a prompt as the generator does; the rows of a position say its cell. Returns the reused positions. */
function read(pool: KvPool, cells: readonly Cell[]): number {
	const reused = Math.min(pool.select(cells), cells.length - 1);
	const cache = pool.current;
	cache.truncate(reused);
	const fresh = cells.slice(reused);
	const row = Float32Array.from({ length: 2 * fresh.length * 2 }, (_, i) => mark(fresh[Math.floor(i / 2) % fresh.length] as Cell));
	cache.append(fresh, [row, row]);
	return reused;
}

function mark(cell: Cell): number {
	return [...String(cell)].reduce((sum, character) => (sum * 31 + character.charCodeAt(0)) % 9973, 7);
}

/** Whether every row of every head of the current cache belongs to its cell. */
function isWhole(pool: KvPool, cells: readonly Cell[]): boolean {
	const { buffers, capacity } = pool.current;
	return cells.every((cell, at) => [0, 1].every((head) => buffers[1]?.[(head * capacity + at) * 2] === mark(cell)));
}

test('two places between which the user goes back and forth keep their caches', () => {
	const pool = new KvPool(shape);
	const [a, b] = [prompt('a', 300), prompt('b', 300)];
	expect([read(pool, a), read(pool, b)]).toEqual([0, 0]);
	expect([read(pool, [...a, 'x']), read(pool, [...b, 'y']), read(pool, [...a, 'x', 'z'])]).toEqual([300, 300, 301]);
	expect(isWhole(pool, [...a, 'x', 'z'])).toBe(true);
});

test('a prompt that parts early is copied up to there, and the other one stays', () => {
	const pool = new KvPool(shape);
	const [one, two] = [prompt('s', 100, 'one', 300), prompt('s', 100, 'two', 300)];
	read(pool, one);
	expect(read(pool, two)).toBe(100);
	expect(isWhole(pool, two)).toBe(true);
	expect(read(pool, [...one, 'x'])).toBe(400);
	expect(isWhole(pool, [...one, 'x'])).toBe(true);
});

test('a generated line that was not taken costs no second cache', () => {
	const pool = new KvPool(shape, { most: 2 });
	const other = prompt('b', 300);
	read(pool, other);
	for (const line of ['p', 'q', 'r']) expect(read(pool, prompt('a', 300, line, 30))).toBe(line === 'p' ? 0 : 300);
	expect(read(pool, other)).toBe(299);
});

test('a suffix that every keystroke reads again costs no second cache', () => {
	const pool = new KvPool(shape, { most: 2, retyped: 100 });
	const other = prompt('b', 300);
	read(pool, other);
	for (const typed of ['p', 'q', 'r']) expect(read(pool, prompt('a', 300, typed, 100))).toBe(typed === 'p' ? 0 : 300);
	expect(read(pool, other)).toBe(299);
});

test('the cache used longest ago makes room', () => {
	const pool = new KvPool(shape, { most: 3 });
	for (const name of ['a', 'b', 'c', 'd']) read(pool, prompt(name, 200));
	expect(['d', 'c', 'b'].map((name) => read(pool, prompt(name, 200)))).toEqual([199, 199, 199]);
	expect(read(pool, prompt('a', 200))).toBe(0);
});

test('clearing forgets every prompt', () => {
	const pool = new KvPool(shape);
	read(pool, prompt('a', 200));
	read(pool, prompt('b', 200));
	pool.clear();
	expect([read(pool, prompt('a', 200)), read(pool, prompt('b', 200))]).toEqual([0, 0]);
});

test('a small model keeps four prompts, one of a billion parameters two', () => {
	expect(mostCaches({ layers: 6, kvHeads: 1, headDim: 64, maxPositions: 2048 })).toBe(4);
	expect(mostCaches({ layers: 28, kvHeads: 2, headDim: 128, maxPositions: 32_768 })).toBe(2);
});
