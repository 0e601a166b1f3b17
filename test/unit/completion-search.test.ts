/** The most probable line, found behind a generator whose probabilities are written down. */
import { expect, test } from 'vitest';
import { type DecodeOptions, decodeGreedily } from '../../server/completion/decode.ts';
import { decodeMostProbable } from '../../server/completion/search.ts';
import { END, type Script, scripted } from '../support/scripted-generator.ts';

/** The likelier beginning goes on in five ways, the other in one. */
const forked: Script = {
	'': { a: 0.6, b: 0.4 },
	a: { 1: 0.2, 2: 0.2, 3: 0.2, 4: 0.2, 5: 0.2 },
	b: { x: 1 },
	bx: { y: 0.9, z: 0.1 },
};

test('finds the line that is more probable than the greedy one', async () => {
	const greedy = await decodeGreedily(scripted(forked).options);
	expect([greedy.text, Math.exp(greedy.sumLogProb)]).toEqual(['a1', expect.closeTo(0.12, 5)]);
	const found = await decodeMostProbable(scripted(forked).options);
	expect(found).toMatchObject({ text: 'bxy', nTokens: 3, reason: 'stopToken' });
	expect(Math.exp(found.sumLogProb)).toBeCloseTo(0.36, 5);
	expect(Math.exp(found.firstLogProb)).toBeCloseTo(0.4, 5);
});

test('finds a branch of a branch', async () => {
	const script: Script = { ...forked, b: { x: 0.55, y: 0.45 }, bx: { 1: 0.25, 2: 0.25, 3: 0.25, 4: 0.25 } };
	expect(await decodeMostProbable(scripted(script).options)).toMatchObject({ text: 'by' });
});

test('an empty line is nothing to suggest: the most probable one with something in it is found, if there is any', async () => {
	const script: Script = { '': { [END]: 0.5, a: 0.3, b: 0.2 }, a: { 1: 0.5, 2: 0.5 }, b: { x: 1 } };
	expect(await decodeGreedily(scripted(script).options)).toMatchObject({ text: '' });
	expect(await decodeMostProbable(scripted(script).options)).toMatchObject({ text: 'bx' });
	expect(await decodeMostProbable(scripted({ '': { a: 0.6, [END]: 0.4 }, a: { 1: 0.5, 2: 0.5 } }).options)).toMatchObject({ text: 'a1' });
	expect(await decodeMostProbable(scripted({ '': { [END]: 1 } }).options)).toMatchObject({ text: '' });
});

test('a line that no other beginning can beat costs no run more', async () => {
	const script: Script = { '': { a: 0.7, b: 0.3 }, a: { b: 0.9, c: 0.1 } };
	const greedy = scripted(script);
	const searched = scripted(script);
	const text = await decodeMostProbable(searched.options);
	expect(text).toEqual(await decodeGreedily(greedy.options));
	expect(searched.runs()).toBe(greedy.runs());
});

test('gives a branch up where it is no more probable than the best line', async () => {
	const script: Script = {
		'': { a: 0.6, b: 0.4 },
		a: { b: 0.5, c: 0.3, d: 0.2 },
		b: { l: 0.7, m: 0.3 },
		bl: { o: 1 },
		blo: { n: 1 },
	};
	const { options, runs } = scripted(script);
	expect(await decodeMostProbable(options)).toMatchObject({ text: 'ab' });
	// Two of the greedy line, and one behind `b`: `bl` has 0.28, the line 0.30.
	expect(runs()).toBe(3);
});

test('the end of the line is one event, whichever token writes it', async () => {
	const script: Script = { '': { a: 1 }, a: { x: 0.4, '\n': 0.35, [END]: 0.25 } };
	const { options } = scripted(script);
	const line = await decodeMostProbable(options);
	expect([line.text, Math.exp(line.sumLogProb)]).toEqual(['a', expect.closeTo(0.6, 5)]);
	// In a block it is not: what follows the line break counts.
	expect(await decodeGreedily({ ...scripted(script).options, singleLine: false })).toMatchObject({ text: 'ax' });
});

test('a greedy line that would be hidden does not hide another', async () => {
	const isHopeless: DecodeOptions['isHopeless'] = ({ sumLogProb }) => sumLogProb < Math.log(0.3);
	expect(await decodeGreedily({ ...scripted(forked).options, isHopeless })).toMatchObject({ reason: 'hopeless' });
	expect(await decodeMostProbable({ ...scripted(forked).options, isHopeless })).toMatchObject({ text: 'bxy', reason: 'stopToken' });
	const none: DecodeOptions['isHopeless'] = ({ sumLogProb }) => sumLogProb < Math.log(0.5);
	expect(await decodeMostProbable({ ...scripted(forked).options, isHopeless: none })).toMatchObject({ reason: 'hopeless' });
});

test('a line without an end gives way to one with an end', async () => {
	const script: Script = { '': { a: 0.9, b: 0.1 }, a: { a: 1 }, aa: { a: 1 }, aaa: { a: 1 } };
	expect(await decodeMostProbable({ ...scripted(script).options, maxNewTokens: 3 })).toMatchObject({ text: 'b', reason: 'stopToken' });
});

test('what is forced is written on every way', async () => {
	const script: Script = { '': { r: 0.5, a: 0.5 }, r: { e: 0.5, a: 0.5 }, re: { t: 0.6, s: 0.4 }, ret: { 1: 0.5, 2: 0.5 } };
	expect(await decodeMostProbable({ ...scripted(script).options, forced: 're' })).toMatchObject({ text: 's' });
});

test('a cancellation ends the search, an exhausted time budget keeps what was found', async () => {
	let looks = 0;
	const cancellation = {
		get aborted() {
			return ++looks >= 4;
		},
	};
	expect(await decodeMostProbable({ ...scripted(forked).options, cancellation })).toMatchObject({ reason: 'cancelled' });
	let now = 0;
	const timed = { ...scripted(forked).options, timeBudgetMs: 35, now: () => (now += 10) };
	expect(await decodeMostProbable(timed)).toMatchObject({ text: 'a1', reason: 'stopToken' });
});

test('a generator that takes long for its first line is not asked for another', async () => {
	for (const { runMs, text } of [
		{ runMs: 10, text: 'bxy' },
		{ runMs: 60, text: 'a1' },
	]) {
		let now = 0;
		const { options } = scripted(forked);
		const { generator } = options;
		const decode = (token: number) => {
			now += runMs;
			return generator.decode(token);
		};
		const timed = { ...options, generator: { ...generator, decode }, searchWithinMs: 100, now: () => now };
		expect(await decodeMostProbable(timed)).toMatchObject({ text });
	}
});

test('a line that is worth nothing is not taken where there is another', async () => {
	const script: Script = { '': { a: 0.8, b: 0.15, c: 0.05 }, a: { [END]: 1 }, b: { [END]: 1 }, c: { [END]: 1 } };
	const isWorthless: DecodeOptions['isWorthless'] = (text) => text === 'a';
	expect(await decodeMostProbable({ ...scripted(script).options, isWorthless })).toMatchObject({ text: 'b' });
	expect(await decodeMostProbable({ ...scripted(script).options, isWorthless: () => true })).toMatchObject({ text: 'a' });
});
