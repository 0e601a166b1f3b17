/** The copy model: its index against a naive one, its memory, and how it follows the files. */
import { describe, expect, test } from 'vitest';
import type { ContentHash } from '../../server/base/ids.ts';
import { silentLogger } from '../../server/base/logger.ts';
import { mostProbable } from '../../server/completion/mixing.ts';
import { blocksOf, createBlockTokenizer } from '../../server/copying/block-tokens.ts';
import { createCopySession } from '../../server/copying/copy-model.ts';
import { Likeness, LONGEST_MATCH } from '../../server/copying/matches.ts';
import { createNgramIndex, type NgramIndex } from '../../server/copying/ngram-index.ts';
import { createRepositoryCopies } from '../../server/copying/repository-copies.ts';
import { TokenSequence } from '../../server/copying/token-sequence.ts';
import type { FileRecord } from '../../server/store/types.ts';
import type { SourceText } from '../../server/workspace/types.ts';
import { createByteTokenizer } from '../support/byte-tokenizer.ts';
import { createRandom } from '../support/random.ts';

const tokenizer = createByteTokenizer();

function put(index: NgramIndex, file: string, tokens: readonly number[] | undefined): void {
	for (const _ of index.put(file, tokens && Uint32Array.from(tokens)));
}

/** What followed the longest match of the context's end, counted by looking everywhere. */
function naive(files: ReadonlyMap<string, readonly number[]>, context: readonly number[], except: string) {
	let longest = 0;
	let counts = new Map<number, number>();
	for (const [file, ids] of files) {
		if (file === except) continue;
		for (let at = 0; at < ids.length - 1; at++) {
			let length = 0;
			while (length < LONGEST_MATCH && at - length >= 0 && length < context.length && ids[at - length] === context.at(-1 - length))
				length++;
			if (length < Math.max(2, longest)) continue;
			if (length > longest) counts = new Map();
			longest = length;
			const next = ids[at + 1] as number;
			counts.set(next, (counts.get(next) ?? 0) + 1);
		}
	}
	return { longest, counts: [...counts].sort() };
}

/** What followed the longest of the matches that the index offered. */
function asked(index: NgramIndex, context: readonly number[], except = '') {
	const places: { next: number; length: number }[] = [];
	const offer = (ids: Uint32Array, end: number, length: number) => places.push({ next: ids[end + 1] as number, length });
	index.offerTo({ offer }, new TokenSequence(Uint32Array.from(context)), except);
	const longest = Math.max(0, ...places.map(({ length }) => length));
	const counts = new Map<number, number>();
	for (const { next, length } of places) if (length === longest) counts.set(next, (counts.get(next) ?? 0) + 1);
	return { longest, counts: [...counts].sort() };
}

