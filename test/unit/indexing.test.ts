import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, test, vi } from 'vitest';
import type { Clock } from '../../server/base/clock.ts';
import { HefError } from '../../server/base/errors.ts';
import type { NodeId, SpaceId } from '../../server/base/ids.ts';
import { silentLogger } from '../../server/base/logger.ts';
import { createHierarchy } from '../../server/hierarchy/hierarchy.ts';
import { VERIFY_AFTER_MS } from '../../server/indexing/damage-search.ts';
import { createIndexer } from '../../server/indexing/indexer.ts';
import type { FileProgress, IndexerOptions } from '../../server/indexing/types.ts';
import type { Store } from '../../server/store/types.ts';
import {
	createFakeChunker,
	createFakeEmbedder,
	createFakeFuser,
	createFakeWorkspace,
	createManualClock,
	type FakeWorkspace,
	fakeTokenizer,
} from '../support/fakes.ts';
import { createMemoryStore } from '../support/memory-store.ts';

const spaceId = 'space' as SpaceId;
const dimension = 16;

interface Setup {
	files?: Record<string, string>;
	workspace?: FakeWorkspace;
	store?: Store;
	onEmbed?: (text: string) => void;
	options?: Partial<IndexerOptions>;
}

async function setUp({ files = {}, workspace = createFakeWorkspace(files), store = createMemoryStore(), onEmbed, options }: Setup = {}) {
	const embedder = createFakeEmbedder({ dimension, ...(onEmbed ? { onRun: onEmbed } : {}) });
	const fuser = createFakeFuser();
	const chunker = createFakeChunker();
	const hierarchy = createHierarchy({ spaceId });
	const published: (string[] | 'all')[] = [];
	const progress: FileProgress[] = [];
	const indexer = await createIndexer({
		workspace,
		store,
		hierarchy,
		chunker,
		tokenizer: async () => fakeTokenizer,
		spaceId,
		embedder: async () => embedder,
		fuser: async () => fuser,
		gate: { idle: async () => {} },
		clock: createManualClock(),
		logger: silentLogger,
		events: { published: (paths) => published.push(paths), progress: (step) => progress.push(step), updated: () => {} },
		...options,
	});
	const index = (reason = 'start') => indexer.request({ paths: 'all', reason });
	const save = (...paths: string[]) => indexer.request({ paths, reason: 'save' });
	return { workspace, store, embedder, fuser, chunker, hierarchy, published, progress, indexer, index, save };
}
type Running = Awaited<ReturnType<typeof setUp>>;

/** The store has a vector for every node of the tree, and a record for every file on disk. */
async function expectComplete({ store, hierarchy, workspace }: Running): Promise<void> {
	for (const id of hierarchy.ids()) expect(store.hasVector(id)).toBe(true);
	expect([...store.files()].map(([path]) => path)).toEqual((await workspace.list()).map(({ path }) => path));
}

const lines = (count: number, name: string) => Array.from({ length: count }, (_, i) => `def ${name}${i}\n`).join('');
const project = () => ({
	'README.md': lines(3, 'r'),
	'src/a.py': lines(10, 'a'),
	'src/b.py': lines(6, 'b'),
	'src/deep/c.py': lines(9, 'c'),
	'test/d.py': lines(2, 'd'),
});

