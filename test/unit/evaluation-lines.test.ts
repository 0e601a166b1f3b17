/** Drawing benchmark lines: which lines count, which names are foreign, and the format. */
import { expect, test } from 'vitest';
import { createChunker } from '../../server/chunking/chunker.ts';
import { linesOf } from '../../server/cli/evaluation/code-lines.ts';
import { type DrawnLine, drawLines, type LineKind, spread } from '../../server/cli/evaluation/line-drawing.ts';

const chunker = createChunker({ countTokens: (text) => Math.ceil(text.length / 4) });

function draw(files: Record<string, string>, kind: LineKind, seed = 1): Promise<DrawnLine[]> {
	const workspace = {
		list: async () => Object.keys(files).map((path) => ({ path, size: 0, mtimeMs: 0 })),
		read: async (path: string) => ({ kind: 'text' as const, text: files[path] as string }),
	};
	return drawLines('owner+name', { workspace: workspace as never, chunker }, kind, seed, ['typescript', 'python']);
}

test('imports, comments and brackets are no code, in TypeScript', () => {
	const text = [
		'/**',
		' * const inDoc = 1;',
		' */',
		"import { a } from 'a';",
		'import {',
		'\tsecond,',
		"} from 'b';",
		"export { c } from './c';",
		'// const inComment = 1;',
		'const kept = 1; /* behind code */',
		'\tif (kept) {',
		'\t});',
		'}',
	].join('\n');
	const { code, imports } = linesOf(text, 'typescript');
	expect(code.map((line) => [line.line, line.text])).toEqual([
		[9, 'const kept = 1; /* behind code */'],
		[10, 'if (kept) {'],
	]);
	expect(imports.map((line) => line.line)).toEqual([3, 4, 5, 6, 7]);
	for (const { start, text: own } of code) expect(text.slice(start, start + own.length)).toBe(own);
});

test('imports, comments and docstrings are no code, in Python', () => {
	const text = [
		'"""Module."""',
		'from a import (',
		'    b,',
		')',
		'import os',
		'def f():',
		'    """',
		'    value = 1',
		'    """',
		'    # value = 2',
		"    return '#'",
	].join('\n');
	const { code, imports } = linesOf(text, 'python');
	expect(code.map((line) => line.text)).toEqual(['def f():', "return '#'"]);
	expect(imports.map((line) => line.line)).toEqual([1, 2, 3, 4]);
});

const LIBRARY = `export interface Options {
	retries: number;
	deadlineMs: number;
}
export class Fetcher {
	fetchAgain(url: string): void {}
}
export function parseAddress(text: string): string {
	return text;
}
`;
const USER = `import { Fetcher, parseAddress } from './library';

export function run(fetcher: Fetcher, 𝒳: string) {
	const address = parseAddress(text);
	fetcher.fetchAgain(address);
	fetcher.fetchAgain(address + 'again');
	return start({ deadlineMs: 20, tries: 1 });
}
`;

test('xfile lines use a name of another file that stands nowhere before, or only in an import', async () => {
	const drawn = await draw({ 'library.ts': LIBRARY, 'user.ts': USER }, 'xfile');
	const seen = drawn.map(({ line, kind, gold, mid }) => [line, kind, [...gold].slice(mid).join('')]).sort();
	expect(seen).toEqual([
		[3, 'first_use', 'Fetcher, 𝒳: string) {'],
		[4, 'first_use', 'parseAddress(text);'],
		[5, 'member', 'fetchAgain(address);'],
		[7, 'prop', 'deadlineMs: 20, tries: 1 });'],
	]);
});

test('names of built-in objects, of many files, and inside strings are no foreign names', async () => {
	const library = (name: string) => `export function ${name}() {}\nexport function startsWith() {}\nexport function everywhere() {}\n`;
	const files = Object.fromEntries(['one', 'two', 'three', 'four'].map((name) => [`${name}.ts`, library(`only${name}`)]));
	const user = 'text.startsWith(prefixOfText);\nthing.everywhere(argument);\nlog("see thing.onlyone here");\nthing.onlytwo(argument);\n';
	expect((await draw({ ...files, 'user.ts': user }, 'xfile')).map(({ gold }) => gold)).toEqual(['thing.onlytwo(argument);']);
});

test('a drawn line is where the format says, in code points, and the draw depends on the seed alone', async () => {
	const files = { 'user.ts': USER.replaceAll('\n', '\r\n'), 'test/a.test.ts': LIBRARY };
	const drawn = await draw(files, 'everyday');
	expect(drawn.length).toBeGreaterThan(3);
	for (const { id, path, offset, gold, line, mid, test_file } of drawn) {
		const text = (files as Record<string, string>)[path]?.replaceAll('\r\n', '\n') ?? '';
		expect([...text].slice(offset, offset + [...gold].length).join('')).toBe(gold);
		expect(text.split('\n')[line - 1]?.trim()).toBe(gold);
		expect(id).toBe(`everyday/owner+name/${path}:${line}`);
		expect(mid).toBeGreaterThan(0);
		expect(mid).toBeLessThan([...gold].length);
		expect(test_file).toBe(path.startsWith('test/'));
	}
	expect(await draw(files, 'everyday')).toEqual(drawn);
	expect(await draw(files, 'everyday', 2)).not.toEqual(drawn);
});

test('lines are spread evenly; who has fewer leaves the rest to the others', () => {
	const lines = (repo: string, n: number) => Array.from({ length: n }, (_, line) => ({ repo, path: 'a', line }) as DrawnLine);
	const chosen = spread([lines('a', 100), lines('b', 2), lines('c', 100)], 20);
	expect(['a', 'b', 'c'].map((repo) => chosen.filter((line) => line.repo === repo).length)).toEqual([9, 2, 9]);
});
