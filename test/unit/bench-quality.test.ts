import { expect, describe as group, test } from 'vitest';
import { buildReport } from '../../server/cli/evaluation/report.ts';
import type { ExampleScore } from '../../server/cli/evaluation/scores.ts';
import { parseModes } from '../../server/cli/evaluation/variants.ts';
import { describe, evaluationOf } from '../bench/quality/document.ts';
import { type Result, RUNS } from '../bench/quality/runs.ts';
import { replaceSection } from '../bench/readme.ts';

/** Of 20 lines, `rights` are right in each mode. */
function resultOf(rights: Record<string, number>): Result {
	const scores = Object.entries(rights).flatMap(([mode, right]) =>
		Array.from(
			{ length: 20 },
			(_, i): ExampleScore => ({
				...{ id: `line${i}`, repo: 'r', mode, mid: false, gold: 'x', prediction: 'x', suppressed: null },
				...{ em: i < right, es: 0.5, identifierMatch: i < right, confidence: i < 10 ? 0.9 : 0.1, ttftMs: 10, totalMs: 20 },
				...(mode === 'copy' ? {} : { goldLogProb: mode.startsWith('hef') ? -9 : -10 }),
			}),
		),
	);
	return {
		...buildReport({ scores, variants: parseModes(Object.keys(rights).join()), budget: [], levels: [] }),
		bundle: { id: 'b', name: 'n' },
	};
}

const results = new Map([
	['line-prefix', resultOf({ 'none-copy': 0, 'hef-copy': 0, none: 4, snippets: 5, hef: 6, copy: 5 })],
	['everyday-suffix', resultOf({ none: 7, hef: 8 })],
]);
const lineOf = (text: string, part: string) => text.split('\n').find((line) => line.startsWith('|') && line.includes(part));

group('what the evaluations of a bundle say', () => {
	const text = describe(RUNS, results);

	test('a table for each run that there is, with the command that made it', () => {
		expect(text).toContain('**RepoEval-style lines, prefix only.** `eval --data repoeval-line.jsonl --modes none-copy,');
		expect(text).not.toContain('Cross-file lines, with suffix.');
		expect(lineOf(text, '`hef-copy`')).toMatch(
			/^\| `hef-copy` \| 20 \| 0\.0 % ± 0\.0 \| 50\.0 % .* \+1\.00 \(\+1\.00 to \+1\.00\) \| 10 \|/,
		);
	});

	test('bars are judged by the ratio, and what has nothing to compare is said to be so', () => {
		expect(lineOf(text, '`none`, RepoEval-style line, prefix only')).toMatch(/\| ≥ 1\.25 \| 1\.50 \(.*\) \| met \|$/);
		expect(lineOf(text, '`hef` / `snippets`, RepoEval-style line, prefix only')).toMatch(/1\.20 .* met/);
		expect(lineOf(text, '`none`, RepoEval-style line, with suffix')).toMatch(/\| – \| cannot be told \|$/);
		expect(lineOf(text, 'what is shown at the default threshold')).toMatch(/80\.0 % at 50\.0 % \| met/);
		expect(lineOf(text, 'Default / `copy` alone, EM, RepoEval')).toMatch(/1\.20 .* met/);
		const worse = describe(RUNS, new Map([['line-prefix', resultOf({ none: 6, hef: 6, copy: 6 })]]));
		expect(lineOf(worse, '`none`, RepoEval-style line, prefix only')).toMatch(/1\.00 .* missed/);
	});

	test('the manifest gets the figures of the tables', () => {
		const evaluation = evaluationOf(RUNS, results);
		expect(Object.keys(evaluation)).toEqual(['line-prefix', 'everyday-suffix']);
		expect(evaluation).toMatchObject({ 'line-prefix': { hef: { n: 20, em: 0.3, shown: 0.5, emOfShown: 0.6, deltaLogProb: 1 } } });
	});

	test('only the section of a document is replaced', () => {
		const document = 'a\n<!-- quality -->\nold\n<!-- /quality -->\nb\n';
		expect(replaceSection(document, 'quality', 'new\n')).toBe('a\n<!-- quality -->\nnew\n<!-- /quality -->\nb\n');
		expect(() => replaceSection('a', 'quality', '')).toThrow(/no section/);
	});
});
