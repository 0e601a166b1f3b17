import { describe, expect, test } from 'vitest';
import { createDebouncePolicy, editorWaits } from '../../server/lsp/debounce.ts';

/** A policy after keystrokes `pauseMs` apart and answers of `answerMs`. */
function typedAt(pauseMs: number, answerMs: number, { maxMs = 1000, waits = false } = {}) {
	let now = 5000;
	const policy = createDebouncePolicy({ maxMs: () => maxMs, editorWaits: waits, now: () => now });
	for (let n = 0; n < 5; n++) {
		policy.typed('a');
		now += pauseMs;
		policy.answered(answerMs);
	}
	const wait = (line: string, explicit = false) => {
		const [before = '', rest = ''] = line.split('$0');
		return policy.waitFor({ uri: 'a', explicit, before, after: rest });
	};
	return { policy, wait };
}

describe('the wait before a computation', () => {
	test('is none while answers come faster than keystrokes', () => {
		expect(typedAt(120, 40).wait('const val$0')).toBe(0);
		expect(typedAt(120, 120).wait('const val$0')).toBe(0);
	});

	test.each([
		['in the middle of a word, before other text', 'foo(val$0 + b)', 3 * 100 - 150],
		['behind a word, at the end of the line', 'const val$0', 2.25 * 100 - 150],
		['behind punctuation, before other text', 'foo($0 + b)', 2.25 * 100 - 150],
		['behind punctuation, at the end of the line', 'foo.$0  ', 0],
	])('with slow answers is so long that both together take as long as it takes to stop typing: %s', (_, line, expected) => {
		expect(typedAt(100, 150).wait(line)).toBeCloseTo(expected);
	});

	test('has the longest wait of the setting', () => {
		expect(typedAt(500, 600, { maxMs: 200 }).wait('a + val$0 + b')).toBe(200);
		expect(typedAt(500, 600, { maxMs: 0 }).wait('a + val$0 + b')).toBe(0);
	});

	test('is none by hand, at the start of a line, once after an accepted suggestion, and where the editor waits', () => {
		const { policy, wait } = typedAt(100, 150);
		expect(wait('val$0')).toBeGreaterThan(0);
		expect(wait('val$0', true)).toBe(0);
		expect(wait('\t\t$0')).toBe(0);
		policy.accepted('a');
		expect([wait('val$0'), wait('val$0') > 0]).toEqual([0, true]);
		expect(typedAt(100, 150, { waits: true }).wait('val$0')).toBe(0);
	});

	test('is none before anything is known, and a long pause is no typing', () => {
		expect(typedAt(3000, 4000).wait('val$0')).toBe(0);
		const policy = createDebouncePolicy({ maxMs: () => 1000, editorWaits: false, now: () => 0 });
		expect(policy.waitFor({ uri: 'a', explicit: false, before: 'val', after: '' })).toBe(0);
	});
});

test.each([
	['Neovim', true],
	['Visual Studio Code', true],
	['Visual Studio Code - Insiders', true],
	['helix', false],
	['emacs', false],
	[undefined, false],
])('%s waits by itself: %s', (name, expected) => {
	expect(editorWaits(name)).toBe(expected);
});
