/** Where the next completion will be asked, and which context serves there. */
import type { CompletionItem } from 'hef-shared';
import { describe, expect, test } from 'vitest';
import { createHeldContexts } from '../../server/completion/held-contexts.ts';
import { nextPlace } from '../../server/completion/next-place.ts';
import type { CompletionRequest } from '../../server/completion/types.ts';

function requestAt(code: string): CompletionRequest {
	return {
		uri: 'file:///a.ts',
		path: 'a.ts',
		text: code.replace('$0', ''),
		offset: code.indexOf('$0'),
		context: 'hef',
		multiLine: 'auto',
		explicit: true,
		minConfidence: 0.2,
		selected: 'entry',
	};
}

/** The text of the next place with `$0` at its cursor. */
function nextOf(code: string, insertText?: string, replaces = 0): string | undefined {
	const range = { start: { line: 0, character: 0 }, end: { line: 0, character: replaces } };
	const items: CompletionItem[] = insertText === undefined ? [] : [{ insertText, range, confidence: 1 }];
	const next = nextPlace(requestAt(code), { items });
	return next && `${next.text.slice(0, next.offset)}$0${next.text.slice(next.offset)}`;
}

describe('the next place', () => {
	test.each([
		['behind what was suggested', 'a\n\tcall$0\nb', '(x);', 0, 'a\n\tcall(x);\n\t$0\nb'],
		['behind the closers that it replaces', 'call($0);\nb', 'x);', 2, 'call(x);\n$0\nb'],
		['below a block, indented like its last line', 'if (a) {$0\nb', '\n\tc();\n}', 0, 'if (a) {\n\tc();\n}\n$0\nb'],
		['below the line as it stands when nothing was suggested', '\tdone();$0\n', undefined, 0, '\tdone();\n\t$0\n'],
		['with the line ends of the document', 'a\r\n\tb$0\r\nc', ';', 0, 'a\r\n\tb;\r\n\t$0\r\nc'],
		['with those of the place where they differ', 'z\r\na\n\tb$0\r\nc', ';', 0, 'z\r\na\n\tb;\n\t$0\r\nc'],
		['with those of old Macintoshes', 'a\r\tb$0\rc', ';', 0, 'a\r\tb;\r\t$0\rc'],
		['nowhere in the middle of a line', 'const a = $0 + b;', undefined, 0, undefined],
	])('%s', (_, code, insertText, replaces, expected) => {
		expect(nextOf(code, insertText, replaces)).toBe(expected);
	});

	test('is asked for by typing, not by hand', () => {
		const next = nextPlace(requestAt('a$0'), { items: [] });
		expect(next).toMatchObject({ explicit: false, minConfidence: 0.2, uri: 'file:///a.ts' });
		expect(next).not.toHaveProperty('selected');
	});
});

describe('held contexts', () => {
	const place = (line: number, uri = 'a', kind = 'a.ts hef') => ({ uri, kind, line });
	const generation = Symbol();
	const held = (context: string, query = [1, 0]) => ({ generation, query: Float32Array.from(query), context });

	test('serve their line, and the lines near it', () => {
		const contexts = createHeldContexts<string>();
		contexts.add(place(10), held('ten'));
		contexts.add(place(14), held('fourteen'));
		expect([contexts.at(place(10))?.context, contexts.at(place(11))?.context]).toEqual(['ten', undefined]);
		expect([11, 13, 22, 23, 1].map((line) => contexts.near(place(line))?.context)).toEqual([
			'ten',
			'fourteen',
			'fourteen',
			undefined,
			undefined,
		]);
	});

	test('are of one document, file and mode', () => {
		const contexts = createHeldContexts<string>();
		contexts.add(place(10), held('ten'));
		expect(contexts.near(place(10, 'b'))).toBeUndefined();
		expect(contexts.near(place(10, 'a', 'a.ts snippets'))).toBeUndefined();
		contexts.forget('a');
		expect(contexts.near(place(10))).toBeUndefined();
	});

	test('serve a place elsewhere that asks for nearly the same, while the index has not changed', () => {
		const contexts = createHeldContexts<string>();
		contexts.add(place(10), held('ten'));
		expect(contexts.similar(place(500), generation, Float32Array.from([0.99, 0.14]))?.context).toBe('ten');
		expect(contexts.similar(place(500), generation, Float32Array.from([0.9, 0.44]))).toBeUndefined();
		expect(contexts.similar(place(500), Symbol(), Float32Array.from([1, 0]))).toBeUndefined();
	});

	test('a few are kept for each document, the last ones', () => {
		const contexts = createHeldContexts<string>();
		for (let line = 0; line < 100; line += 20) contexts.add(place(line), held(`${line}`));
		expect([0, 20, 40, 60, 80].map((line) => contexts.at(place(line))?.context)).toEqual([undefined, '20', '40', '60', '80']);
	});
});