describe('an index', () => {
	test('is built, and says what that took', async () => {
		const running = await setUp({ files: project() });
		const report = await running.index();
		await expectComplete(running);
		expect(report).toMatchObject({
			reason: 'start',
			filesChanged: 5,
			chunksEmbedded: 2 + 5 + 3 + 5 + 1,
			chunksReused: 0,
			nodesRemoved: expect.any(Number),
		});
		expect(report.nodesFused).toBe(running.fuser.fused);
		const status = running.indexer.report();
		expect(status).toMatchObject({ state: 'ready', files: 5, chunks: 16, stale: 0, pending: 0, lastUpdate: report });
		expect(status.nodes).toBe(running.hierarchy.nodeCount);
		expect(running.progress.at(-1)).toMatchObject({ filesDone: 5, filesTotal: 5 });
		expect(new Set(running.published.flat())).toEqual(new Set(Object.keys(project())));
		expect(running.store.getFile('src/b.py')?.entities).toContainEqual({ name: 'b1', line: 1 });
	});

	test('of an unchanged folder costs nothing: no model is loaded, nothing is read, nothing written', async () => {
		const first = await setUp({ files: project() });
		await first.index();
		const load = vi.fn(async (): Promise<never> => Promise.reject(new Error('not needed')));
		const second = await setUp({ workspace: first.workspace, store: first.store, options: { embedder: load, fuser: load } });
		first.workspace.reads.length = 0;
		const write = vi.spyOn(first.store, 'write');
		const report = await second.index();
		expect(report).toMatchObject({ filesChanged: 0, chunksEmbedded: 0, nodesFused: 0, nodesRemoved: 0 });
		expect(second.indexer.report().lastUpdate).toEqual(report);
		expect(write).not.toHaveBeenCalled();
		expect(load).not.toHaveBeenCalled();
		expect(first.workspace.reads).toEqual([]);
		expect(second.published).toEqual([]);
		expect(second.hierarchy.rootId).toBe(first.hierarchy.rootId);
	});

	test('a touched file with the same content costs a look', async () => {
		const running = await setUp({ files: project() });
		await running.index();
		running.workspace.write('src/a.py', lines(10, 'a'));
		const report = await running.index('focus');
		expect(report).toMatchObject({ filesChanged: 0, chunksEmbedded: 0, nodesFused: 0 });
		expect(running.chunker.chunked.filter((path) => path === 'src/a.py').length).toBe(1);
		expect(running.indexer.report().stale).toBe(0);
	});

	test('an edit embeds its chunk and fuses the path to the root, and no more', async () => {
		const running = await setUp({ files: project() });
		await running.index();
		running.workspace.write('src/a.py', lines(10, 'a').replace('def a4\n', 'def changed\n'));
		const report = await running.save('src/a.py');
		await expectComplete(running);
		expect(report).toMatchObject({ reason: 'save', filesChanged: 1, chunksEmbedded: 1, chunksReused: 4 });
		const path = running.hierarchy.fileNodes('src/a.py').length;
		expect(report.nodesFused).toBeLessThanOrEqual(path);
		expect(running.published.at(-1)).toEqual(['src/a.py']);
	});

	test('equal lines are equal chunks, whatever ends them: models see one kind of line end', async () => {
		const embedded: string[] = [];
		const unix = lines(40, 'f');
		const files = { 'unix.py': unix, 'windows.py': unix.replaceAll('\n', '\r\n') };
		const running = await setUp({ files, onEmbed: (text) => embedded.push(text) });
		await running.index();
		const idsOf = (path: string) => running.store.getFile(path)?.chunks.map(({ id }) => id);
		expect(idsOf('windows.py')?.length).toBeGreaterThan(0);
		expect(idsOf('windows.py')).toEqual(idsOf('unix.py'));
		expect(new Set(embedded).size).toBe(embedded.length);
		expect(embedded.join('')).not.toContain('\r');
		await expectComplete(running);
	});

	test('a deletion removes the file and its nodes', async () => {
		const running = await setUp({ files: project() });
		await running.index();
		running.workspace.remove('src/deep/c.py');
		const report = await running.save('src/deep/c.py');
		await expectComplete(running);
		expect(report).toMatchObject({ filesChanged: 1, chunksEmbedded: 0 });
		expect(report.nodesRemoved).toBeGreaterThanOrEqual(5);
		expect(running.hierarchy.fileNodes('src/deep/c.py')).toEqual([]);
	});

	test('a deleted folder, named as such, takes its files along', async () => {
		const running = await setUp({ files: project() });
		await running.index();
		for (const path of ['src/a.py', 'src/b.py', 'src/deep/c.py']) running.workspace.remove(path);
		expect(await running.save('src')).toMatchObject({ filesChanged: 3 });
		await expectComplete(running);
	});

	test('a renamed folder embeds and chunks nothing', async () => {
		const running = await setUp({ files: project() });
		await running.index();
		const chunked = running.chunker.chunked.length;
		for (const path of ['src/a.py', 'src/b.py', 'src/deep/c.py']) {
			running.workspace.write(path.replace('src', 'lib'), (await textOf(running.workspace, path)) as string);
			running.workspace.remove(path);
		}
		const report = await running.index('watch');
		await expectComplete(running);
		expect(report.chunksEmbedded).toBe(0);
		expect(report.nodesFused).toBeLessThanOrEqual(2);
		expect(running.chunker.chunked.length).toBe(chunked);
	});

	test('a branch switch and back embeds nothing the second time', async () => {
		const running = await setUp({ files: project() });
		await running.index();
		for (const [path, name] of [
			['src/a.py', 'x'],
			['src/b.py', 'y'],
		] as const)
			running.workspace.write(path, lines(8, name));
		expect((await running.index('branch')).chunksEmbedded).toBe(8);
		running.workspace.write('src/a.py', lines(10, 'a'));
		running.workspace.write('src/b.py', lines(6, 'b'));
		expect(await running.index('branch')).toMatchObject({ filesChanged: 2, chunksEmbedded: 0, nodesFused: 0, chunksReused: 8 });
		await expectComplete(running);
	});

	test('files that cannot be indexed are counted by reason, once', async () => {
		const running = await setUp({ files: project() });
		running.workspace.writeBinary('logo.png');
		await running.index();
		expect(running.indexer.report()).toMatchObject({ files: 5, skipped: { binary: 1 } });
		running.workspace.reads.length = 0;
		await running.index();
		expect(running.workspace.reads).toEqual([]);
		running.workspace.write('logo.png', lines(2, 'text now'));
		await running.index();
		expect(running.indexer.report()).toMatchObject({ files: 6, skipped: {} });
	});

	test('a file whose time lies in the future is looked at every time: its content may change while the clock catches up', async () => {
		const workspace = createFakeWorkspace(project());
		const { mtimeMs } = (await workspace.stat('test/d.py')) as { mtimeMs: number };
		// The clock was set back by an hour after all files had been written.
		const running = await setUp({ workspace, options: { clock: createManualClock(mtimeMs - 3_600_000) } });
		await running.index();
		workspace.replace('test/d.py', lines(2, 'e'));
		expect(await running.index('focus')).toMatchObject({ filesChanged: 1, chunksEmbedded: 1 });
		await expectComplete(running);
	});

	test('a file changed within the last two seconds is looked at again', async () => {
		const workspace = createFakeWorkspace(project());
		const { mtimeMs } = (await workspace.stat('test/d.py')) as { mtimeMs: number };
		const running = await setUp({ workspace, options: { clock: createManualClock(mtimeMs + 500) } });
		await running.index();
		workspace.reads.length = 0;
		expect((await running.index()).filesChanged).toBe(0);
		expect(workspace.reads).toEqual(['test/d.py']);
	});
});

