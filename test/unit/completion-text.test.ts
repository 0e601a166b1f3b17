import { describe, expect, test } from 'vitest';
import { filterCandidate } from '../../server/completion/filters.ts';
import { healPrefix } from '../../server/completion/healing.ts';
import { endOfBlock, endOfLine } from '../../server/completion/stop-rules.ts';
import { createByteTokenizer } from '../support/byte-tokenizer.ts';

/** The text with `$0` at the cursor, as the parts before and after it. */
function cursor(text: string): { prefix: string; suffix: string; linePrefix: string } {
	const [prefix = '', suffix = ''] = text.split('$0');
	return { prefix, suffix, linePrefix: prefix.slice(prefix.lastIndexOf('\n') + 1) };
}

describe('token healing', () => {
	const tokenizer = createByteTokenizer();

	test.each([
		['const value = fo', ' fo'],
		['const value = ', ' '],
		['call(', '('],
		['call(arg', '(arg'],
		['if (x) {\n    ', '    '],
		['foo_ba', '_ba'],
		['a.b', '.b'],
		['', ''],
	])('%j is forced from %j', (prefix, forced) => {
		expect(healPrefix(prefix, tokenizer)).toEqual({ kept: prefix.slice(0, prefix.length - forced.length), forced });
	});

	test('whatever follows, the kept text keeps its pre-tokens', () => {
		const texts = ['let a = b', 'x = "str', 'if (a &&', 'return\n\t\t', 'f(a, b)', 'naïve_é', 'x  ', '1234', 'é'];
		for (const text of texts) {
			const { kept, forced } = healPrefix(text, tokenizer);
			expect(kept + forced).toBe(text);
			const own = tokenizer.preTokens(kept);
			for (const continuation of ['word', ' word', '(', '\n', '  x', '9', '_', '"', 'É']) {
				expect(tokenizer.preTokens(text + continuation).slice(0, own.length)).toEqual(own);
			}
		}
	});

	test('the work does not grow with the line', () => {
		let longest = 0;
		const preTokens = (text: string) => {
			longest = Math.max(longest, text.length);
			return tokenizer.preTokens(text);
		};
		expect(healPrefix(`${'f(a);'.repeat(10_000)}foo.ba`, { preTokens })).toMatchObject({ forced: '.ba' });
		expect(longest).toBeLessThan(1000);
	});

	test('a very long run without a boundary is not forced', () => {
		const run = 'x'.repeat(500);
		expect(healPrefix(run, tokenizer)).toEqual({ kept: run, forced: '' });
	});
});

describe('stop rules', () => {
	test('a line ends before its line break', () => {
		expect(endOfLine('return x')).toBeUndefined();
		expect(endOfLine('return x\n')).toBe('return x'.length);
		expect(endOfLine('\nnext')).toBe(0);
	});

	const block = (linePrefix: string, text: string) => {
		const keep = endOfBlock(linePrefix)(text);
		return keep === undefined ? undefined : text.slice(0, keep);
	};

	test('a block ends with its closing line', () => {
		expect(block('  if (a) {', '\n    b();\n  }\n  c();\n')).toBe('\n    b();\n  }');
	});

	test('a block ends where a line is indented less', () => {
		expect(block('    if a:', '\n        b()\nc()\n')).toBe('\n        b()');
	});

	test('an empty line ends a block', () => {
		expect(block('def f():', '\n    a()\n\n    b()\n')).toBe('\n    a()');
	});

	test('nothing is decided on a line that is not complete', () => {
		expect(block('  if (a) {', '\n    b();\n  }')).toBeUndefined();
	});
});

describe('filters', () => {
	const filter = (text: string, generated: string) => filterCandidate({ text: generated, complete: true, ...cursor(text) });

	test('trailing white space goes', () => {
		expect(filter('const a = $0', '1;  ')).toEqual({ kind: 'keep', text: '1;', replaces: 0 });
	});

	test('no second space after one that stands there', () => {
		expect(filter('const a = $0', ' 1;')).toEqual({ kind: 'keep', text: '1;', replaces: 0 });
	});

	test('an auto-closed bracket is replaced, not doubled', () => {
		expect(filter('call($0)', 'a, b)')).toEqual({ kind: 'keep', text: 'a, b)', replaces: 1 });
		expect(filter('call($0);', 'a, b);')).toEqual({ kind: 'keep', text: 'a, b);', replaces: 2 });
	});

	test('a closer that follows already is cut', () => {
		expect(filter('call(g($0))', 'a)')).toEqual({ kind: 'keep', text: 'a', replaces: 0 });
	});

	test('a closer of the suggestion itself is neither cut nor put in the place of one that follows', () => {
		expect(filter('foo($0)', 'bar()')).toEqual({ kind: 'keep', text: 'bar()', replaces: 0 });
		expect(filter('foo($0);', 'bar()')).toEqual({ kind: 'keep', text: 'bar()', replaces: 0 });
		expect(filter('foo($0);', 'bar[a]("(")')).toEqual({ kind: 'keep', text: 'bar[a]("(")', replaces: 0 });
		expect(filter('foo($0)', 'bar())')).toEqual({ kind: 'keep', text: 'bar())', replaces: 1 });
		expect(filter('print("$0")', 'a" + "b"')).toEqual({ kind: 'keep', text: 'a" + "b"', replaces: 1 });
	});

	test('a block that closes what the editor closed already does so once', () => {
		expect(filter('function f() {$0}', '\n\treturn 1;\n}')).toEqual({ kind: 'keep', text: '\n\treturn 1;\n}', replaces: 1 });
		expect(filter('run(() => {$0})', '\n\tgo();\n}')).toEqual({ kind: 'keep', text: '\n\tgo();\n', replaces: 0 });
	});

	test('text that does not repeat the rest of the line is inserted before it', () => {
		expect(filter('call($0)', 'a, b')).toEqual({ kind: 'keep', text: 'a, b', replaces: 0 });
	});

	test('text that adds nothing to the rest of the line is refused', () => {
		expect(filter('call(a$0)', ')')).toEqual({ kind: 'refuse', reason: 'repeatsSuffix' });
		expect(filter('call(a$0);', ')')).toEqual({ kind: 'refuse', reason: 'repeatsSuffix' });
	});

	test('nothing visible is refused', () => {
		expect(filter('a$0', '  \n')).toEqual({ kind: 'refuse', reason: 'empty' });
	});

	test('the next line of the document is refused', () => {
		expect(filter('a\n$0\n  return compute(x);\n', 'return compute(x);')).toEqual({ kind: 'refuse', reason: 'repeatsSuffix' });
		expect(filter('a\n$0\n}', '}')).toMatchObject({ kind: 'keep' });
	});

	test('endless repetition is refused', () => {
		expect(filter('x = $0', 'foo, foo, foo, foo, foo, foo, ')).toEqual({ kind: 'refuse', reason: 'repeatsItself' });
		expect(filter('x = $0', '[0, 0, 0]')).toMatchObject({ kind: 'keep' });
	});
});
