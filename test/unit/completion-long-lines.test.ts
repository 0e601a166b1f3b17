/** Lines as no person writes them: what looks at one takes no longer than the line is long. */
import { expect, test } from 'vitest';
import { looksLikeBlock } from '../../server/completion/block-start.ts';
import { importedNames } from '../../server/completion/imports.ts';
import { inMiddleOfLine } from '../../server/completion/split.ts';

/** Each of these took more than a second when its patterns went back over the same characters. */
test.each([
	['columns far apart', () => inMiddleOfLine({ suffix: `${' '.repeat(1500)}x` }), true],
	['an import that names nothing yet', () => importedNames(`import ${' '.repeat(2500)}`), []],
	['a whole program', () => looksLikeBlock('a.js', { linePrefix: 'case 1:b();'.repeat(12_000), suffix: '' }), false],
])('%s', (_, look, expected) => {
	const started = performance.now();
	expect(look()).toEqual(expected);
	expect(performance.now() - started).toBeLessThan(500);
});
