import type { CompletionReport } from 'hef-shared';
import { describe, expect, test } from 'vitest';
import { splitAt } from '../../server/completion/split.ts';
import { createSuggestionCache, type SuggestionCache } from '../../server/completion/suggestion-cache.ts';
import type { CompletionRequest } from '../../server/completion/types.ts';
import { reportOf } from '../support/fake-services.ts';

function requestAt(code: string, options: Partial<CompletionRequest> = {}): CompletionRequest {
	return {
		uri: 'file:///a.ts',
		path: 'a.ts',
		text: code.replace('$0', ''),
		offset: code.indexOf('$0'),
		context: 'hef',
		multiLine: 'auto',
		explicit: false,
		minConfidence: 0.2,
		...options,
	};
}

function add(cache: SuggestionCache, code: string, insertText: string | undefined, options: Partial<CompletionRequest> = {}): void {
	const request = requestAt(code, options);
	cache.add(request, splitAt(request.text, request.offset), reportOf(insertText, request));
}

/** Several to choose from. */
function addAll(cache: SuggestionCache, code: string, texts: string[], options: Partial<CompletionRequest> = {}): void {
	const request = requestAt(code, options);
	const answer = reportOf(texts[0], request);
	answer.items = texts.flatMap((text) => reportOf(text, request).items);
	cache.add(request, splitAt(request.text, request.offset), answer);
}

function find(cache: SuggestionCache, code: string, options: Partial<CompletionRequest> = {}): CompletionReport | undefined {
	const request = requestAt(code, options);
	return cache.find(request, splitAt(request.text, request.offset));
}

const found = (...args: Parameters<typeof find>) => find(...args)?.items[0]?.insertText;

