import { expect, test } from 'vitest';
import { lastResults } from '../../server/base/last-results.ts';

test('a result is made once for the same parts, and the ones asked for last are kept', () => {
	const made: string[] = [];
	const results = lastResults<string>(2);
	const ask = (...parts: unknown[]) =>
		results(parts, () => {
			made.push(parts.join());
			return `${made.length}`;
		});
	expect([ask('a', 1), ask('b', 1), ask('a', 1), ask('c', 1)]).toEqual(['1', '2', '1', '3']);
	expect([ask('a', 1), ask('b', 1)]).toEqual(['1', '4']);
	expect([ask('a'), ask('a', undefined), ask('a', 2)]).toEqual(['5', '6', '7']);
});

test('nothing is kept of a computation that failed', () => {
	const results = lastResults<string>(2);
	expect(() =>
		results(['a'], () => {
			throw new Error('no');
		}),
	).toThrow('no');
	expect(results(['a'], () => 'yes')).toBe('yes');
});
