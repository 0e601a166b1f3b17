/** Where a block begins: by the text alone, and by the syntax tree of the lines around. */
import { beforeAll, describe, expect, test } from 'vitest';
import { createGrammars, type Grammars } from '../../server/chunking/grammars.ts';
import { languageOf } from '../../server/chunking/languages.ts';
import { createBlockDetector, looksLikeBlock } from '../../server/completion/block-start.ts';

function splitOf(code: string) {
	const [prefix = '', suffix = ''] = code.split('$0');
	return { prefix, suffix, linePrefix: prefix.slice(prefix.lastIndexOf('\n') + 1) };
}

describe('by the text', () => {
	test.each([
		['a.ts', 'function f() {$0', true],
		['a.ts', 'function f() {$0}', true],
		['a.ts', 'const f = () =>$0', true],
		['a.ts', 'switch (a) {\n\tcase 1:$0', true],
		['a.ts', 'foo($0', false],
		['a.ts', 'foo(a, $0', false],
		['a.ts', 'const a = [$0', false],
		['a.ts', 'const a = { b:$0', false],
		['a.ts', 'const a = 1;$0', false],
		['a.ts', 'if (a) {$0\n\tb();\n}', false],
		['a.py', 'if x:$0\n    done()', false],
		['a.py', 'if x:$0\ndone()', true],
		['a.py', 'foo({$0', false],
		['a.py', 'a = {b:$0', false],
		['a.py', 'def f(\n    a,\n) -> int:$0', true],
		['a.rb', 'items.each do |item|$0', true],
		['a.rb', 'x = y$0', false],
		['notes.unknown', 'begin {$0', true],
	])('%s %j: %s', (path, code, expected) => {
		expect(looksLikeBlock(path, splitOf(code))).toBe(expected);
	});
});

describe('by the syntax', () => {
	let grammars: Grammars;
	beforeAll(async () => {
		grammars = createGrammars();
		for (const path of ['a.ts', 'a.py', 'a.go', 'a.rs', 'a.java']) {
			const language = languageOf(path);
			if (language) await grammars.parse(language, '', () => {});
		}
	});

	test.each([
		['a.ts', 'function f() {$0', true],
		['a.ts', 'class A {\n\tf(): void {$0\n}\n', true],
		['a.ts', 'class A {\n\tf() {\n\t\tif (a) {$0\n\t}\n}\n', true],
		['a.ts', 'run(() => {$0});', true],
		['a.ts', 'interface A {$0', true],
		['a.ts', 'const a = {$0', false],
		['a.ts', 'foo(a, {$0', false],
		['a.ts', 'foo(a, {$0});', false],
		['a.ts', 'import {$0', false],
		['a.ts', 'return {$0\n', false],
		['a.py', 'def f(a):$0\n', true],
		['a.py', 'class A:\n    def f(self):\n        for x in y:$0\n        return 1\n', true],
		['a.py', 'try:\n    a()\nexcept E:$0\n', true],
		['a.py', 'class A:\n    x = {\n        if_a:$0\n    }\n', false],
		['a.go', 'package a\n\nfunc f() {$0\n', true],
		['a.go', 'package a\n\nfunc f() {\n\ta := T{$0\n}\n', false],
		['a.rs', 'fn f() {\n    match a {$0\n}\n', true],
		['a.rs', 'fn f() {\n    let a = T {$0\n}\n', false],
		['a.java', 'class A {\n    void f() {$0\n}\n', true],
	])('%s %j: %s', (path, code, expected) => {
		expect(createBlockDetector(grammars).beginsBlock(path, splitOf(code))).toBe(expected);
	});

	test('only the lines around are parsed, however large the file', () => {
		const parsed: number[] = [];
		const detector = createBlockDetector({
			parseNow(language, text, use) {
				parsed.push(text.length);
				return grammars.parseNow(language, text, use);
			},
		});
		const file = 'function other() {\n\tcall(1);\n}\n\n'.repeat(5000);
		expect(detector.beginsBlock('a.ts', splitOf(`${file}const a = {$0\n${file}`))).toBe(false);
		expect(detector.beginsBlock('a.ts', splitOf(`${file}\t${'a;\n\t'.repeat(5000)}if (b) {$0\n${file}`))).toBe(true);
		expect(Math.max(...parsed)).toBeLessThan(8000);
	});

	test('while the grammar is being loaded the text decides', async () => {
		const fresh = createGrammars();
		const detector = createBlockDetector(fresh);
		expect(detector.beginsBlock('a.ts', splitOf('const a = {$0'))).toBe(true);
		await expect.poll(() => detector.beginsBlock('a.ts', splitOf('const a = {$0')), { timeout: 10_000 }).toBe(false);
	});
});