async function textOf(workspace: FakeWorkspace, path: string): Promise<string | undefined> {
	const source = await workspace.read(path);
	return source.kind === 'text' ? source.text : undefined;
}

describe('order', () => {
	const many = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`d${i % 4}/f${i}.py`, lines(2, `f${i}_`)]));

	test('open files, then their folders, then the last changed; the first slice is small', async () => {
		const running = await setUp({ files: many });
		await running.indexer.prioritise(['d2/f2.py']);
		await running.index();
		const order = running.published.flat();
		expect(order.slice(0, 10)).toEqual(['d2/f2.py', ...[38, 34, 30, 26, 22, 18, 14, 10, 6].map((i) => `d2/f${i}.py`)]);
		expect(order.slice(10, 13)).toEqual(['d3/f39.py', 'd1/f37.py', 'd0/f36.py']);
		expect(running.published[0]?.length).toBe(4);
	});

	test('what is near an open file is published before the rest is begun', async () => {
		const files = { ...many, 'd2/f2.py': 'from d0.f4 import x\nfrom ..d1 import f5\n' };
		const running = await setUp({ files });
		await running.indexer.prioritise(['d2/f2.py']);
		await running.index();
		const near = running.published.findIndex((slice) => slice.includes('d2/f6.py'));
		expect(running.published.slice(0, near + 1).flat().length).toBe(12);
		expect(running.published.slice(near + 1).flat().length).toBe(28);
	});

	test('progress is told at its beginning and its end, and in between not more often than it can be read', async () => {
		const clock = createManualClock();
		let chunks = 0;
		const running = await setUp({
			files: many,
			onEmbed: () => {
				if (++chunks % 2 === 0) clock.advance(10);
			},
			options: { clock },
		});
		await running.index();
		expect(running.progress[0]).toMatchObject({ filesDone: 1, filesTotal: 40 });
		expect(running.progress.at(-1)).toMatchObject({ filesDone: 40, filesTotal: 40 });
		expect(running.progress.length).toBeGreaterThan(3);
		expect(running.progress.length).toBeLessThan(20);
	});

	test('what an open file imports comes right after it, before its folder', async () => {
		const files = { ...many, 'd2/f2.py': 'from d0.f4 import x\nfrom ..d1 import f5\n' };
		const running = await setUp({ files });
		await running.indexer.prioritise(['d2/f2.py']);
		await running.index();
		const order = running.published.flat();
		expect(order[0]).toBe('d2/f2.py');
		expect(order.slice(1, 3).sort()).toEqual(['d0/f4.py', 'd1/f5.py']);
		expect(order.slice(3, 12).every((path) => path.startsWith('d2/'))).toBe(true);
	});

	test('a file opened in the middle of a build is searchable after the next small slice', async () => {
		let opened = 0;
		const running = await setUp({
			files: many,
			onEmbed: () => {
				if (running.embedder.texts.length !== 10) return;
				opened = running.published.flat().length;
				void running.indexer.prioritise(['d1/f1.py']);
			},
		});
		await running.index();
		const order = running.published.flat();
		// The slice under way is cut short; the file is in the next.
		expect(order.indexOf('d1/f1.py')).toBeLessThanOrEqual(opened + 8);
		expect(order.slice(order.indexOf('d1/f1.py') + 1, order.indexOf('d1/f1.py') + 5).every((path) => path.startsWith('d1/'))).toBe(true);
	});

	test('the status says how much can be searched while the rest waits', async () => {
		const shares: number[] = [];
		const running = await setUp({ files: many, onEmbed: () => shares.push(running.indexer.report().searchable) });
		await running.index();
		expect(shares[0]).toBeLessThan(0.1);
		expect(shares.at(-1)).toBeGreaterThan(0.5);
		expect([...shares].sort((a, b) => a - b)).toEqual(shares);
		expect(running.indexer.report().searchable).toBe(1);
	});

	test('the remaining time follows the pace', async () => {
		const clock = createManualClock();
		const running = await setUp({ files: many, onEmbed: () => clock.advance(500), options: { clock } });
		await running.index();
		const told = running.progress.filter(({ remainingMs }) => remainingMs !== undefined);
		expect(running.progress[0]?.remainingMs).toBeUndefined();
		expect(told.length).toBeGreaterThan(20);
		// Half a second a file.
		for (const { filesDone, filesTotal, remainingMs } of told) {
			const expected = (filesTotal - filesDone) * 500;
			expect(Math.abs((remainingMs ?? 0) - expected)).toBeLessThanOrEqual(0.2 * expected + 1);
		}
	});

	test('a saved file does not wait for the rest, and its request is answered when it is published', async () => {
		let asked: Promise<unknown> | undefined;
		const answered: number[] = [];
		const running = await setUp({
			files: many,
			onEmbed: () => {
				if (running.embedder.texts.length === 6)
					asked = running.save('d0/f0.py').then(() => answered.push(running.published.flat().length));
			},
		});
		const report = await running.index();
		await asked;
		expect(running.published.flat().indexOf('d0/f0.py')).toBeLessThan(12);
		expect(answered[0]).toBeLessThan(30);
		expect(report.reason).toBe('start, save');
		expect(report.filesChanged).toBe(40);
		await expectComplete(running);
	});

	test('what is asked for again while it waits is done once, and every asker is answered', async () => {
		const running = await setUp({ files: project() });
		const answers = await Promise.all([running.index('start'), running.index('focus'), running.save('src/a.py'), running.save('src/a.py')]);
		expect(new Set(answers.map(({ reason }) => reason))).toEqual(new Set(['start, focus, save']));
		expect(running.embedder.texts.length).toBe(16);
	});
});