describe('a remembered suggestion', () => {
	test.each([
		['the same place', 'let a$0;', ' = compute();'],
		['its beginning typed', 'let a = c$0;', 'ompute();'],
		['all but its last character typed', 'let a = compute()$0;', ';'],
		['all of it typed', 'let a = compute();$0;', undefined],
		['something else typed', 'let a = x$0;', undefined],
		['another text before', 'var a$0;', undefined],
		['another text behind', 'let a$0,', undefined],
		['deleted to before it', 'let $0;', undefined],
	])('%s', (_, code, expected) => {
		const cache = createSuggestionCache();
		add(cache, 'let a$0;', ' = compute();');
		expect(found(cache, code)).toBe(expected);
	});

	test('is not shown where only the bracket is left that the editor closed by itself', () => {
		const cache = createSuggestionCache();
		const request = requestAt('f($0)');
		const answer = reportOf('ab)', request);
		const end = { line: 0, character: 3 };
		answer.items = answer.items.map((item) => ({ ...item, range: { ...item.range, end } }));
		cache.add(request, splitAt(request.text, request.offset), answer);
		expect(found(cache, 'f(a$0)')).toBe('b)');
		expect(find(cache, 'f(ab$0)')).toMatchObject({ items: [], suppressed: 'repeatsSuffix' });
		expect(found(cache, 'f(ab)$0')).toBeUndefined();
	});

	test('goes on where the closer that it replaces was typed over', () => {
		const cache = createSuggestionCache();
		const request = requestAt("f('$0')");
		const answer = reportOf("a', b)", request);
		const end = { line: 0, character: 5 };
		answer.items = answer.items.map((item) => ({ ...item, range: { ...item.range, end } }));
		cache.add(request, splitAt(request.text, request.offset), answer);
		expect(find(cache, "f('a'$0)")?.items).toMatchObject([
			{ insertText: ', b)', range: { start: { line: 0, character: 5 }, end: { line: 0, character: 6 } } },
		]);
	});

	/** Where closers stand in front of what the suggestion replaces. */
	test.each([
		['a bracket was typed, and the editor closed it', 'useEffect$0', '(() => {', 'useEffect($0)', '() => {', 0],
		['the text closes it', 'const a = f$0', '(b);', 'const a = f($0)', 'b);', 1],
		['the text closes it inside of a call', "test('a', $0)", '() => {', "test('a', ($0))", ') => {', 1],
		['a quote was typed, and the editor closed it', 'f($0)', "'b'", "f('$0')", 'b', 0],
		['a block was begun, and the editor closed it', 'if (a) $0', '{\n\tb();\n}', 'if (a) {$0}', '\n\tb();\n}', 1],
		['a closer came that the text does not fit', 'a$0', ' + b', 'a + ($0)', undefined, 0],
		['a word came', 'f$0', '(b);', 'f($0c)', undefined, 0],
		['something else stands behind', 'f$0;', '(b)', 'f($0),', undefined, 0],
	])('where %s', (_, code, text, later, expected, replaced) => {
		const cache = createSuggestionCache();
		add(cache, code, text);
		const [item] = find(cache, later)?.items ?? [];
		expect(item?.insertText).toBe(expected);
		if (item) expect(item.range.end.character - item.range.start.character).toBe(replaced);
	});

	test('of several to choose from those stay that the typed text agrees with', () => {
		const cache = createSuggestionCache();
		addAll(cache, 'let a$0', [' = b.c;', ' = b();', ' = b', ': string;']);
		const all = (code: string) => find(cache, code)?.items.map(({ insertText }) => insertText);
		expect(all('let a$0')).toEqual([' = b.c;', ' = b();', ' = b', ': string;']);
		expect(all('let a = $0')).toEqual(['b.c;', 'b();', 'b']);
		expect(all('let a = b$0')).toEqual(['.c;', '();']);
		expect(all('let a:$0')).toEqual([' string;']);
		expect(all('let a;$0')).toBeUndefined();
		expect(find(cache, 'let a:$0')?.items[0]?.range.start).toEqual({ line: 0, character: 6 });
	});

	test.each([
		['number to choose from', { most: 3 }],
		['mode', { context: 'none' as const }],
		['lines', { multiLine: 'always' as const }],
		['threshold', { minConfidence: 0.3 }],
		['way of asking', { explicit: true }],
		["entry of the editor's list", { selected: 'b' }],
		['comments', { comments: true }],
		['folder', { folder: '/home/me' }],
		['language', { path: 'a.py' }],
	])('is found with the same %s only', (_, options) => {
		const cache = createSuggestionCache();
		add(cache, 'let a$0;', ' = 1');
		expect(find(cache, 'let a$0;', options)).toBeUndefined();
		add(cache, 'let a$0;', ' = 2', options);
		expect(found(cache, 'let a$0;', options)).toBe(' = 2');
	});

	test('survives typing through it, deleting again, and an answer for the text in between', () => {
		const cache = createSuggestionCache();
		add(cache, 'let a$0', ' = compute();');
		add(cache, 'let a = x$0', 'y');
		expect(['let a = com$0', 'let a =$0', 'let a$0', 'let a = x$0'].map((code) => found(cache, code))).toEqual([
			'pute();',
			' compute();',
			' = compute();',
			'y',
		]);
	});

	test('the newest of two for one place wins', () => {
		const cache = createSuggestionCache();
		add(cache, 'a$0', 'old');
		add(cache, 'a$0', 'new');
		expect(found(cache, 'a$0')).toBe('new');
	});

	test('"nothing to suggest" is remembered for its place alone', () => {
		const cache = createSuggestionCache();
		add(cache, 'a$0', undefined);
		expect(find(cache, 'a$0')).toMatchObject({ items: [], suppressed: 'empty' });
		expect(find(cache, 'ab$0')).toBeUndefined();
	});

	test('line ends of the document make no difference to what is found', () => {
		const cache = createSuggestionCache();
		add(cache, 'x\r\nif (a) {$0\r\n', '\r\n\tb();\r\n}');
		expect(found(cache, 'x\r\nif (a) {\r\n$0\r\n')).toBe('\tb();\r\n}');
		expect(found(cache, 'x\nif (a) {$0\n')).toBe('\n\tb();\n}');
	});
});

describe('memory', () => {
	test('does not grow with the document', () => {
		const [small, large] = [createSuggestionCache(), createSuggestionCache()];
		add(small, 'a$0', 'b');
		add(large, `${'// a long line of the document\n'.repeat(50_000)}a$0`, 'b');
		expect(large.bytes).toBe(small.bytes);
	});

	test('stays below the budget, and the document asked about last is kept', () => {
		const cache = createSuggestionCache(40_000);
		for (let n = 0; n < 30; n++) for (let at = 0; at < 4; at++) add(cache, `${at}$0`, 'text', { uri: `file:///${n}.ts` });
		expect(cache.bytes).toBeLessThanOrEqual(40_000);
		expect(cache.bytes).toBeGreaterThan(20_000);
		expect(found(cache, '3$0', { uri: 'file:///29.ts' })).toBe('text');
		expect(find(cache, '3$0', { uri: 'file:///0.ts' })).toBeUndefined();
	});

	test('a document keeps its last twenty answers', () => {
		const cache = createSuggestionCache();
		for (let n = 0; n < 30; n++) add(cache, `line ${n}$0`, 'text');
		expect(found(cache, 'line 10$0')).toBe('text');
		expect(find(cache, 'line 9$0')).toBeUndefined();
		cache.forget('file:///a.ts');
		expect([find(cache, 'line 10$0'), cache.bytes]).toEqual([undefined, 0]);
	});
});
