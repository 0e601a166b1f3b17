/** What is copied from in a repository that is larger than the index: what is near to where somebody works. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { createBlockTokenizer } from '../../server/copying/block-tokens.ts';
import { byAge, directoryOf, lastDirectories, nearestFirst } from '../../server/copying/near-files.ts';
import { createNgramIndex } from '../../server/copying/ngram-index.ts';
import { createRepositoryCopies } from '../../server/copying/repository-copies.ts';
import type { FileRecord } from '../../server/store/types.ts';
import type { SourceText } from '../../server/workspace/types.ts';
import { createByteTokenizer } from '../support/byte-tokenizer.ts';
import { createRandom } from '../support/random.ts';

function toItsEnd<T>(work: Generator<void, T>): T {
	for (;;) {
		const { done, value } = work.next();
		if (done) return value;
	}
}

describe('the nearest files', () => {
	/** Paths, each with the time of its change; all are of one size. */
	const ordered = (times: Record<string, number>, directories: readonly string[]) => {
		const files = Object.entries(times).map(([path, changedMs]) => ({ path, directory: directoryOf(path), sizeBytes: 10, changedMs }));
		return toItsEnd(nearestFirst(files.sort(byAge), directories)).map(({ path }) => path);
	};

	test('are those of the directory, then those with most of the path in common, then the newest, then by path', () => {
		const times = {
			...{ 'README.md': 9, 'pkg/a/src/x/one.ts': 1, 'pkg/a/src/x/two.ts': 1, 'pkg/a/src/x/new.ts': 2, 'pkg/a/src/x/deep/er/f.ts': 5 },
			...{ 'pkg/a/src/y/f.ts': 3, 'pkg/a/src/f.ts': 4, 'pkg/a/f.ts': 8, 'pkg/ab/src/x/f.ts': 7, 'pkg/b/src/x/f.ts': 7, 'src/x/f.ts': 9 },
		};
		expect(ordered(times, ['pkg/a/src/x/'])).toEqual([
			...['pkg/a/src/x/new.ts', 'pkg/a/src/x/one.ts', 'pkg/a/src/x/two.ts', 'pkg/a/src/x/deep/er/f.ts'],
			...['pkg/a/src/f.ts', 'pkg/a/src/y/f.ts', 'pkg/a/f.ts', 'pkg/ab/src/x/f.ts', 'pkg/b/src/x/f.ts', 'README.md', 'src/x/f.ts'],
		]);
		expect(ordered({ 'a.ts': 1, 'b/a.ts': 5, 'c/d/a.ts': 3 }, [''])).toEqual(['a.ts', 'b/a.ts', 'c/d/a.ts']);
		expect(ordered({ 'a.ts': 1, 'b/a.ts': 5 }, [])).toEqual(['b/a.ts', 'a.ts']);
	});

	test('of several directories come in turn, as far as they are nearer to one than to another', () => {
		const times = { 'a/1': 0, 'a/2': 0, 'a/3': 0, 'b/1': 0, 'b/x/1': 0, 'b/x/2': 0, 'b/x/3': 0, 'c/1': 9 };
		const order = ['a/1', 'b/x/1', 'a/2', 'b/x/2', 'a/3', 'b/x/3', 'b/1', 'c/1'];
		expect(ordered(times, ['a/', 'b/x/'])).toEqual(order);
		expect(ordered(times, ['b/x/', 'a/'])).toEqual(order);
		// What is of the same package as two of them takes nothing from the third that is not of it.
		expect(ordered(times, ['b/x/', 'b/', 'a/']).at(-1)).toBe('c/1');
	});

	test('are all files, each once', () => {
		const random = createRandom(3);
		const name = () => random.pick(['a', 'b', 'c']);
		for (let round = 0; round < 50; round++) {
			const paths = Array.from({ length: 600 }, (_, i) => `${Array.from({ length: random.below(4) }, () => `${name()}/`).join('')}${i}`);
			const times = Object.fromEntries(paths.map((path) => [path, random.below(3)]));
			const directories = [...new Set(Array.from({ length: random.below(5) }, () => directoryOf(random.pick(paths))))];
			expect(ordered(times, directories).sort()).toEqual([...paths].sort());
		}
	});

	test('directories that are returned to stay the same ones, and the one left longest ago goes first', () => {
		const lastOf = (...opened: string[]) => opened.reduce((before: string[], path) => lastDirectories([path], before), []);
		expect(lastOf('a/1', 'b/1', 'c/1', 'd/1', 'a/2')).toEqual(['a/', 'd/', 'c/', 'b/']);
		expect(lastOf('a/1', 'b/1', 'c/1', 'd/1', 'a/2', 'e')).toEqual(['', 'a/', 'd/', 'c/']);
		expect(lastDirectories(['a/1', 'b/1', 'a/2', 'c/1'], ['x/'])).toEqual(['a/', 'x/', 'b/', 'c/']);
		expect(lastDirectories([], ['x/'])).toEqual(['x/']);
	});
});