describe('pause, stop and completions', () => {
	test('nothing runs while paused, everything after', async () => {
		const running = await setUp({ files: project() });
		running.indexer.pause();
		const done = running.index();
		for (let i = 0; i < 20; i++) await nextTurn();
		expect(running.embedder.texts).toEqual([]);
		expect(running.indexer.report().state).toBe('paused');
		running.indexer.resume();
		await done;
		await running.indexer.idle();
		await expectComplete(running);
	});

	test('on battery, work rests twice as long as it took; not otherwise', async () => {
		const clock = createManualClock();
		let onBattery = true;
		const rests: number[] = [];
		const schedule: Clock['schedule'] = (ms, callback) => {
			rests.push(ms);
			callback();
			return () => {};
		};
		const options = { clock: { ...clock, schedule }, onBattery: () => onBattery };
		const running = await setUp({ files: project(), onEmbed: () => clock.advance(40), options });
		await running.index();
		expect(rests.length).toBeGreaterThanOrEqual(running.embedder.texts.length - 1);
		expect(new Set(rests)).toEqual(new Set([80]));
		onBattery = false;
		running.workspace.write('src/a.py', lines(10, 'z'));
		rests.length = 0;
		await running.save('src/a.py');
		expect(rests).toEqual([]);
	});

	test('waits for the gate before each run of a model', async () => {
		const idle = vi.fn(async () => {});
		const running = await setUp({ files: project(), options: { gate: { idle } } });
		await running.index();
		expect(idle.mock.calls.length).toBeGreaterThanOrEqual(running.embedder.texts.length);
	});

	test('closing in the middle keeps the vectors that are ready', async () => {
		const store = createMemoryStore();
		const first = await setUp({
			files: project(),
			store,
			onEmbed: () => {
				if (first.embedder.texts.length === 9) void first.indexer.close();
			},
		});
		await expect(first.index()).rejects.toThrow('closed');
		expect(first.embedder.texts.length).toBe(10);
		const second = await setUp({ workspace: first.workspace, store });
		expect((await second.index()).chunksEmbedded).toBe(6);
		await expectComplete(second);
	});

	test('clear empties the store; the next request fills it', async () => {
		const running = await setUp({ files: project() });
		await running.index();
		await running.indexer.clear();
		expect(running.published.at(-1)).toBe('all');
		expect(running.indexer.report()).toMatchObject({ files: 0, nodes: 0 });
		expect((await running.index('clear')).chunksEmbedded).toBe(16);
		await expectComplete(running);
	});

	test('clear ends the first build where it is: what a comparison finds afterwards is not made', async () => {
		const workspace = createFakeWorkspace(project());
		const list = workspace.list.bind(workspace);
		let listed = () => {};
		workspace.list = async () => {
			await new Promise<void>((resolve) => {
				listed = resolve;
			});
			return list();
		};
		const running = await setUp({ workspace });
		const asked = running.index();
		await nextTurn();
		await nextTurn();
		const cleared = running.indexer.clear();
		listed();
		await expect(asked).rejects.toThrow('cleared');
		await cleared;
		expect(running.embedder.texts).toEqual([]);
		workspace.list = list;
		expect((await running.index('clear')).chunksEmbedded).toBe(16);
		await expectComplete(running);
	});

	test('clear in the middle of a build: what is gone from the disk by then is in no tree, and a pause lasts', async () => {
		let cleared: Promise<void> | undefined;
		const running = await setUp({
			files: project(),
			onEmbed: () => {
				if (cleared) return;
				running.indexer.pause();
				cleared = running.indexer.clear();
			},
		});
		await running.index().catch(() => {});
		await cleared;
		expect(running.embedder.texts.length).toBeLessThan(3);
		running.workspace.remove('README.md');
		running.workspace.remove('src/a.py');
		const asked = running.index('clear');
		expect(running.indexer.report()).toMatchObject({ state: 'paused', files: 0, nodes: 0 });
		running.indexer.resume();
		await asked;
		await expectComplete(running);
		expect(running.hierarchy.fileCount).toBe(3);
	});
});

