/** What `eval` computes from scores: variants, intervals, curves, subsets, tables and charts. */
import { describe, expect, test } from 'vitest';
import { cursorOf } from '../../server/cli/evaluation/examples.ts';
import { buildReport, type EvalReport } from '../../server/cli/evaluation/report.ts';
import { plotReport } from '../../server/cli/evaluation/report-plot.ts';
import { describeReport } from '../../server/cli/evaluation/report-text.ts';
import type { ExampleScore, ModeScore } from '../../server/cli/evaluation/scores.ts';
import { atThreshold, meanInterval, precisionCoverage, ratioInterval, thresholdFor } from '../../server/cli/evaluation/statistics.ts';
import { svgDocument } from '../../server/cli/evaluation/svg-chart.ts';
import { baselinesOf, budgetVariants, levelVariants, parseModes, withAllVariants } from '../../server/cli/evaluation/variants.ts';
import { markdownTable, table } from '../../server/cli/output.ts';

const names = (variants: readonly { name: string }[]) => variants.map(({ name }) => name);

describe('variants', () => {
	test('a name is a subtraction', () => {
		expect(parseModes('none,hef-copy-entities')).toEqual([
			{ name: 'none', context: 'none', without: [] },
			{ name: 'hef-entities-copy', context: 'hef', without: ['entities', 'copy'] },
		]);
		expect(parseModes('hef', ['copy'])).toEqual([{ name: 'hef', context: 'hef', without: ['copy'] }]);
		expect(() => parseModes('magic')).toThrow("got 'magic'");
		expect(() => parseModes('hef-suffix')).toThrow("got '-suffix'");
	});

	test('all variants are each mode with and without what it has', () => {
		expect(names(withAllVariants(parseModes('none,hef')))).toEqual([
			'none',
			'none-copy',
			'hef',
			'hef-copy',
			'hef-entities',
			'hef-entities-copy',
		]);
		expect(names(withAllVariants(parseModes('copy,hef-speculation')))).toEqual([
			'copy',
			'hef-speculation',
			'hef-speculation-copy',
			'hef-speculation-entities',
			'hef-speculation-entities-copy',
		]);
		expect(names(withAllVariants(parseModes('hef', ['copy'])))).toEqual(['hef', 'hef-entities']);
	});

	test('budgets above those of training are marked', () => {
		const [hef] = parseModes('hef-copy');
		const variants = budgetVariants('1,20,32,64', hef as never, 32, 100);
		expect(variants.map(({ name, k, untrained }) => [name, k, untrained])).toEqual([
			['hef-copy k=1', 1, undefined],
			['hef-copy k=20', 20, undefined],
			['hef-copy k=32', 32, undefined],
			['hef-copy k=64', 64, true],
		]);
		expect(() => budgetVariants('1,0', hef as never, 32, 100)).toThrow("got '1,0'");
		expect(() => budgetVariants('1,101', hef as never, 32, 100)).toThrow('at most 100');
	});

	test('levels are added one after the other', () => {
		const [hef] = parseModes('hef');
		expect(levelVariants('chunk,file', hef as never).map(({ name, levels }) => [name, levels])).toEqual([
			['hef levels=chunk', ['chunk']],
			['hef levels=chunk+file', ['chunk', 'file']],
		]);
		expect(() => levelVariants('chunk,galaxy', hef as never)).toThrow("got 'galaxy'");
	});

	test('a variant is held against those that treat the copy model alike', () => {
		const variants = withAllVariants(parseModes('none,snippets,hef'));
		const of = (name: string) => names(baselinesOf(variants.find((each) => each.name === name) as never, variants));
		expect(of('hef')).toEqual(['none', 'snippets']);
		expect(of('hef-entities-copy')).toEqual(['none-copy', 'snippets-copy']);
		expect(of('snippets')).toEqual(['none']);
		expect(of('none-copy')).toEqual([]);
		const withCopyAlone = parseModes('none,snippets,hef,hef-copy,copy');
		const against = (name: string) => names(baselinesOf(withCopyAlone.find((each) => each.name === name) as never, withCopyAlone));
		expect(against('hef')).toEqual(['none', 'snippets', 'copy']);
		expect(against('none')).toEqual(['copy']);
		expect(against('hef-copy')).toEqual([]);
		expect(against('copy')).toEqual([]);
	});
});

