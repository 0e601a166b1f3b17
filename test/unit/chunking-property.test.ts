import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { createChunker } from '../../server/chunking/chunker.ts';
import { checkChunks, countWords } from '../support/chunks.ts';
import { createRandom, type Random } from '../support/random.ts';

const EXTENSIONS = ['ts', 'tsx', 'jsx', 'py', 'java', 'go', 'rs', 'cpp', 'cs', 'rb', 'php', 'md', 'unknown'];
const FRAGMENTS = [
	'😀',
	'\ud800',
	'\udc00',
	'é',
	'漢字',
	'\0',
	'\r',
	'\r\n',
	'\u2028',
	'\ufeff',
	'{',
	'}}',
	'((',
	"'",
	'"""',
	'`${',
	'/*',
	'#if',
	'<?php',
	'=begin\n',
	'\t\t',
];
const countBytes = (text: string): number => Buffer.byteLength(text);

/** Sources of this repository, and a little of every other language. */
function sources(): string[] {
	const folder = new URL('../../server/chunking/', import.meta.url);
	const own = readdirSync(folder).map((name) => readFileSync(new URL(name, folder), 'utf8'));
	return [
		...own,
		...['python', 'rust', 'go', 'java'].map((name) => OTHERS[name] as string).map((text) => text.repeat(30)),
		'<html>\n<?php\nclass A {\n  function b() { return <<<X\n  text\n  X; }\n}\n?>\n'.repeat(20),
		'# title\n\nSome words in a paragraph.\n\n- a list\n  - inside\n'.repeat(30),
	];
}

const OTHERS: Record<string, string> = {
	python:
		'class A:\n    """Doc."""\n    @property\n    def b(self):\n        if self.c:\n            return [x for x in y]\n\n\ndef d(*e):\n    pass\n',
	rust: '#[derive(Debug)]\npub struct A<T> {\n    b: Vec<T>,\n}\n\nimpl<T> A<T> {\n    fn c(&self) -> usize {\n        match self.b.len() {\n            0 => 1,\n            n => n,\n        }\n    }\n}\n',
	go: 'package a\n\n// B does.\nfunc B(c int) (d error) {\n\tfor i := range c {\n\t\tdefer e(i)\n\t}\n\treturn nil\n}\n',
	java: 'import a.B;\n\npublic class C extends B {\n  /** Doc. */\n  @Override\n  public int d() {\n    return switch (e) { case 1 -> 2; default -> 3; };\n  }\n}\n',
};

function broken(random: Random, texts: readonly string[]): string {
	const source = random.pick(texts);
	let text = source.slice(random.below(source.length), random.below(source.length));
	if (text === '') text = source.slice(0, random.below(4000));
	for (let i = random.below(12); i > 0; i--) {
		const at = random.below(text.length + 1);
		text = text.slice(0, at) + random.pick(FRAGMENTS).repeat(1 + random.below(4)) + text.slice(at + random.below(40));
	}
	if (random.below(3) === 0) text = text.replaceAll('\n', '\r\n');
	if (random.below(5) === 0) text = text.replaceAll('\n', ' ');
	return random.below(2) === 0 ? text.trimEnd() : text;
}

test.each([
	['words', countWords, 100],
	['bytes', countBytes, 300],
	['bytes, tiny budget', countBytes, 12],
] as const)('broken files are covered exactly, in order, within the budget (%s)', async (_, countTokens, maxTokens) => {
	const chunker = createChunker({ maxTokens, countTokens });
	const texts = sources();
	for (let seed = 0; seed < 150; seed++) {
		const random = createRandom(seed);
		const text = broken(random, texts);
		const path = `${seed}.${random.pick(EXTENSIONS)}`;
		const file = await chunker.chunk(path, text);
		try {
			checkChunks(text, file.chunks, maxTokens, countTokens);
		} catch (cause) {
			throw new Error(`seed ${seed}, ${path}`, { cause });
		}
		expect((await chunker.chunk(path, text)).chunks).toEqual(file.chunks);
	}
});

test.each([
	['a line of 100 KB', 'const a = [1, 2, 3];'.repeat(5000)],
	['a line of 100 KB without a space', '😀'.repeat(25_000)],
	['open brackets', '('.repeat(5000)],
	['a long chain', `x = ${'a + '.repeat(20_000)}a`],
	['deep nesting over lines', `${'if (a) {\n'.repeat(3000)}${'}\n'.repeat(3000)}`],
	['blank lines', '\n'.repeat(20_000)],
	['open types, which grammars guess at', 'a<'.repeat(2000)],
	['control characters', '\0\x01\x02'.repeat(3000)],
])('hostile text: %s', async (_, text) => {
	const chunker = createChunker({ countTokens: countWords });
	for (const extension of EXTENSIONS) checkChunks(text, (await chunker.chunk(`a.${extension}`, text)).chunks, 512, countWords);
});
