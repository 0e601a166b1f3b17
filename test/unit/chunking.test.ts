import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { invariant } from '../../server/base/errors.ts';
import { contentHash } from '../../server/base/ids.ts';
import { createChunker } from '../../server/chunking/chunker.ts';
import { createGrammars } from '../../server/chunking/grammars.ts';
import { type Language, languageOf } from '../../server/chunking/languages.ts';
import type { ChunkedFile } from '../../server/chunking/types.ts';
import { runChunks } from '../../server/cli/chunks.ts';
import type { Workspace } from '../../server/workspace/types.ts';
import { checkChunks, countWords, pieces } from '../support/chunks.ts';

/** Small enough that fixtures of a screen need several chunks. */
const chunker = createChunker({ maxTokens: 128, countTokens: countWords });

async function cut(path: string, text: string): Promise<{ file: ChunkedFile; pieces: string[] }> {
	const file = await chunker.chunk(path, text);
	checkChunks(text, file.chunks, 128, countWords);
	return { file, pieces: pieces(text, file.chunks) };
}

/** A function of about `lines` lines. */
function functionOf(name: string, lines: number): string {
	const body = Array.from({ length: lines }, (_, i) => `\tconst value${i} = compute(${name}, ${i});\n`).join('');
	return `/** Does ${name}. */\nexport function ${name}(input: string) {\n${body}}\n`;
}

describe('boundaries', () => {
	test('a definition with its comment is a chunk; imports merge; a lone constant joins what follows', async () => {
		const imports = "import { a } from './a';\nimport { b } from './b';\nimport { c } from './c';\n\n";
		const [first, second] = [functionOf('first', 4), functionOf('second', 4)];
		const { pieces } = await cut('a.ts', `${imports}${first}\nconst x = 1;\n${second}`);
		expect(pieces).toEqual([imports, `${first}\n`, `const x = 1;\n${second}`]);
	});

	test('a class over the budget is cut into its methods; header and closing brace belong to a neighbour', async () => {
		const method = (name: string) =>
			`\t@logged\n\t${name}(input: string): number {\n\t\treturn ${Array.from({ length: 12 }, (_, i) => `input.at(${i})`).join(' + ')};\n\t}\n`;
		const { pieces } = await cut('a.ts', `export class Box {\n${method('one')}\n${method('two')}\n${method('three')}}\n`);
		expect(pieces).toEqual([`export class Box {\n${method('one')}\n`, `${method('two')}\n`, `${method('three')}}\n`]);
	});

	test('Python decorators and comments stay with their function', async () => {
		const body = Array.from({ length: 5 }, (_, i) => `    total = total + compute(${i})\n`).join('');
		const one = `# first\n@cached\ndef one(total):\n${body}\n\n`;
		const two = `# second\n# more\ndef two(total):\n${body}`;
		expect((await cut('a.py', one + two)).pieces).toEqual([one, two]);
	});

	test('short definitions share a chunk', async () => {
		const text = 'fn a() {}\nfn b() {}\nfn c() {}\n';
		expect((await cut('a.rs', text)).pieces).toEqual([text]);
	});

	test('a file without a grammar is cut at blank lines, then by indentation', async () => {
		const paragraph = (name: string) => `${name}:\n${'  - some words in a list\n'.repeat(12)}\n`;
		const { file, pieces } = await cut('a.yaml', paragraph('one') + paragraph('two') + paragraph('three'));
		expect(file.method).toBe('blankLines');
		expect(file.entities).toEqual([]);
		expect(pieces).toEqual([paragraph('one'), paragraph('two'), paragraph('three')]);
	});

	test('lines of a chunk hold its first and last character', async () => {
		const text = `${functionOf('first', 4)}\n${functionOf('second', 4)}`;
		const { file } = await cut('a.ts', text);
		expect(file.chunks.map(({ startLine, endLine }) => [startLine, endLine])).toEqual([
			[0, 7],
			[8, 14],
		]);
	});

	test.each(['', '\n', ' \r\n\r\n'])('text without words: %j', async (text) => {
		const { file } = await cut('a.ts', text);
		expect(file.chunks.length).toBe(text === '' ? 0 : 1);
	});

	test('an unusable budget is a usage error', () => {
		expect(() => createChunker({ maxTokens: 0, countTokens: countWords })).toThrow(/maxTokens.*got 0/);
	});
});

