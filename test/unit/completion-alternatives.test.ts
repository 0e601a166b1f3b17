/** Several lines to choose from, behind a generator whose probabilities are written down. */
import { expect, test } from 'vitest';
import { type AlternativesOptions, decodeAlternatives } from '../../server/completion/alternatives.ts';
import { decodeGreedily } from '../../server/completion/decode.ts';
import { decodeMostProbable } from '../../server/completion/search.ts';
import { endOfBlock, endOfFirstLine } from '../../server/completion/stop-rules.ts';
import { type Script, scripted } from '../support/scripted-generator.ts';

/** Five lines: `ab` 0.3, `bx` 0.28, `ac` 0.18, `ad` 0.12, `by` 0.12. */
const lines: Script = {
	'': { a: 0.6, b: 0.4 },
	a: { b: 0.5, c: 0.3, d: 0.2 },
	b: { x: 0.7, y: 0.3 },
};

function optionsOf(script: Script, options: Partial<AlternativesOptions> = {}): AlternativesOptions & { runs(): number } {
	const { options: from, runs } = scripted(script);
	return { ...from, runs, most: 3, shown: ({ text }) => text, othersBudgetMs: 1000, ...options };
}

const textsOf = async (options: AlternativesOptions) => (await decodeAlternatives(options)).map(({ text }) => text);

test('the most probable lines, most probable first', async () => {
	expect(await textsOf(optionsOf(lines))).toEqual(['ab', 'bx', 'ac']);
	expect(await textsOf(optionsOf(lines, { most: 2 }))).toEqual(['ab', 'bx']);
	expect(await textsOf(optionsOf(lines, { most: 9 }))).toEqual(['ab', 'bx', 'ac', 'ad', 'by']);
	const [, second] = await decodeAlternatives(optionsOf(lines));
	expect([second?.nTokens, Math.exp(second?.sumLogProb ?? 0)]).toEqual([2, expect.closeTo(0.28, 5)]);
});

test('the first is the one that a request for one alone gets', async () => {
	const better: Script = { ...lines, a: { b: 0.3, c: 0.3, d: 0.2, e: 0.2 } };
	const one = await decodeMostProbable(optionsOf(better));
	expect((await decodeAlternatives(optionsOf(better)))[0]).toEqual(one);
	expect(one.text).toBe('bx');
	const alone = optionsOf(better, { most: 1 });
	const searched = optionsOf(better);
	await decodeMostProbable(searched);
	expect(await decodeAlternatives(alone)).toEqual([one]);
	expect(alone.runs()).toBe(searched.runs());
});

test('no two read alike, and none that could not be shown', async () => {
	const spaced: Script = { '': { a: 0.5, ' ': 0.3, b: 0.2 }, ' ': { a: 1 } };
	expect(await textsOf(optionsOf(spaced, { shown: ({ text }) => text.trim() }))).toEqual(['a', 'b']);
	expect(await textsOf(optionsOf(lines, { shown: ({ text }) => (text.startsWith('b') ? undefined : text) }))).toEqual(['ab', 'ac', 'ad']);
});

test('what is next to impossible is not offered, and not followed', async () => {
	const sure = optionsOf({ '': { a: 0.995, b: 0.005 } });
	expect(await textsOf(sure)).toEqual(['a']);
	const searched = optionsOf({ '': { a: 0.995, b: 0.005 } });
	await decodeMostProbable(searched);
	expect(sure.runs()).toBe(searched.runs());
});

test('a block goes on behind each first line, and the first is the greedy one', async () => {
	const blocks: Script = {
		'': { '\n': 0.9, '/': 0.1 },
		'\n': { '\t': 1 },
		'\n\t': { a: 0.6, b: 0.4 },
		'\n\ta': { '\n': 1 },
		'\n\ta\n': { '}': 1 },
		'\n\ta\n}': { '\n': 1 },
		'\n\tb': { '\n': 0.6, ';': 0.4 },
		'\n\tb\n': { '\t': 0.7, '}': 0.3 },
		'\n\tb\n\t': { c: 1 },
		'\n\tb\n\tc': { '\n': 1 },
		'\n\tb\n\tc\n': { '}': 1 },
		'\n\tb\n\tc\n}': { '\n': 1 },
	};
	const block = { stop: endOfBlock('f() {'), maxNewTokens: 32 };
	const options = { singleLine: false, stop: endOfFirstLine, block };
	const greedy = await decodeGreedily(optionsOf(blocks, { ...block, singleLine: false }));
	expect(greedy.text).toBe('\n\ta\n}');
	const all = await decodeAlternatives(optionsOf(blocks, options));
	expect(all[0]).toMatchObject({ ...greedy, line: { text: '\n\ta' } });
	expect(all.map(({ text }) => text)).toEqual(['\n\ta\n}', '\n\tb\n\tc\n}', '\n\tb;']);
});

test('a line asked for by hand goes on as a block, and an empty one may be the beginning of a block', async () => {
	const block = { stop: endOfBlock('f('), maxNewTokens: 32 };
	const opened: Script = {
		'': { '{': 0.6, a: 0.4 },
		'{': { '\n': 1 },
		'{\n': { '\t': 1 },
		'{\n\t': { b: 1 },
		'{\n\tb': { '\n': 1 },
		'{\n\tb\n': { '}': 1 },
	};
	expect(await textsOf(optionsOf(opened, { block }))).toEqual(['{\n\tb\n}', 'a']);
	const below: Script = { '': { '\n': 0.8, a: 0.2 }, '\n': { '\t': 1 }, '\n\t': { b: 1 }, '\n\tb': { '\n': 1 }, '\n\tb\n': { ')': 1 } };
	expect(await textsOf(optionsOf(below, { block }))).toEqual(['\n\tb\n)', 'a']);
	// Below it nothing is indented: then it is empty, and the line is the suggestion.
	const empty: Script = { '': { '\n': 0.8, a: 0.2 }, '\n': { b: 1 }, '\nb': { '\n': 1 } };
	expect(await textsOf(optionsOf(empty, { block }))).toEqual(['a']);
});

test('a cancellation ends it at any place; spent time keeps what was found', async () => {
	const looksOf = async (most: number) => {
		let looks = 0;
		const cancellation = {
			get aborted() {
				looks++;
				return false;
			},
		};
		await decodeAlternatives(optionsOf(lines, { most, cancellation }));
		return looks;
	};
	const looks = await looksOf(5);
	expect(looks).toBeGreaterThan(await looksOf(1));
	for (let end = 1; end <= looks; end++) {
		let n = 0;
		const cancellation = {
			get aborted() {
				return ++n >= end;
			},
		};
		expect(await decodeAlternatives(optionsOf(lines, { most: 5, cancellation }))).toMatchObject([{ reason: 'cancelled' }]);
	}
	let now = 0;
	const timed = { timeBudgetMs: 1000, othersBudgetMs: 15, now: () => (now += 10) };
	expect(await textsOf(optionsOf(lines, { most: 5, ...timed }))).toEqual(['ab', 'bx']);
	expect(await textsOf(optionsOf(lines, { most: 5, ...timed, othersBudgetMs: 500 }))).toHaveLength(5);
});