describe('the n-gram index', () => {
	const tokens = (n: number) => Uint32Array.from({ length: n }, (_, i) => i);

	test('puts in what finds room where files may go, and removes none where they would not do', () => {
		const index = createNgramIndex({ maxTokens: 1000 });
		for (const file of ['a', 'b', 'c', 'd']) toItsEnd(index.put(file, tokens(230)));
		expect(toItsEnd(index.put('e', tokens(230), undefined, (file) => file === 'c'))).toBe(false);
		expect(['a', 'b', 'c', 'd', 'e'].filter(index.has)).toEqual(['a', 'b', 'c', 'd']);
		expect(toItsEnd(index.put('e', tokens(230), undefined, (file) => file !== 'a' && file !== 'd'))).toBe(true);
		expect(['a', 'b', 'c', 'd', 'e'].filter(index.has)).toEqual(['a', 'd', 'e']);
	});

	test('files make room, and are searched, in the order in which they are arranged', () => {
		const index = createNgramIndex({ maxTokens: 1000 });
		const lines = { starts: tokens(1), ends: tokens(1), shapes: new Int32Array(1), hashes: new Int32Array(1) };
		for (const [i, file] of ['a', 'b', 'c', 'd'].entries()) toItsEnd(index.put(file, tokens(200 + i), lines));
		const before = index.version;
		index.arrange((file) => 'dbca'.indexOf(file));
		expect(index.version).not.toBe(before);
		expect([...index.files('c')].map((file) => file.tokens.length)).toEqual([200, 201, 203]);
		toItsEnd(index.put('e', tokens(200)));
		expect(['a', 'b', 'c', 'd', 'e'].filter(index.has)).toEqual(['a', 'b', 'c', 'e']);
	});
});