describe('an edit changes the chunks it touches', () => {
	const names = Array.from({ length: 30 }, (_, i) => `task${i}`);

	test.each([
		['grows', functionOf('task12', 9)],
		['shrinks', functionOf('task12', 3)],
	])('a function that %s in a file of 30', async (_, changed) => {
		const before = names.map((name) => `${functionOf(name, 5)}\n`);
		const after = before.with(12, `${changed}\n`);
		const [old, now] = [(await cut('a.ts', before.join(''))).pieces, (await cut('a.ts', after.join(''))).pieces];
		expect(now.filter((piece) => !old.includes(piece)).join('')).toBe(after[12]);
	});

	test('a statement added on top of many small ones', async () => {
		const text = [...names, ...names].flatMap((name, i) => [`const ${name} = load(${i * 7});\n`, i % 4 === 3 ? '\n' : '']).join('');
		const old = (await cut('a.ts', text)).pieces;
		const now = (await cut('a.ts', `const added = 1;\n${text}`)).pieces;
		expect(old.length).toBeGreaterThan(4);
		expect(now.filter((piece) => !old.includes(piece)).length).toBeLessThanOrEqual(2);
	});

	test('a real file: one method changed', async () => {
		const text = readFileSync(new URL('../../server/base/worker-rpc.ts', import.meta.url), 'utf8');
		const small = createChunker({ maxTokens: 128, countTokens: countWords });
		const old = pieces(text, (await small.chunk('a.ts', text)).chunks);
		const edited = text.replace('waiting.clear();', 'waiting.clear();\n\t\t\tlog(reason);');
		const now = pieces(edited, (await small.chunk('a.ts', edited)).chunks);
		expect(now.length).toBeGreaterThan(4);
		expect(now.filter((piece) => !old.includes(piece))).toHaveLength(1);
	});
});

test('after a failure other files are cut by syntax', async () => {
	const grammars = createGrammars();
	const python = languageOf('a.py') as Language;
	const type = (language: Language) => grammars.parse(language, 'class A: pass', ({ root }) => root.type);
	await expect(type({ ...python, id: 'broken', definitionQuery: '(no_such_node) @class' })).rejects.toThrow();
	expect(await type(python)).toBe('module');
	await expect(grammars.parse(python, 'a', () => invariant(false, 'a user of the tree failed'))).rejects.toThrow('failed');
	expect(await type(python)).toBe('module');
});

test('chunks of a workspace as JSON lines', async () => {
	const texts: Record<string, string> = { 'a.ts': 'export const A = 1;\n', 'b.md': 'words\n', 'c.bin': '' };
	const lines: string[] = [];
	const workspace: Pick<Workspace, 'list' | 'read'> = {
		list: async () => Object.keys(texts).map((path) => ({ path, sizeBytes: 0, mtimeMs: 0 })),
		read: async (path) => (texts[path] ? { kind: 'text', text: texts[path] } : { kind: 'skipped', reason: 'binary' }),
	};
	expect(await runChunks({ workspace, chunker, out: (line) => lines.push(line) })).toBe(2);
	expect(lines.map((line) => JSON.parse(line))).toEqual([
		{
			path: 'a.ts',
			contentHash: contentHash('export const A = 1;\n'),
			chunks: [{ startOffset: 0, endOffset: 20, startLine: 0, endLine: 0 }],
			entities: [{ name: 'A', kind: 'constant', line: 0 }],
		},
		{
			path: 'b.md',
			contentHash: contentHash('words\n'),
			chunks: [{ startOffset: 0, endOffset: 6, startLine: 0, endLine: 0 }],
			entities: [],
		},
	]);
});