describe('intervals', () => {
	test('a mean lies in its interval, which narrows with more values', () => {
		const coin = (n: number) => Array.from({ length: n }, (_, i) => i % 2);
		const [few, many] = [meanInterval(coin(40)), meanInterval(coin(4000))];
		expect(few.value).toBe(0.5);
		expect(few.low).toBeLessThan(0.5);
		expect(few.high).toBeGreaterThan(0.5);
		// 1.96 standard errors of a fair coin.
		expect(many.high - many.low).toBeCloseTo(2 * 1.96 * Math.sqrt(0.25 / 4000), 2);
		expect(few.high - few.low).toBeGreaterThan(5 * (many.high - many.low));
		expect(meanInterval([])).toEqual({ value: 0, low: 0, high: 0 });
	});

	test('a ratio pairs the lines, so that equal answers leave no doubt', () => {
		const b = Array.from({ length: 200 }, (_, i) => Number(i % 4 === 0));
		expect(ratioInterval(b, b)).toEqual({ value: 1, low: 1, high: 1 });
		// Half as many again: every line that b has right and 25 others.
		const a = b.map((value, i) => (i % 8 === 1 ? 1 : value));
		const { value, low, high } = ratioInterval(a, b) ?? { value: 0, low: 0, high: 0 };
		expect(value).toBe(1.5);
		expect(low).toBeGreaterThan(1.2);
		expect(high).toBeLessThan(2);
		expect(
			ratioInterval(
				a,
				a.map(() => 0),
			),
		).toBeUndefined();
	});

	test('a rare denominator makes the upper end infinite, not wrong', () => {
		const a = Array.from({ length: 20 }, () => 1);
		const b = a.map((_, i) => Number(i === 0));
		expect(ratioInterval(a, b)).toMatchObject({ value: 20, high: Number.POSITIVE_INFINITY });
	});
});

describe('the confidence curve', () => {
	const requests = [
		...Array.from({ length: 10 }, (_, i) => ({ confidence: 0.99 - i / 100, right: true })),
		...Array.from({ length: 10 }, (_, i) => ({ confidence: 0.495 - i / 100, right: false })),
		...Array.from({ length: 20 }, () => ({ confidence: undefined, right: false })),
	];

	test('goes up to what can be shown at all', () => {
		const points = precisionCoverage(requests);
		expect(points.map(({ coverage }) => coverage)).toEqual([0.1, 0.2, 0.3, 0.4, 0.5]);
		expect(points.map(({ precision }) => Math.round(100 * precision))).toEqual([100, 100, 83, 63, 50]);
		expect(points[0]?.threshold).toBeCloseTo(0.96);
		expect(precisionCoverage([])).toEqual([]);
		// Of three requests, tenths are the same counts.
		expect(precisionCoverage(requests.slice(0, 3)).map(({ coverage }) => Math.round(3 * coverage))).toEqual([1, 2, 3]);
	});

	test('a threshold shows what it says', () => {
		expect(atThreshold(requests, 0.5)).toEqual({ coverage: 0.25, precision: 1, threshold: 0.5 });
		expect(atThreshold(requests, 1)).toMatchObject({ coverage: 0, precision: 0 });
	});

	test('the chosen threshold shows most at the asked precision', () => {
		const chosen = thresholdFor(requests, 0.7);
		expect(chosen?.precision).toBeGreaterThanOrEqual(0.7);
		expect(chosen?.coverage).toBeCloseTo(14 / 40);
		expect(thresholdFor([{ confidence: 0.9, right: false }], 0.5)).toBeUndefined();
	});
});

/** Scores of 40 lines in two repositories: right where `isRight` says so. */
function scoresOf(mode: string, isRight: (i: number) => boolean, goldLogProb: (i: number) => number): ExampleScore[] {
	return Array.from({ length: 40 }, (_, i) => ({
		...{ id: `line ${i}`, repo: i < 20 ? 'a' : 'b', mode, mid: false, gold: 'x', prediction: 'x' },
		...{ em: isRight(i), es: 1, identifierMatch: true, confidence: isRight(i) ? 0.9 : 0.1 },
		...{ ttftMs: mode === 'snippets' ? 40 : 20, totalMs: 50, suppressed: null, goldLogProb: goldLogProb(i) },
	}));
}