describe('failures', () => {
	test("one file's failure leaves the others, is reported, and is tried again", async () => {
		let broken = true;
		const running = await setUp({
			files: project(),
			onEmbed: (text) => {
				if (broken && text.includes('def b2')) throw new HefError('inference-failed', 'out of luck');
			},
		});
		await running.index();
		expect(running.indexer.report()).toMatchObject({ state: 'ready', files: 4, skipped: { failed: 1 }, stale: 1 });
		expect(running.indexer.report().message).toContain('src/b.py: out of luck');
		broken = false;
		await running.index('focus');
		expect(running.indexer.report()).toMatchObject({ files: 5, skipped: {}, stale: 0 });
		await expectComplete(running);
	});

	test('a failure is forgotten with its file, stored or not', async () => {
		const running = await setUp({
			files: project(),
			onEmbed: (text) => {
				if (text.includes('def b2') || text.includes('def d1')) throw new HefError('inference-failed', 'out of luck');
			},
		});
		await running.index();
		expect(running.indexer.report().skipped).toEqual({ failed: 2 });
		running.workspace.remove('src/b.py');
		await running.save('src/b.py');
		expect(running.indexer.report()).toMatchObject({ skipped: { failed: 1 }, stale: 1 });
		running.workspace.remove('test/d.py');
		await running.index('focus');
		expect(running.indexer.report()).toMatchObject({ skipped: {}, stale: 0 });
		expect(running.indexer.report()).not.toHaveProperty('message');
	});

	test('a bundle that does not load stops the work, says why, and the next request begins anew', async () => {
		let broken = true;
		const embedder = createFakeEmbedder({ dimension });
		const running = await setUp({
			files: project(),
			options: {
				embedder: async () => {
					if (broken) throw new HefError('bundle-invalid', 'embedder.onnx is damaged');
					return embedder;
				},
			},
		});
		await expect(running.index()).rejects.toThrow('embedder.onnx is damaged');
		expect(running.indexer.report()).toMatchObject({ state: 'error', message: 'embedder.onnx is damaged' });
		broken = false;
		await running.index('command');
		expect(running.indexer.report().state).toBe('ready');
		await expectComplete(running);
	});

	test('a full disk stops the work; afterwards nothing is missing', async () => {
		const store = createMemoryStore();
		let full = true;
		const limited: Store = {
			...store,
			write: async (batch) => {
				if (full && batch.files) throw new HefError('cache-unavailable', 'the disk is full');
				await store.write(batch);
			},
		};
		const running = await setUp({ files: project(), store: limited });
		await expect(running.index()).rejects.toThrow('the disk is full');
		full = false;
		expect((await running.index('command')).filesChanged).toBe(5);
		await expectComplete(running);
	});

	test('an unreadable folder is an error of the request', async () => {
		const workspace = createFakeWorkspace(project());
		const running = await setUp({
			workspace: { ...workspace, list: async () => Promise.reject(new HefError('workspace-unreadable', 'gone')) },
		});
		await expect(running.index()).rejects.toThrow('gone');
		expect(running.indexer.report()).toMatchObject({ state: 'error', message: 'gone' });
	});

	test('lost vectors, of chunks and of inner nodes, are made again at the next start', async () => {
		const first = await setUp({ files: project() });
		await first.index();
		const lost = [...first.hierarchy.ids()].filter((_, i) => i % 3 === 0);
		await first.store.write({ vectors: lost.map((id) => [id, null] as const) });
		const second = await setUp({ workspace: first.workspace, store: first.store });
		const report = await second.index();
		await expectComplete(second);
		expect(report.chunksEmbedded + report.nodesFused).toBe(lost.length);
		expect(report.filesChanged).toBe(0);
	});

	test('a start that is answered soon is answered before they are looked for, and they are made again all the same', async () => {
		const first = await setUp({ files: project() });
		await first.index();
		const [lost] = first.hierarchy.chunksOf('src/a.py');
		await first.store.write({ vectors: [[lost?.id as NodeId, null]] });
		const clock = createManualClock();
		const second = await setUp({ workspace: first.workspace, store: first.store, options: { clock } });
		const look = vi.spyOn(second.store, 'hasVector');
		const report = await second.indexer.request({ paths: 'all', reason: 'start', soon: true });
		await second.indexer.idle();
		expect(look).not.toHaveBeenCalled();
		expect(report.chunksEmbedded).toBe(0);
		expect(second.indexer.report()).toMatchObject({ state: 'ready', chunks: 16, lastUpdate: { reason: 'start' } });
		clock.advance(VERIFY_AFTER_MS);
		await second.indexer.idle();
		await expectComplete(second);
		expect(second.indexer.report()).toMatchObject({ state: 'ready', lastUpdate: { reason: 'check', chunksEmbedded: 1 } });
		look.mockClear();
		await second.index();
		clock.advance(VERIFY_AFTER_MS);
		await second.indexer.idle();
		expect(look).not.toHaveBeenCalled();
	});

	test('nothing is looked for once the index is closed, or when somebody could not wait for the moment', async () => {
		const first = await setUp({ files: project() });
		await first.index();
		const clock = createManualClock();
		const second = await setUp({ workspace: first.workspace, store: first.store, options: { clock } });
		const look = vi.spyOn(second.store, 'hasVector');
		await second.indexer.request({ paths: 'all', reason: 'start', soon: true });
		await second.index('command');
		expect(look).toHaveBeenCalled();
		look.mockClear();
		clock.advance(VERIFY_AFTER_MS);
		await second.indexer.idle();
		const third = await setUp({ workspace: first.workspace, store: first.store, options: { clock } });
		await third.indexer.request({ paths: 'all', reason: 'start', soon: true });
		await third.indexer.close();
		clock.advance(VERIFY_AFTER_MS);
		await third.indexer.idle();
		expect(look).not.toHaveBeenCalled();
	});

	test('they are not looked for after a failure, which stays in the status', async () => {
		const first = await setUp({ files: project() });
		await first.index();
		const clock = createManualClock();
		const embedder = async (): Promise<never> => Promise.reject(new HefError('bundle-invalid', 'no such model'));
		const second = await setUp({ workspace: first.workspace, store: first.store, options: { clock, embedder } });
		second.workspace.write('src/new.py', lines(2, 'new'));
		await expect(second.indexer.request({ paths: 'all', reason: 'start', soon: true })).rejects.toThrow('no such model');
		await second.indexer.idle();
		clock.advance(VERIFY_AFTER_MS);
		await second.indexer.idle();
		expect(second.indexer.report()).toMatchObject({ state: 'error', message: 'no such model' });
	});

	test('a save right after such a start changes the tree that is stored, and no vector but its own is made', async () => {
		const first = await setUp({ files: project() });
		await first.index();
		const second = await setUp({ workspace: first.workspace, store: first.store });
		await second.indexer.request({ paths: 'all', reason: 'start', soon: true });
		second.workspace.write('src/a.py', lines(10, 'a').replace('def a4\n', 'def changed\n'));
		const report = await second.save('src/a.py');
		await second.indexer.idle();
		await expectComplete(second);
		expect(report.chunksEmbedded).toBe(1);
		expect(second.hierarchy.fileCount).toBe(5);
	});

	test('a vector lost while running is made again when its parent needs it', async () => {
		const running = await setUp({ files: project() });
		await running.index();
		const [chunk] = running.hierarchy.fileNodes('README.md') as [NodeId];
		await running.store.write({ vectors: [[chunk, null]] });
		running.workspace.write('README.md', lines(3, 'r') + lines(3, 'more'));
		await running.save('README.md');
		const other = running.hierarchy.fileNodes('src/deep/c.py');
		await running.store.write({ vectors: other.slice(0, -2).map((id) => [id, null] as const) });
		running.workspace.write('src/new.py', lines(2, 'new'));
		await running.save('src/new.py');
		for (const id of running.hierarchy.node(running.hierarchy.rootId as NodeId)?.children ?? [])
			expect(running.store.hasVector(id)).toBe(true);
	});

	test('vectors of another length than 1 never reach the store', async () => {
		const running = await setUp({
			files: { 'a.py': lines(2, 'a') },
			options: {
				embedder: async () => ({ ...createFakeEmbedder({ dimension }), embed: async () => [new Float32Array(dimension).fill(Number.NaN)] }),
			},
		});
		await running.index();
		expect(running.indexer.report().message).toContain('hef-language-server doctor');
		expect([...running.store.vectorIds()]).toEqual([]);
	});
});

test('vectors that nobody needs are kept until they are many', async () => {
	const store = createMemoryStore();
	const running = await setUp({ files: project(), store });
	const unneeded = (count: number, from: number) =>
		Array.from({ length: count }, (_, i) => [(from + i).toString(16).padStart(32, '0') as NodeId, new Float32Array(dimension)] as const);
	await store.write({ vectors: unneeded(49_900, 0) });
	await running.index();
	expect([...store.vectorIds()].length).toBeGreaterThanOrEqual(49_900 + running.hierarchy.nodeCount);
	// Once counted, the store is not looked through again for every save.
	const vectorIds = vi.spyOn(store, 'vectorIds');
	running.workspace.write('src/a.py', lines(10, 'other'));
	await running.save('src/a.py');
	expect(vectorIds).not.toHaveBeenCalled();
	await store.write({ vectors: unneeded(200, 50_000) });
	const next = await setUp({ workspace: running.workspace, store });
	await next.index();
	expect([...store.vectorIds()].length).toBe(next.hierarchy.nodeCount);
});
