/** A run of some benchmarks replaces their rows in the README's table and leaves the others. */
import { expect, test } from 'vitest';
import { type Bar, tableOf } from '../bench/bars.ts';
import { replaceRows } from '../bench/readme.ts';

const bar = (what: string, value: number): Bar => ({ what, values: [value], limit: { relation: '≤', value: 2 }, note: 'n' });
const readme = 'Before.\n\n<!-- index -->\n<!-- /index -->\n\nAfter.\n';

test('rows are added in order, replaced in place, and nothing else is touched', () => {
	const first = replaceRows(readme, 'index', tableOf([bar('a', 1), bar('b', 3)]));
	const second = replaceRows(first, 'index', tableOf([bar('a', 2), bar('c', 1)]));
	const rows = second.split('\n').filter((line) => line.startsWith('|'));
	expect(
		rows.map((row) =>
			row
				.split('|')
				.slice(1, 3)
				.map((cell) => cell.trim()),
		),
	).toEqual([
		['What', 'Median'],
		['---', '---'],
		['a', '2'],
		['b', '3'],
		['c', '1'],
	]);
	expect(rows[3]).toContain('| NO |');
	expect(second.startsWith('Before.\n\n<!-- index -->\n| What')).toBe(true);
	expect(second.endsWith('\n<!-- /index -->\n\nAfter.\n')).toBe(true);
	expect(() => replaceRows(readme, 'latency', tableOf([]))).toThrow('<!-- latency -->');
});