describe('the report', () => {
	const variants = parseModes('none,snippets,hef');
	const [hef] = parseModes('hef');
	const budget = budgetVariants('1,8', hef as never, 8, 8);
	const scores = [
		...scoresOf(
			'none',
			(i) => i % 2 === 0,
			() => -4,
		),
		// Snippets make every fourth line less likely, and miss it.
		...scoresOf(
			'snippets',
			(i) => i % 4 !== 0,
			(i) => (i % 4 === 0 ? -6 : -3),
		),
		...scoresOf(
			'hef',
			(i) => i % 2 === 0 || i % 3 === 0,
			() => -3.5,
		),
		...scoresOf(
			'hef k=1',
			(i) => i % 2 === 0,
			() => -3.9,
		),
		...scoresOf(
			'hef k=8',
			(i) => i % 2 === 0 || i % 3 === 0,
			() => -3.5,
		),
	];
	const report = buildReport({ scores, variants, budget, levels: [] });

	test('has the modes with what the context does to the probability of the gold line', () => {
		expect(Object.keys(report.modes)).toEqual(['none', 'snippets', 'hef']);
		expect(report.modes.none?.deltaLogProb).toBeUndefined();
		expect(report.modes.hef?.deltaLogProb).toEqual({ value: 0.5, low: 0.5, high: 0.5 });
		expect(report.modes.snippets?.deltaLogProb?.value).toBeCloseTo(0.25);
		expect(report.modes.hef?.em).toBeCloseTo(27 / 40);
	});

	test('has the ratios of the bars', () => {
		expect(report.ratios.map(({ mode, to, em, ttft }) => [mode, to, em?.value.toFixed(2), ttft])).toEqual([
			['snippets', 'none', '1.50', 2],
			['hef', 'none', '1.35', 1],
			['hef', 'snippets', '0.90', 0.5],
		]);
	});

	test('has the lines that a context harms', () => {
		const [bySnippets, byHef] = report.harmful;
		expect(bySnippets).toMatchObject({ context: 'snippets', judge: 'own generator', n: 10, share: 0.25 });
		expect(bySnippets?.modes).toMatchObject({ none: { em: 1 }, snippets: { em: 0 }, hef: { em: 1 } });
		expect(bySnippets?.ratios.find(({ mode, to }) => mode === 'hef' && to === 'none')?.em?.value).toBe(1);
		expect(byHef).toMatchObject({ context: 'hef', n: 0 });
	});

	test('a reference bundle judges by its own probabilities', () => {
		const reference = [
			...scoresOf(
				'none',
				() => false,
				() => -1,
			),
			...scoresOf(
				'snippets',
				() => false,
				(i) => (i < 8 ? -2 : 0),
			),
		];
		const { harmful } = buildReport({ scores, variants, budget: [], levels: [], reference: { name: 'big', scores: reference } });
		expect(harmful[0]).toMatchObject({ context: 'snippets', judge: 'big', n: 8 });
		expect(harmful[0]?.modes.none?.em).toBe(0.5);
	});

	test('has the budget curve', () => {
		expect(report.k.map(({ k, em }) => [k, em])).toEqual([
			[1, 0.5],
			[8, 27 / 40],
		]);
	});

	test('holds the modes against those of another bundle, line by line', () => {
		const theirs = scoresOf(
			'hef',
			(i) => i % 4 === 0,
			() => -4,
		);
		const { against } = buildReport({
			scores,
			variants: [hef as never],
			budget: [],
			levels: [],
			against: { name: 'other', scores: theirs },
		});
		expect(against).toMatchObject([{ mode: 'hef', to: 'other', n: 40, logProb: { value: 0.5, low: 0.5, high: 0.5 } }]);
		expect(against[0]?.em.value).toBeCloseTo((27 - 10) / 40);
		expect(against[0]?.em.low).toBeGreaterThan(0);
		const text = describeReport(
			buildReport({ scores, variants: [hef as never], budget: [], levels: [], against: { name: 'o', scores } }),
			table,
		);
		expect(text).toContain('+0.0 (+0.0 to +0.0)');
	});

	test('says what there was to choose from besides was worth', () => {
		const right = { prediction: 'x', confidence: 0.2, em: true };
		const wrong = { ...right, em: false };
		let missed = 0;
		const asked = scores.map((score) =>
			score.mode === 'hef' ? { ...score, alternatives: score.em || missed++ >= 4 ? [wrong] : [wrong, right] } : score,
		) as ExampleScore[];
		const { modes } = buildReport({ scores: asked, variants, budget: [], levels: [] });
		const { em, emAny, offered, n } = modes.hef as ModeScore;
		expect({ em, n }).toEqual({ em: report.modes.hef?.em, n: 40 });
		expect(emAny).toBeCloseTo(em + 4 / 40);
		expect(offered).toBeCloseTo(2 + 4 / 40);
		expect(modes.none?.emAny).toBeUndefined();
		const text = describeReport({ ...report, modes }, table);
		expect(text).toMatch(/^mode +n +EM +EM of any +offered/);
		expect(describeReport(report, table)).not.toContain('EM of any');
	});

	test('says which levels were retrieved', () => {
		const found = scores.map((score, i) => ({
			...score,
			...(score.mode === 'hef' ? { levels: i % 2 ? { chunk: 3 } : { chunk: 3, file: 2 } } : {}),
		}));
		const { retrieved } = buildReport({ scores: found, variants, budget: [], levels: [] });
		expect(retrieved).toEqual({ hef: { chunk: 0.75, file: 0.25 } });
		expect(report.retrieved).toEqual({});
	});

	test('says of how many lines the needed name was listed', () => {
		const listed = scores.map((score, i) => ({
			...score,
			...(score.mode === 'hef' ? { needed: { kind: i % 2 ? 'member' : 'prop', listed: i % 4 === 0 } } : {}),
		}));
		const { needed } = buildReport({ scores: listed, variants, budget: [], levels: [] });
		expect(needed).toEqual({ hef: { member: 0, prop: 0.5, all: 0.25 } });
		expect(report.needed).toEqual({});
	});

	test('reads as tables, in Markdown too', () => {
		const text = describeReport(report, table);
		expect(text).toMatch(/^mode +n +EM/);
		expect(text).toContain('Budget of pseudo-tokens');
		expect(text).not.toContain('Levels');
		expect(text).toContain('Harmful context: 10 lines (25.0 %) that snippets makes less likely (own generator)');
		const markdown = describeReport(report, markdownTable);
		expect(markdown).toContain('| hef / snippets | 0.90 (');
		expect(markdown).toMatch(/\| mode \| n \|.*\n\|---\|---\|/);
	});

	test('draws well-formed charts with every point inside', () => {
		const svg = plotReport(report);
		expectWellFormed(svg);
		expect(svg).toContain('Exact match by budget of pseudo-tokens');
		expect(svg).toContain('Precision by coverage');
		for (const [, x, y] of svg.matchAll(/<circle cx="([\d.-]+)" cy="([\d.-]+)"/g)) {
			expect(Number(x)).toBeGreaterThan(0);
			expect(Number(x)).toBeLessThan(640);
			expect(Number(y)).toBeGreaterThan(0);
			expect(Number(y)).toBeLessThan(360);
		}
		expect(plotReport({ ...report, k: [] } as EvalReport)).not.toContain('Exact match by budget');
	});
});

