import { expect, test } from 'vitest';
import { neverCancelled } from '../../server/base/cancellation.ts';
import { confidenceOf, featuresOf } from '../../server/completion/confidence.ts';
import { type DecodeOptions, decodeGreedily, scoreText } from '../../server/completion/decode.ts';
import { endOfBlock, endOfLine } from '../../server/completion/stop-rules.ts';
import type { Generator } from '../../server/inference/types.ts';
import { createByteTokenizer, STOP_TOKEN } from '../support/byte-tokenizer.ts';

const tokenizer = createByteTokenizer();

/** Logits that prefer one token, and give every token some chance. */
function preferring(token: number): Float32Array {
	const logits = new Float32Array(tokenizer.vocabSize);
	logits[token] = 5;
	return logits;
}

/** A generator that writes a text and then stops. */
function writes(text: string): { generator: Generator; first: Float32Array; fed: number[] } {
	const script = [...tokenizer.encode(text), STOP_TOKEN];
	const fed: number[] = [];
	const generator: Generator = {
		vocabSize: tokenizer.vocabSize,
		maxPositions: 1024,
		stopTokens: new Set([STOP_TOKEN]),
		prefill: () => Promise.reject(new Error('not used')),
		decode(token) {
			fed.push(token);
			return Promise.resolve(preferring(script[fed.length] ?? STOP_TOKEN));
		},
		decodeMany: () => Promise.reject(new Error('not used')),
		truncate() {},
	};
	return { generator, first: preferring(script[0] as number), fed };
}

function decode(text: string, options: Partial<DecodeOptions> = {}) {
	const { generator, first } = writes(text);
	return decodeGreedily({
		generator,
		tokenizer,
		logits: first,
		positions: 0,
		forced: '',
		maxNewTokens: 64,
		stop: endOfLine,
		cancellation: neverCancelled,
		timeBudgetMs: 1000,
		now: () => 0,
		...options,
	});
}

test('stops at the stop token', async () => {
	expect(await decode('return 1;')).toMatchObject({ text: 'return 1;', nTokens: 9, reason: 'stopToken' });
});

test('where the text ends by itself, its last line is judged as every other', async () => {
	const stop = endOfBlock('\tf() {');
	expect(await decode('\n\t\tgo();\n\t}', { stop })).toMatchObject({ text: '\n\t\tgo();\n\t}', reason: 'stopToken' });
	expect(await decode('\n\t\tgo();\n}', { stop })).toMatchObject({ text: '\n\t\tgo();', reason: 'stopToken' });
});

test('stops at the end of the line and keeps nothing behind it', async () => {
	expect(await decode('return 1;\nnext')).toMatchObject({ text: 'return 1;', reason: 'stopRule' });
});

test('forced text is produced first and is no part of the answer', async () => {
	expect(await decode('xxturn 1;', { forced: 're' })).toMatchObject({ text: 'turn 1;', reason: 'stopToken' });
});

test('a character of several bytes comes whole', async () => {
	expect(await decode('é = "漢"', { maxNewTokens: 64 })).toMatchObject({ text: 'é = "漢"' });
	expect(await decode('漢字', { maxNewTokens: 4 })).toMatchObject({ text: '漢', reason: 'length' });
});

test('what is likely scores higher than what is not', async () => {
	const sure = await decode('abc');
	const forced = await decode('abc', { logits: new Float32Array(tokenizer.vocabSize) });
	expect(sure.sumLogProb).toBeGreaterThan(forced.sumLogProb);
	expect(sure.sumLogProb).toBeLessThan(0);
});

test('cancellation is seen after one step', async () => {
	let steps = 0;
	const cancellation = {
		get aborted() {
			return ++steps >= 3;
		},
	};
	expect(await decode('abcdefgh', { cancellation })).toMatchObject({ nTokens: 3, reason: 'cancelled' });
});

test('an exhausted time budget returns what is there', async () => {
	let now = 0;
	expect(await decode('abcdefgh', { timeBudgetMs: 25, now: () => (now += 10) })).toMatchObject({ text: 'abc', reason: 'time' });
});

test('the log-probability of a given text is that of its tokens, what is forced being given', async () => {
	const { generator, first } = writes('return 1;');
	const fed: number[][] = [];
	const scored = (text: string, forced: string, logits = first) =>
		scoreText({
			generator: {
				...generator,
				decodeMany: (tokens) => {
					fed.push([...tokens]);
					return Promise.resolve(tokens.map((_, i) => preferring(tokenizer.encode('return 1;')[i + 1] as number)));
				},
			},
			tokenizer,
			logits,
			forced,
			text,
		});
	const preferred = 5 - Math.log(Math.exp(5) + tokenizer.vocabSize - 1);
	const right = await scored('return 1;', '');
	expect(right.nTokens).toBe(9);
	expect(right.logProb).toBeCloseTo(9 * preferred, 4);
	expect(fed).toEqual([tokenizer.encode('return 1')]);
	const wrong = await scored('return 2;', '');
	expect(wrong.logProb).toBeCloseTo(right.logProb - 5, 4);
	// A byte tokenizer has one token for each forced byte, so forced bytes cost nothing.
	const forced = await scored('urn 1;', 'ret');
	expect(forced).toMatchObject({ nTokens: 9 });
	expect(forced.logProb).toBeCloseTo(6 * preferred, 4);
	expect(await scored('', '')).toEqual({ logProb: 0, nTokens: 0 });
});

test('the confidence is the logistic function of weighted features', async () => {
	const features = featuresOf(await decode('return 1;'), '\t');
	expect(features).toMatchObject({ nTokens: 9, lineStart: 1, midWord: 0, minLogProb: features.firstLogProb });
	expect(features.meanLogProb).toBeCloseTo(features.sumLogProb / 9);
	expect(features.sumLogProb).toBeCloseTo(10 * features.firstLogProb, 4);
	expect(featuresOf(await decode('x'), 'const na')).toMatchObject({ lineStart: 0, midWord: 1 });
	const logit = 0.5 + 2 * features.meanLogProb + 0.25;
	expect(confidenceOf(features, { intercept: 0.5, meanLogProb: 2, lineStart: 0.25 })).toBeCloseTo(1 / (1 + Math.exp(-logit)));
	expect(confidenceOf({ ...features, nTokens: 0 }, { intercept: 9 })).toBe(0);
});
