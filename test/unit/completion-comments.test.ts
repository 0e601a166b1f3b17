import { expect, test } from 'vitest';
import { createCommentDetector } from '../../server/completion/comments.ts';
import { createRandom } from '../support/random.ts';

/** A detector that has read nothing before. */
const isInComment = (path: string, prefix: string) => createCommentDetector()(path, prefix);

test.each([
	['a.ts', '// a comment$0', true],
	['a.ts', 'call(); // why$0', true],
	['a.ts', 'call();$0', false],
	['a.ts', '// a comment\n$0', false],
	['a.ts', '/** docs\n * more$0', true],
	['a.ts', '/* done */ $0', false],
	['a.ts', 'const url = "https://host$0', false],
	['a.ts', "glob('src/**/*.ts');\n$0", false],
	['a.ts', 'const t = `// no\n/* no$0', false],
	['a.ts', "const s = 'it\\'s // no$0", false],
	['a.ts', "// it's\ncall($0", false],
	['a.ts', 'const half = a / b; const x = $0', false],
	['a.ts', `/* ${'x'.repeat(20_000)}$0`, false],
	['a.go', 's := `\n// no`\nx := $0', false],
	['a.rs', "fn f<'a>(x: &'a str) {\n    // yes$0", true],
	['a.py', 'x = 1  # why$0', true],
	['a.py', 'x = "#$0', false],
	['a.py', '"""Docs with # inside\n# still$0', false],
	['a.py', 'def f():\n    """Docs."""\n    $0', false],
	['a.sh', 'echo "$#"; n=${#x$0', false],
	['Makefile', '# all$0', true],
	['a.sql', 'select 1 -- why$0', true],
	['a.md', '# Title$0', false],
])('%s %j: %s', (path, code, expected) => {
	expect(isInComment(path, code.replace('$0', ''))).toBe(expected);
});

test('a large file is read in a few milliseconds', () => {
	const file = 'const a = "text"; // note\n/* block */ call(`x`);\n'.repeat(20_000);
	const started = performance.now();
	expect(isInComment('a.ts', `${file}// here`)).toBe(true);
	expect(performance.now() - started).toBeLessThan(500);
});

test('what was read before changes no answer, wherever the text goes on, is cut or changed', () => {
	const random = createRandom(3);
	const pieces = ['/', '*', '/*', '*/', '//', '#', '"', "'", '`', '"""', '\\', '\n', ' ', 'a(', '; '];
	const answers: boolean[] = [];
	for (const path of ['a.ts', 'a.py', 'a.go', 'a.sql']) {
		const kept = createCommentDetector();
		let text = '';
		for (let n = 0; n < 1500; n++) {
			const what = random.below(20);
			if (what === 0) text = text.slice(0, random.below(text.length + 1));
			else if (what === 1) text = `${text.slice(0, random.below(text.length + 1))}x${text.slice(-5)}`;
			else text += random.pick(pieces);
			answers.push(kept(path, text));
			expect(answers.at(-1), JSON.stringify(text)).toBe(isInComment(path, text));
		}
	}
	expect(answers.filter(Boolean).length).toBeGreaterThan(500);
});