describe('a repository that is larger than the index', () => {
	const FILES = 8;
	const MAX_TOKENS = 12_000;

	/** Packages of eight files of some 400 tokens in two directories each: the index has room for three packages and a half. */
	function setUp({ packages = 8, bytesPerToken = 3 } = {}) {
		const texts = new Map<string, string>();
		for (let p = 0; p < packages; p++)
			for (let i = 0; i < FILES; i++)
				texts.set(`packages/p${p}/${i < FILES / 2 ? 'src' : 'lib'}/f${i}.ts`, `const p${p}f${i} = ${p * FILES + i};\n`.repeat(25));
		const record = (text: string) =>
			({ contentHash: text, sizeBytes: text.length * bytesPerToken, mtimeMs: 1000 }) as unknown as FileRecord;
		const [reads, observed]: [string[], string[]] = [[], []];
		const index = createNgramIndex({ maxTokens: MAX_TOKENS });
		let pause = async () => {};
		const copies = createRepositoryCopies({
			view: {
				file: (path) => (texts.has(path) ? record(texts.get(path) as string) : undefined),
				paths: () => texts.keys(),
				settled: async () => {},
			},
			async read(path): Promise<SourceText> {
				reads.push(path);
				return { kind: 'text', text: texts.get(path) ?? '' };
			},
			tokenizer: async () => createBlockTokenizer(createByteTokenizer()),
			observe: (path) => observed.push(path),
			pause: () => pause(),
			index,
		});
		const inPackage = (p: number) => [...texts.keys()].filter((path) => path.startsWith(`packages/p${p}/`));
		return {
			...{ texts, reads, observed, index, copies, inPackage },
			/** Files of each package that are in the index. */
			taken: () => Array.from({ length: packages }, (_, p) => inPackage(p).filter(index.has).length),
			async settled() {
				await copies.settled();
				expect(index.tokens).toBeLessThanOrEqual(MAX_TOKENS);
			},
			onPause(then: () => Promise<void>) {
				pause = then;
			},
		};
	}

	test('has the neighbourhood of what is open', async () => {
		const { copies, settled, taken } = setUp();
		copies.prioritise(['packages/p5/src/f0.ts']);
		copies.follow('all');
		await settled();
		expect(taken()[5]).toBe(FILES);
	});

	test('takes up the neighbourhood of what is opened elsewhere, and gives up what is farthest', async () => {
		const { copies, settled, taken, reads, index, observed, inPackage } = setUp();
		copies.prioritise(['packages/p5/src/f0.ts']);
		copies.follow('all');
		await settled();
		const before = index.sizeBytes;
		reads.length = 0;
		copies.prioritise(['packages/p6/lib/f4.ts', 'packages/p5/src/f0.ts']);
		await settled();
		expect(taken()).toMatchObject({ 5: FILES, 6: FILES });
		const [beside, others] = [inPackage(6).filter((path) => path.includes('/lib/')), inPackage(6).filter((path) => path.includes('/src/'))];
		expect([reads.slice(0, 4), reads.slice(4, FILES)]).toEqual([beside, others]);
		expect(reads.length).toBeLessThan(FILES + 4);
		// Through every package and back.
		for (const p of [0, 1, 2, 3, 4, 5, 6, 7, 0]) {
			copies.prioritise([`packages/p${p}/src/f0.ts`]);
			await settled();
			expect(taken()[p]).toBeGreaterThanOrEqual(FILES / 2);
		}
		expect(index.sizeBytes).toBeLessThan(before * 1.1);
		// Names are counted once.
		expect(observed.length).toBe(64);
	});

	test('keeps what it has of a neighbourhood that it takes up, and searches the nearest first', async () => {
		const { copies, settled, taken, reads, index, inPackage } = setUp();
		copies.follow('all');
		await settled();
		const lacking = inPackage(3).filter((path) => !index.has(path));
		expect(lacking.every((path) => path.includes('/src/'))).toBe(true);
		expect(lacking.length).toBeGreaterThan(0);
		reads.length = 0;
		copies.prioritise(['packages/p3/src/f0.ts']);
		await settled();
		expect(taken()[3]).toBe(FILES);
		expect(reads.filter((path) => inPackage(3).includes(path)).sort()).toEqual(lacking.sort());
		const searched = [...index.files('')].map(({ tokens }) => createByteTokenizer().decode([...tokens.subarray(6, 10)]));
		expect(searched.slice(0, FILES)).toEqual(['p3f0', 'p3f1', 'p3f2', 'p3f3', 'p3f4', 'p3f5', 'p3f6', 'p3f7']);
	});

	test('reads nothing where two files are looked at in turn, or one beside another', async () => {
		const { copies, settled, reads, index } = setUp();
		copies.follow('all');
		copies.prioritise(['packages/p5/src/f0.ts']);
		copies.prioritise(['packages/p6/src/f0.ts']);
		await settled();
		reads.length = 0;
		const { version } = index;
		for (const path of ['packages/p5/src/f1.ts', 'packages/p6/src/f0.ts', 'packages/p5/src/f0.ts']) {
			copies.prioritise([path]);
			await settled();
		}
		expect([reads, index.version]).toEqual([[], version]);
	});

	test('what is opened while all is read comes before the rest', async () => {
		const { copies, settled, taken, reads, onPause, inPackage } = setUp();
		onPause(async () => {
			if (reads.length === 5) copies.prioritise(['packages/p7/src/f0.ts']);
		});
		copies.follow('all');
		await settled();
		expect(reads.slice(5, 5 + FILES).sort()).toEqual(inPackage(7).sort());
		expect(taken()[7]).toBe(FILES);
	});

	test('keeps what is near while the rest is published', async () => {
		const { copies, settled, taken, texts } = setUp();
		const all = new Map([...texts].reverse());
		texts.clear();
		copies.prioritise(['packages/p7/src/f0.ts']);
		copies.follow('all');
		for (const [path, text] of all) {
			await settled();
			texts.set(path, text);
			copies.follow([path]);
		}
		await settled();
		expect(taken()[7]).toBe(FILES);
	});

	test('follows what changes and what is gone', async () => {
		const { copies, settled, texts, index, observed } = setUp();
		const [near, far] = ['packages/p5/src/f1.ts', 'packages/p0/src/f1.ts'];
		copies.prioritise(['packages/p5/src/f0.ts']);
		copies.follow('all');
		await settled();
		observed.length = 0;
		texts.set(near, 'short').set(far, 'short').set('packages/p5/src/new.ts', 'short').delete('packages/p5/src/f2.ts');
		const tokens = index.tokens;
		copies.follow([near, far, 'packages/p5/src/new.ts', 'packages/p5/src/f2.ts']);
		await settled();
		expect([near, 'packages/p5/src/new.ts', 'packages/p5/src/f2.ts'].map(index.has)).toEqual([true, true, false]);
		expect(index.tokens).toBeLessThan(tokens - 800);
		expect(observed.length).toBe(4);
		copies.follow('all');
		await settled();
		expect(observed.length).toBe(4);
	});

	test('what is far stays until its room is needed, and is not copied from as it was before it changed', async () => {
		const { copies, settled, texts, taken, index, inPackage } = setUp({ bytesPerToken: 6 });
		copies.follow('all');
		await settled();
		const far = inPackage(1).find(index.has) as string;
		copies.prioritise(['packages/p5/src/f0.ts']);
		await settled();
		expect([taken()[5], index.has(far)]).toEqual([FILES, true]);
		texts.set(far, 'const other = 1;\n'.repeat(20));
		copies.follow([far]);
		await settled();
		expect([taken()[5], index.has(far)]).toEqual([FILES, false]);
	});

	test('that only its tokens show to be too large has the nearest too', async () => {
		const { copies, settled, taken, reads } = setUp({ bytesPerToken: 0.5 });
		copies.prioritise(['packages/p5/src/f0.ts']);
		copies.follow('all');
		await settled();
		expect(taken()[5]).toBe(FILES);
		// Nothing is tried again that found no room.
		reads.length = 0;
		copies.prioritise(['packages/p5/src/f1.ts']);
		copies.follow(['packages/p0/src/f0.ts']);
		await settled();
		expect(reads.length).toBeLessThanOrEqual(1);
	});

	test('a smaller one has all, whatever is open, and nothing is read for it', async () => {
		const { copies, settled, taken, reads, index } = setUp({ packages: 3 });
		copies.prioritise(['packages/p1/src/f0.ts']);
		copies.follow('all');
		await settled();
		const { version } = index;
		reads.length = 0;
		copies.prioritise(['packages/p2/src/f0.ts']);
		copies.prioritise(['packages/p0/src/f0.ts']);
		await settled();
		await nextTurn();
		expect([taken(), reads, index.version]).toEqual([[FILES, FILES, FILES], [], version]);
	});

	test('ends early when closed in the middle of it', async () => {
		const { copies, onPause, reads, index } = setUp();
		copies.follow('all');
		await copies.settled();
		reads.length = 0;
		onPause(async () => {
			if (reads.length === 2) void copies.close();
		});
		copies.prioritise(['packages/p7/src/f0.ts']);
		await copies.settled();
		expect(reads.length).toBe(2);
		expect(index.tokens).toBeLessThanOrEqual(MAX_TOKENS);
	});
});