describe('the n-gram index', () => {
	const random = createRandom(7);
	const below = (n: number) => Math.floor(random.next() * n);
	/** Repetitive, as code is: pieces of a small stock. */
	const stock = Array.from({ length: 12 }, () => Array.from({ length: 3 + below(20) }, () => below(30)));
	const text = (pieces: number) => Array.from({ length: pieces }, () => stock[below(stock.length)] as number[]).flat();

	test('finds what a search of everything finds, through additions, changes and removals', () => {
		const index = createNgramIndex();
		const files = new Map<string, number[]>();
		for (let round = 0; round < 60; round++) {
			const file = `f${below(8)}`;
			const tokens = below(5) === 0 ? undefined : text(1 + below(6));
			put(index, file, tokens);
			if (tokens) files.set(file, tokens);
			else files.delete(file);
			for (let query = 0; query < 10; query++) {
				const context = text(3).slice(0, 2 + below(40));
				const except = `f${below(8)}`;
				expect(asked(index, context, except)).toEqual(naive(files, context, except));
			}
			expect(index.tokens).toBe([...files.values()].reduce((sum, ids) => sum + ids.length, 0));
		}
	});

	test('knows nothing before anything was put in, and nothing of one token', () => {
		const index = createNgramIndex();
		expect(asked(index, [1, 2, 3])).toEqual({ longest: 0, counts: [] });
		put(index, 'a', [1, 2, 3]);
		expect(asked(index, [2])).toEqual({ longest: 0, counts: [] });
		expect(asked(index, [1, 2])).toEqual({ longest: 2, counts: [[3, 1]] });
	});

	test('no match spans two files', () => {
		const index = createNgramIndex();
		put(index, 'a', [1, 2, 3]);
		put(index, 'b', [4, 5, 6]);
		expect(asked(index, [2, 3])).toEqual({ longest: 0, counts: [] });
		expect(asked(index, [2, 3, 4])).toEqual({ longest: 0, counts: [] });
		expect(asked(index, [1, 4, 5])).toEqual({ longest: 2, counts: [[6, 1]] });
	});

	test('stays within its bound: the files that were put in first make room', () => {
		const index = createNgramIndex({ maxTokens: 40_000 });
		const tokens = (file: number) => Array.from({ length: 3000 }, (_, i) => file * 10_000 + i);
		for (let file = 0; file < 40; file++) {
			put(index, `f${file}`, tokens(file));
			expect(index.tokens).toBeLessThanOrEqual(40_000);
			expect(index.sizeBytes).toBeLessThanOrEqual(40_000 * 12 + 2 ** 21);
		}
		expect(index.has('f0')).toBe(false);
		expect(index.has('f39')).toBe(true);
		expect(asked(index, [390_000, 390_001])).toEqual({ longest: 2, counts: [[390_002, 1]] });
		expect(asked(index, [0, 1])).toEqual({ longest: 0, counts: [] });
		put(
			index,
			'huge',
			Array.from({ length: 20_001 }, (_, i) => i),
		);
		expect(index.has('huge')).toBe(false);
	});

	test('room is made for many files at once', () => {
		const index = createNgramIndex({ maxTokens: 40_000 });
		let slices = 0;
		for (let file = 0; file < 300; file++)
			for (const _ of index.put(
				`f${file}`,
				Uint32Array.from({ length: 1000 }, (_, i) => i),
			))
				slices++;
		expect(index.tokens).toBeGreaterThan(30_000);
		// 300,000 tokens are 150 slices; moving 40,000 for every file past the bound would be 5,000 more.
		expect(slices).toBeLessThan(1500);
	});

	test('a file that is saved over and over takes the memory of one', () => {
		const index = createNgramIndex();
		for (let version = 0; version < 500; version++) put(index, 'a', text(50));
		expect(index.sizeBytes).toBeLessThan(2 ** 21 + 12 * 2 ** 15);
	});

	test('a query between two slices of a change is right', () => {
		const index = createNgramIndex();
		const ids = Uint32Array.from({ length: 20_000 }, (_, i) => i % 5000);
		let slices = 0;
		for (const _ of index.put('a', ids)) {
			slices++;
			const { longest, counts } = asked(index, [100, 101, 102]);
			if (longest > 0) expect(counts.map(([next]) => next)).toEqual([103]);
		}
		expect(slices).toBeGreaterThan(5);
	});
});

describe('blocks', () => {
	const lines = Array.from({ length: 400 }, (_, i) => `${i % 9 === 0 ? '' : '\t'}const value${i} = compute(${i});`).join('\n');

	test.each(['', 'x', '\n\n\n', lines, 'y'.repeat(20_000), `x${'😀'.repeat(4000)}`, `${lines}\n${'z'.repeat(7000)}\n${lines}`])(
		'are the text, in pieces (%#)',
		(text) => {
			const blocks = [...blocksOf(text)];
			expect(blocks.join('')).toBe(text);
			for (const block of blocks) expect(block.length).toBeLessThanOrEqual(3000);
			expect([...createBlockTokenizer(tokenizer).encode(text)]).toEqual(tokenizer.encode(text));
		},
	);

	test('a change leaves the blocks before it and the later ones as they were', () => {
		const changed = lines.replace('value200 ', 'renamed ');
		const before = new Set(blocksOf(lines));
		const fresh = [...blocksOf(changed)].filter((block) => !before.has(block));
		expect(fresh).toHaveLength(1);
	});
});