test('names with markup and empty series draw well-formed too', () => {
	const series = [
		{ name: 'a < b & "c"', colour: 0, points: [] },
		{ name: 'one', colour: 9, points: [{ x: 0, y: 0, low: 0, high: 0 }] },
	];
	const svg = svgDocument([{ title: '<K>', xLabel: 'x', yLabel: 'y', xTicks: [{ at: 0, label: '0' }], series }]);
	expectWellFormed(svg);
	expect(svg).not.toContain('NaN');
});

/** Every element is closed, in order, and attributes are quoted. */
function expectWellFormed(svg: string): void {
	const open: string[] = [];
	const body = svg.replace(/<style>[^<]*<\/style>/, '');
	for (const [tag, slash, name, attributes, closed] of body.matchAll(/<(\/?)([a-z]+)((?:\s+[\w-]+="[^"<]*")*)\s*(\/?)>/g)) {
		if (slash) expect([tag, open.pop()]).toEqual([tag, name]);
		else if (!closed) open.push(name as string);
		expect(attributes).not.toContain('NaN');
	}
	expect(open).toEqual([]);
	expect(body.replace(/<(\/?)([a-z]+)((?:\s+[\w-]+="[^"<]*")*)\s*(\/?)>/g, '')).not.toMatch(/[<>]/);
}

test('a long legend gets rows of its own, inside the picture', () => {
	const names = Array.from({ length: 9 }, (_, i) => `mode with a rather long name ${i}`);
	const series = names.map((name, colour) => ({ name, colour, points: [{ x: 0, y: 0.5 }] }));
	const svg = svgDocument([{ title: '', xLabel: '', yLabel: '', xTicks: [{ at: 0, label: '0' }], series }]);
	const height = Number(/height="(\d+)"/.exec(svg)?.[1]);
	const tops = [...svg.matchAll(/<rect x="[\d.]+" y="([\d.]+)"/g)].map(([, y]) => Number(y));
	expect(new Set(tops).size).toBeGreaterThan(3);
	expect(Math.max(...tops)).toBeLessThan(height);
});

test('a cursor stands where the example says, in code points, and its file lacks the line', () => {
	const text = 'const 𝒳 = 1;\nconst gold = 𝒳 + 1;\nend\n';
	const gold = 'const gold = 𝒳 + 1;';
	const example = { id: '', language: '', repo: '', path: '', offset: [...'const 𝒳 = 1;\n'].length, gold, mid: 14 };
	expect(cursorOf(example, text, false)).toEqual({ saved: 'const 𝒳 = 1;\n\nend\n', prefix: 'const 𝒳 = 1;\n', suffix: '\nend\n', gold });
	expect(cursorOf(example, text, true)).toMatchObject({
		saved: 'const 𝒳 = 1;\n\nend\n',
		prefix: 'const 𝒳 = 1;\nconst gold = 𝒳',
		gold: ' + 1;',
	});
});
