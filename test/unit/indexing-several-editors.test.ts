/** Several editors on one folder, in one process: who builds, who follows, and what happens when the builder goes. */
import { readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { SpaceId } from '../../server/base/ids.ts';
import type { FolderIndex } from '../../server/indexing/folder-index.ts';
import { publicationCount, publicationMeta, publishedSince } from '../../server/indexing/publications.ts';
import { createClaims } from '../../server/store/claim.ts';
import { openDonors } from '../../server/store/donors.ts';
import { openStoreReader, storeFormat, workspaceCacheFolder } from '../../server/store/lmdb-store.ts';
import { createMemoryStore } from '../../server/store/memory-store.ts';
import { createPause } from '../../server/store/pause.ts';
import { noteUnrest } from '../../server/store/rest.ts';
import { DIMENSION, openEditor, SPACE } from '../support/folder-index.ts';
import { temporaryFolder, writeFiles } from '../support/temporary-folder.ts';

const lines = (count: number, name: string) => Array.from({ length: count }, (_, i) => `def ${name}${i}\n`).join('');
const project = () => ({ 'src/a.py': lines(8, 'a'), 'src/b.py': lines(6, 'b'), 'README.md': lines(3, 'r') });

async function pair() {
	const [folder, cacheFolder] = [temporaryFolder(project()), temporaryFolder()];
	const builder = await openEditor({ folder, cacheFolder });
	await builder.refresh();
	const follower = await openEditor({ folder, cacheFolder });
	return { folder, cacheFolder, builder, follower };
}

describe('two editors on one folder', () => {
	test('one embeds, the other has the same index and says who builds', async () => {
		const { builder, follower } = await pair();
		const update = await follower.refresh();
		expect(update.chunksEmbedded).toBe(builder.embedded.length);
		expect(builder.embedded.length).toBe(4 + 3 + 2);
		expect(follower.embedded).toEqual([]);
		expect(follower.index.storePath).toBe(builder.index.storePath);
		const [own, other] = [builder.index.report(), follower.index.report()];
		expect(own.builder).toEqual({ pid: process.pid, own: true });
		expect(other.builder).toEqual({ pid: process.pid, own: false });
		expect(other).toMatchObject({ files: own.files, chunks: own.chunks, nodes: own.nodes, nodesByLevel: own.nodesByLevel, state: 'ready' });
	});

	test('what one saves, the other embeds and both publish', async () => {
		const { folder, builder, follower } = await pair();
		writeFiles(folder, { 'src/a.py': lines(8, 'a').replace('a5', 'changed') });
		await follower.index.request({ paths: ['src/a.py'], reason: 'save' });
		expect(builder.embedded.at(-1)).toContain('changed');
		expect(follower.embedded).toEqual([]);
		expect(follower.published.flat()).toContain('src/a.py');
		rmSync(join(folder, 'src/b.py'));
		await follower.index.request({ paths: ['src/b.py'], reason: 'watch' });
		expect(follower.index.report().files).toBe(2);
	});

	test('when the builder ends, the other takes over, catches up, and indexes the next save', async () => {
		const { folder, builder, follower } = await pair();
		await builder.index.close();
		writeFiles(folder, { 'src/new.py': lines(4, 'n') });
		await expect.poll(() => follower.index.report().builder, { timeout: 5000 }).toEqual({ pid: process.pid, own: true });
		await follower.refresh('watch');
		expect(follower.embedded.length).toBe(2);
		writeFiles(folder, { 'src/new.py': lines(6, 'n') });
		expect(await follower.index.request({ paths: ['src/new.py'], reason: 'save' })).toMatchObject({ chunksEmbedded: 1, reason: 'save' });
	});

	test('what the builder left in the middle of a write, the other takes over as a copy, and embeds nothing of it again', async () => {
		const { builder, follower } = await pair();
		const { storePath } = builder.index;
		await builder.index.close();
		noteUnrest(storePath);
		await expect.poll(() => follower.index.report().builder, { timeout: 10_000 }).toEqual({ pid: process.pid, own: true });
		expect(await follower.refresh()).toMatchObject({ chunksEmbedded: 0 });
		expect(follower.index.storePath).not.toBe(storePath);
		expect(follower.moved).toEqual([follower.index.storePath]);
		expect(follower.index.report()).toMatchObject({ files: 3, chunks: 9 });
		expect(follower.problems).toEqual([]);
	});

	test('a request that the builder cannot answer any more is answered by the one that takes over', async () => {
		const { folder, builder, follower } = await pair();
		builder.index.pause();
		writeFiles(folder, { 'src/new.py': lines(4, 'n') });
		const asked = follower.index.request({ paths: ['src/new.py'], reason: 'save' });
		await new Promise((resolve) => setTimeout(resolve, 700));
		await builder.index.close();
		await asked;
		expect(follower.embedded.length).toBe(2);
	});

	test('pausing in the one that follows stops the one that builds, and either resumes both', async () => {
		const { folder, builder, follower } = await pair();
		const both = [builder.index, follower.index];
		const states = () => both.map((index) => index.report().state).join();
		for (const [pauser, resumer] of [both, [...both].reverse()] as [FolderIndex, FolderIndex][]) {
			const before = builder.embedded.length;
			pauser.pause();
			await expect.poll(states, { timeout: 5000 }).toBe('paused,paused');
			writeFiles(folder, { 'src/new.py': lines(4, `n${before}_`) });
			const asked = resumer.request({ paths: ['src/new.py'], reason: 'save' });
			await new Promise((resolve) => setTimeout(resolve, 1200));
			expect(builder.embedded.length).toBe(before);
			resumer.resume();
			await asked;
			expect(builder.embedded.length).toBe(before + 2);
			await expect.poll(states, { timeout: 5000 }).toBe('ready,ready');
		}
		expect(follower.embedded).toEqual([]);
	});

	test('a pause outlives a change of builders and ends with the editor that asked for it', async () => {
		const { folder, cacheFolder, builder, follower } = await pair();
		const third = createPause(workspaceCacheFolder(cacheFolder, folder));
		third.set();
		await builder.index.close();
		const asked = follower.refresh('watch');
		await expect.poll(() => follower.index.report(), { timeout: 5000 }).toMatchObject({ builder: { own: true }, state: 'paused' });
		writeFiles(folder, { 'src/new.py': lines(4, 'n') });
		await new Promise((resolve) => setTimeout(resolve, 1200));
		expect(follower.embedded).toEqual([]);
		third.release();
		await asked;
		await expect.poll(() => follower.index.report().state, { timeout: 5000 }).toBe('ready');
	});

	test('the status says which process paused; one that was killed pauses nobody', async () => {
		const { folder, cacheFolder, builder } = await pair();
		const file = join(workspaceCacheFolder(cacheFolder, folder), 'paused.json');
		writeFileSync(file, JSON.stringify({ pid: process.ppid, host: hostname(), token: '' }));
		const message = `paused in the editor of process ${process.ppid}`;
		await expect.poll(() => builder.index.report(), { timeout: 5000 }).toMatchObject({ state: 'paused', message });
		writeFileSync(file, JSON.stringify({ pid: 2 ** 22 + 1, host: hostname(), token: '' }));
		await expect.poll(() => builder.index.report().state, { timeout: 5000 }).toBe('ready');
	});

	test('clearing in the one that follows empties the index of both, and it is built once', async () => {
		const { builder, follower } = await pair();
		const before = builder.index.storePath;
		const embedded = builder.embedded.length;
		const moved = await follower.index.clear();
		expect(moved).not.toBe(before);
		await follower.refresh('clear');
		expect(builder.moved).toEqual([moved]);
		expect(builder.embedded.length).toBe(2 * embedded);
		expect(follower.embedded).toEqual([]);
	});

	test('while the builder finds out whether the index can be trusted, nobody else reads it', async () => {
		const { cacheFolder, folder, builder, follower } = await pair();
		const { storePath } = builder.index;
		const [id] = openStoreReader({ path: storePath, spaceId: SPACE, dimension: DIMENSION }).vectorIds();
		await Promise.all([builder.index.close(), follower.index.close()]);
		const cache = workspaceCacheFolder(cacheFolder, folder);
		const taken = createClaims({ folder: cache, space: storeFormat(SPACE) }).take();
		if (!('claim' in taken)) throw new Error('nobody had it');
		let isOpen = false;
		const opening = openEditor({ folder, cacheFolder }).then((editor) => {
			isOpen = true;
			return editor;
		});
		const donated = () => openDonors({ cacheFolder, except: '', spaceId: SPACE, dimension: DIMENSION }).getVector(id as never);
		await new Promise((resolve) => setTimeout(resolve, 700));
		expect(isOpen).toBe(false);
		expect(donated()).toBeUndefined();
		taken.claim.renew({ state: 'ready', pending: 0 });
		expect((await opening).index.report().files).toBe(3);
		expect(donated()).toBeDefined();
	});

	test('of several that follow, one takes over', async () => {
		const { folder, cacheFolder, builder, follower } = await pair();
		const others = [follower, await openEditor({ folder, cacheFolder }), await openEditor({ folder, cacheFolder })];
		await builder.index.close();
		await expect.poll(() => others.filter(({ index }) => index.report().builder?.own).length, { timeout: 5000 }).toBe(1);
		writeFiles(folder, { 'src/new.py': lines(4, 'n') });
		await Promise.all(others.map(({ refresh }) => refresh('watch')));
		expect(others.flatMap(({ embedded }) => embedded).length).toBe(2);
	});

	test('another bundle in the other editor: each has its own index, and a notice says why', async () => {
		const { folder, cacheFolder, builder } = await pair();
		const other = await openEditor({ folder, cacheFolder, spaceId: 'another' as SpaceId });
		await other.refresh();
		expect(other.embedded.length).toBe(builder.embedded.length);
		expect(other.index.storePath).not.toBe(builder.index.storePath);
		expect(other.index.report().notices).toEqual([expect.stringContaining('another model bundle')]);
		expect((await builder.refresh('command')).chunksEmbedded).toBe(0);
		const { storePath } = other.index;
		await other.index.close();
		expect(() => readdirSync(storePath)).toThrow('ENOENT');
	});
});

describe('a claim', () => {
	const claimsIn = (folder: string, options: { pid?: number; monotonicMs?: () => number } = {}) =>
		createClaims({ folder, space: 's', ...options });
	/** No process has it. */
	const GONE = 2 ** 22 + 1;

	test('is given once; given back or left by a dead process, to the next', () => {
		const folder = temporaryFolder();
		const first = claimsIn(folder).take();
		if (!('claim' in first)) throw new Error('nobody had it');
		expect(claimsIn(folder).take()).toMatchObject({ builder: { pid: process.pid, host: hostname() } });
		first.claim.release();
		const second = claimsIn(folder, { pid: GONE }).take();
		expect('claim' in second).toBe(true);
		expect('claim' in claimsIn(folder).take()).toBe(true);
		expect(readdirSync(folder)).toEqual(['builder-3.json']);
		// The first one learns that it is no longer its turn, and does not disturb the others.
		expect(first.claim.renew({ state: 'ready', pending: 0 })).toBe(false);
	});

	test('of another machine, or of a process that stands still, lapses after half a minute of watching; the clock does not matter', () => {
		const folder = temporaryFolder();
		writeFileSync(join(folder, 'builder-7.json'), JSON.stringify({ pid: GONE, host: 'elsewhere', space: 's', state: 'ready', pending: 0 }));
		let now = 1e6;
		const watching = claimsIn(folder, { monotonicMs: () => now });
		expect(watching.builder()).toMatchObject({ host: 'elsewhere' });
		utimesSync(join(folder, 'builder-7.json'), new Date(0), new Date(0));
		now += 29_000;
		expect('claim' in watching.take()).toBe(false);
		now += 29_000;
		expect('claim' in watching.take()).toBe(false);
		now += 2000;
		expect('claim' in watching.take()).toBe(true);
		expect(readdirSync(folder)).toEqual(['builder-8.json']);
	});

	test('that is being written, or is no claim at all, still counts until it lapses', () => {
		const folder = temporaryFolder({ 'builder-1.json': '{"pid":' });
		let now = 0;
		const watching = claimsIn(folder, { monotonicMs: () => now });
		expect('claim' in watching.take()).toBe(false);
		now += 30_000;
		expect('claim' in watching.take()).toBe(true);
	});
});

test('publications: the last ones by number, everything for whoever is too far behind', async () => {
	const store = createMemoryStore();
	for (let number = 1; number <= 40; number++) await store.write({ meta: publicationMeta(number, [`f${number}`]) });
	expect(publicationCount(store)).toBe(40);
	expect(publishedSince(store, 37)).toEqual({ number: 40, paths: ['f38', 'f39', 'f40'] });
	expect(publishedSince(store, 40)).toEqual({ number: 40, paths: [] });
	expect(publishedSince(store, 20)).toEqual({ number: 40, paths: 'all' });
	expect(publishedSince(store, 50)).toEqual({ number: 40, paths: 'all' });
	await store.write({
		meta: publicationMeta(
			41,
			Array.from({ length: 3000 }, (_, i) => `g${i}`),
		),
	});
	expect(publishedSince(store, 40)).toEqual({ number: 41, paths: 'all' });
});

test('the cache folder of a workspace holds one claim however often it was opened', async () => {
	const [folder, cacheFolder] = [temporaryFolder(project()), temporaryFolder()];
	for (let i = 0; i < 3; i++) {
		const editor = await openEditor({ folder, cacheFolder });
		await editor.refresh();
		await editor.index.close();
	}
	expect(readdirSync(workspaceCacheFolder(cacheFolder, folder)).filter((name) => name.startsWith('builder-'))).toEqual(['builder-3.json']);
});