describe('a session', () => {
	const blocks = createBlockTokenizer(tokenizer);
	const open = (prefix: string, suffix = '', index?: NgramIndex) =>
		createCopySession({ prefix, suffix, path: 'open.ts', tokenizer: blocks, repository: index });
	const repository = (files: Record<string, string>) => {
		const index = createNgramIndex();
		for (const [file, text] of Object.entries(files)) put(index, file, tokenizer.encode(text));
		return index;
	};
	const texts = (probabilities: ReadonlyMap<number, number>) =>
		Object.fromEntries([...probabilities].map(([id, p]) => [tokenizer.decode([id]), p]));

	test('a place whose text before the match is like the text here outweighs more places that are not', () => {
		const alike = 'const query = parse(request.url); limit(';
		const index = repository({ 'a.ts': `${alike}9)`, 'b.ts': 'width(); limit(1)', 'c.ts': 'height(); limit(1)' });
		const here = open('const query = parse(request.uri); limit(', '', index).predict();
		const elsewhere = open('zoom(); limit(', '', index).predict();
		expect(mostProbable(here?.probabilities ?? new Map()).token).toBe('9'.charCodeAt(0));
		expect(mostProbable(elsewhere?.probabilities ?? new Map()).token).toBe('1'.charCodeAt(0));
		expect(here?.likeness).toBeGreaterThan(0.7);
	});

	test('a match that is shorter by one token counts e^2 times less, one shorter by five not at all', () => {
		const index = repository({ 'a.ts': '_abcdefgX', 'b.ts': '-bcdefgY', 'c.ts': '+fgZ' });
		const { probabilities } = open('abcdefg', '', index).predict() ?? { probabilities: new Map() };
		expect(texts(probabilities)).toEqual({ X: expect.closeTo(1 / (1 + Math.exp(-2))), Y: expect.closeTo(1 / (1 + Math.exp(2))) });
	});

	test('the longest match wins, wherever it stands', () => {
		const index = repository({ 'a.ts': 'await store.get(key)' });
		const prediction = open('store.set(x); await store.', '', index).predict();
		expect(texts(prediction?.probabilities ?? new Map())).toEqual({ g: 1 });
		expect(prediction).toMatchObject({ matchLength: 12, support: 1, openFileShare: 0 });
	});

	test('the open file counts four times what another file does, before and after the cursor', () => {
		const index = repository({ 'a.ts': 'xab', 'b.ts': 'xab' });
		expect(texts(open('xac xa', '', index).predict()?.probabilities ?? new Map())).toEqual({ b: 2 / 6, c: 4 / 6 });
		expect(texts(open('xa', ' xac', index).predict()?.probabilities ?? new Map())).toEqual({ b: 2 / 6, c: 4 / 6 });
	});

	test('the saved text of the open file is not counted', () => {
		const index = repository({ 'open.ts': 'const answer = 42;', 'a.ts': 'const answer = 7;' });
		expect(texts(open('const answer = ', '', index).predict()?.probabilities ?? new Map())).toEqual({ '7': 1 });
	});

	test('goes on with what is written, and back', () => {
		const session = open('for (const item of items) {}\nfor (');
		const start = session.length;
		let written = '';
		for (let prediction = session.predict(); prediction && written.length < 22; prediction = session.predict()) {
			const [[token]] = [...prediction.probabilities].sort(([, a], [, b]) => b - a) as [[number, number]];
			written += tokenizer.decode([token]);
			session.push(token);
		}
		expect(written).toBe('const item of items) {');
		session.truncate(start);
		expect(texts(session.predict()?.probabilities ?? new Map())).toEqual({ c: 1 });
	});

	test('predictions that were made before are those of the context as it is', () => {
		const text = 'let a = b; let b = c; if (a) { b = c; } let c = a; let ab = ba; '.repeat(4);
		const index = repository({ 'other.ts': 'let a = c; let b = a; if (b) { c = a; }' });
		const random = createRandom(11);
		const likeness = new Likeness();
		const options = { suffix: '', path: 'open.ts', tokenizer: blocks, repository: index };
		const session = createCopySession({ ...options, prefix: text, likeness });
		const start = session.length;
		let written: number[] = [];
		for (let n = 0; n < 300; n++) {
			if (random.below(3) === 0) {
				written = written.slice(0, random.below(written.length + 1));
				session.truncate(start + written.length);
			} else {
				const token = tokenizer.encode(random.pick(['a', 'b', 'c', ' ', '=']))[0] as number;
				written.push(token);
				session.push(token);
			}
			const anew = createCopySession({ ...options, prefix: text + tokenizer.decode(written) });
			expect(session.predict()).toEqual(anew.predict());
		}
	});

	test('an index says when predictions from it are out of date', () => {
		const index = repository({ 'a.ts': 'xab' });
		const before = index.version;
		open('xa', '', index).predict();
		expect(index.version).toBe(before);
		put(index, 'b.ts', tokenizer.encode('xac'));
		const added = index.version;
		put(index, 'a.ts', undefined);
		expect(new Set([before, added, index.version]).size).toBe(3);
	});

	test('predicts nothing from nothing', () => {
		expect(open('').predict()).toBeUndefined();
		expect(open('xyz').predict()).toBeUndefined();
	});
});

