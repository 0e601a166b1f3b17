import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { loadTokenizer } from '../../server/inference/tokenizer.ts';
import type { Tokenizer } from '../../server/inference/types.ts';
import { copyTinyBundle, fixturesFolder, tinyBundleFolder } from '../support/tiny-bundle.ts';

const goldens = JSON.parse(readFileSync(join(fixturesFolder, 'tiny-tokenizer-golden.json'), 'utf8')) as { text: string; ids: number[] }[];
/** `<|pad|>` to the last reserved one. */
const SPECIAL_TOKENS = 16;
const bytesOf = (text: string) => new TextEncoder().encode(text);
let tokenizer: Tokenizer;

beforeAll(async () => {
	tokenizer = await loadTokenizer(join(tinyBundleFolder, 'tokenizer.json'), 384);
});

test.each(goldens)('text %# has the reference ids', ({ text, ids }) => {
	expect(tokenizer.encode(text)).toEqual(ids);
	// Again, now from the remembered pieces.
	expect(tokenizer.encode(text)).toEqual(ids);
	expect(tokenizer.count(text)).toBe(ids.length);
});

test.each(goldens)('text %# comes back from its ids, and from its pre-tokens', ({ text, ids }) => {
	expect(tokenizer.decode(ids)).toBe(text);
	expect(tokenizer.preTokens(text).join('')).toBe(text);
});

test('a text that spells special tokens has ordinary ids and comes back whole', () => {
	const text = 'a<|fim_middle|><|endoftext|>b';
	const ids = tokenizer.encode(text);
	expect(Math.min(...ids)).toBeGreaterThanOrEqual(SPECIAL_TOKENS);
	expect(tokenizer.decode(ids)).toBe(text);
});

test('special tokens have no bytes and no text', () => {
	expect(tokenizer.tokenBytes(5)).toHaveLength(0);
	expect(tokenizer.decode([5, ...tokenizer.encode('x'), 2])).toBe('x');
});

test('incomplete UTF-8 becomes U+FFFD', () => {
	const euro = [...'€'].flatMap((character) => tokenizer.encode(character));
	expect(euro.length).toBeGreaterThan(1);
	expect(tokenizer.decode(euro.slice(0, -1))).toBe('\ufffd');
});

describe('token healing', () => {
	test('compatible tokens start with the bytes or are a beginning of them', () => {
		const texts = tokenizer.tokensCompatibleWith(bytesOf('re')).map((id) => tokenizer.decode([id]));
		expect(texts).toContain('r');
		expect(texts.every((text) => text.startsWith('re') || 're'.startsWith(text))).toBe(true);
	});

	test('agree with a look at every token', () => {
		for (const text of ['re', ' ', '\n  ', 'é', 'function', 'qqqq']) {
			const wanted = [...bytesOf(text)];
			const compatible = Array.from({ length: tokenizer.vocabSize }, (_, id) => id).filter((id) => {
				const bytes = [...tokenizer.tokenBytes(id)];
				const shorter = Math.min(bytes.length, wanted.length);
				return shorter > 0 && bytes.slice(0, shorter).join() === wanted.slice(0, shorter).join();
			});
			expect([...tokenizer.tokensCompatibleWith(bytesOf(text))].sort((a, b) => a - b)).toEqual(compatible);
		}
	});

	test('without bytes every token of text is compatible, and no special one', () => {
		const ids = tokenizer.tokensCompatibleWith(new Uint8Array());
		expect(ids).toHaveLength(384 - SPECIAL_TOKENS);
		expect(Math.min(...ids)).toBe(SPECIAL_TOKENS);
	});
});

describe('refuses', () => {
	const original = JSON.parse(readFileSync(join(tinyBundleFolder, 'tokenizer.json'), 'utf8'));
	const cases: [string, unknown, RegExp][] = [
		['another kind of model', { ...original, model: { ...original.model, type: 'Unigram' } }, /its model is Unigram/],
		['a pre-tokenizer without byte level', { ...original, pre_tokenizer: { type: 'Whitespace' } }, /does not end in ByteLevel/],
		['a vocabulary that lacks bytes', { ...original, model: { ...original.model, vocab: { a: 0 } } }, /lacks 255 of the 256 bytes/],
		['what is no object', 7, /not a byte-level BPE tokenizer/],
	];
	test.each(cases)('%s', async (_, json, message) => {
		await using copy = await copyTinyBundle();
		const path = join(copy.folder, 'tokenizer.json');
		await writeFile(path, JSON.stringify(json));
		await expect(loadTokenizer(path, 384)).rejects.toMatchObject({ code: 'bundle-invalid', message: expect.stringMatching(message) });
	});

	test('ids beyond the manifest', async () => {
		await expect(loadTokenizer(join(tinyBundleFolder, 'tokenizer.json'), 300)).rejects.toThrow(/manifest says vocabSize 300/);
	});
});