describe('a repository that is followed', () => {
	const texts = new Map<string, string>();
	const record = (text: string) => ({ contentHash: text as ContentHash }) as FileRecord;
	const view = {
		file: (path: string) => (texts.has(path) ? record(texts.get(path) as string) : undefined),
		paths: () => texts.keys(),
		settled: async () => {},
	};
	let reads: string[] = [];
	const read = async (path: string): Promise<SourceText> => {
		reads.push(path);
		const text = texts.get(path);
		return text === undefined || text === 'binary' ? { kind: 'skipped', reason: 'binary' } : { kind: 'text', text };
	};

	test('reads what changed, forgets what is gone, leaves what is the same', async () => {
		const copies = createRepositoryCopies({ view, read, tokenizer: async () => createBlockTokenizer(tokenizer) });
		texts.set('a', 'alpha one').set('b', 'beta\r\ntwo').set('c', 'binary');
		copies.follow('all');
		await copies.settled();
		expect(['a', 'b', 'c'].map((path) => copies.index.has(path))).toEqual([true, true, false]);
		expect(asked(copies.index, tokenizer.encode('beta')).counts).toEqual([[10, 1]]);
		reads = [];
		texts.set('a', 'alpha two');
		texts.delete('b');
		copies.follow(['a']);
		copies.follow('all');
		await copies.settled();
		expect(reads).toEqual(['a']);
		expect(copies.index.has('b')).toBe(false);
		expect(asked(copies.index, tokenizer.encode('alpha ')).counts).toEqual([['t'.charCodeAt(0), 1]]);
		await copies.close();
	});

	test('of a folder that is too large, what changed last is taken, and nothing is done for the rest', async () => {
		texts.clear();
		for (let i = 0; i < 20; i++) texts.set(`f${i}`, `${i} `.repeat(100));
		const times = new Map([...texts.keys()].map((path, i) => [path, i < 3 ? 0 : 1_000_000 - i]));
		const dated = {
			...view,
			file: (path: string) => ({ ...(view.file(path) as FileRecord), sizeBytes: 250, mtimeMs: times.get(path) ?? 0 }),
		};
		const encoded: string[] = [];
		const counting = createBlockTokenizer({
			...tokenizer,
			encode(text: string) {
				encoded.push(text);
				return tokenizer.encode(text);
			},
		});
		const observed: string[] = [];
		const index = createNgramIndex({ maxTokens: 1000 });
		const copies = createRepositoryCopies({
			view: dated,
			read,
			tokenizer: async () => counting,
			index,
			observe: (path) => observed.push(path),
		});
		copies.follow('all');
		await copies.settled();
		// Four files by their tokens; the fifth finds no room.
		expect([...texts.keys()].filter((path) => index.has(path))).toEqual(['f0', 'f1', 'f2', 'f3']);
		expect(encoded.some((text) => text.startsWith('3 '))).toBe(true);
		expect(encoded.some((text) => text.startsWith('5 '))).toBe(false);
		expect(observed.length).toBe(20);
		await copies.close();
	});

	test('asks for tokens when the first text is read, and for what failed with the next change', async () => {
		texts.clear();
		texts.set('a', 'alpha one');
		const [asked, warnings]: [string[], string[]] = [[], []];
		let fails = true;
		const copies = createRepositoryCopies({
			view: {
				...view,
				async settled() {
					asked.push('view');
				},
			},
			read,
			async tokenizer() {
				asked.push('tokens');
				if (fails) throw new Error('there is no vocabulary');
				return createBlockTokenizer(tokenizer);
			},
			logger: { ...silentLogger, warn: (message) => warnings.push(message) },
		});
		expect(asked).toEqual([]);
		copies.follow('all');
		await copies.settled();
		expect([asked, warnings, copies.index.has('a')]).toEqual([['view', 'tokens'], ['copying: there is no vocabulary'], false]);
		fails = false;
		copies.follow('all');
		await copies.settled();
		expect([warnings.length, copies.index.has('a')]).toEqual([1, true]);
		await copies.close();
	});

	test('ends early when closed', async () => {
		texts.clear();
		for (let i = 0; i < 50; i++) texts.set(`f${i}`, 'some text '.repeat(1000 + i));
		const copies = createRepositoryCopies({ view, read, tokenizer: async () => createBlockTokenizer(tokenizer) });
		copies.follow('all');
		await copies.close();
		expect(copies.index.tokens).toBe(0);
	});
});
