/** Several editors on one folder, in one process: who builds, who follows, and what happens when the builder goes. */
import { cpSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { WorkspaceReport } from 'hef-shared';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../server/base/clock.ts';
import { HefError } from '../../server/base/errors.ts';
import type { SpaceId } from '../../server/base/ids.ts';
import { publicationCount, publicationMeta, publishedSince } from '../../server/indexing/publications.ts';
import { LOOK_AGAIN_MS } from '../../server/indexing/role.ts';
import { TICK_MS } from '../../server/indexing/role-upkeep.ts';
import type { FolderIndex } from '../../server/indexing/types.ts';
import { createClaims, RENEW_MS } from '../../server/store/claim.ts';
import { openDonors } from '../../server/store/donors.ts';
import { openStoreReader, storeFormat, workspaceCacheFolder } from '../../server/store/lmdb-store.ts';
import { createPause } from '../../server/store/pause.ts';
import { noteUnrest } from '../../server/store/rest.ts';
import type { Store } from '../../server/store/types.ts';
import { createWatchedClock } from '../support/fakes.ts';
import { DIMENSION, openEditor, SPACE } from '../support/folder-index.ts';
import { createMemoryStore } from '../support/memory-store.ts';
import { temporaryFolder, writeFiles } from '../support/temporary-folder.ts';

const lines = (count: number, name: string) => Array.from({ length: count }, (_, i) => `def ${name}${i}\n`).join('');
const project = () => ({ 'src/a.py': lines(8, 'a'), 'src/b.py': lines(6, 'b'), 'README.md': lines(3, 'r') });

async function pair() {
	const [folder, cacheFolder] = [temporaryFolder(project()), temporaryFolder()];
	const [builderClock, followerClock] = [createWatchedClock(), createWatchedClock()];
	const builder = await openEditor({ folder, cacheFolder, clock: builderClock });
	await builder.refresh();
	const follower = await openEditor({ folder, cacheFolder, clock: followerClock });
	return { folder, cacheFolder, builder, builderClock, follower, followerClock };
}

/** An index that nobody has open, and its claim. */
async function claimed() {
	const { cacheFolder, folder, builder, follower } = await pair();
	const { storePath } = builder.index;
	await Promise.all([builder.index.close(), follower.index.close()]);
	const cache = workspaceCacheFolder(cacheFolder, folder);
	const taken = createClaims({ folder: cache, space: storeFormat(SPACE) }).take();
	if (!('claim' in taken)) throw new Error('nobody had it');
	return { cacheFolder, folder, cache, storePath, claim: taken.claim };
}

/** The report, once it is so. Every look has to succeed, where `expect.poll` tries again after an error. */
async function reportOnce(index: FolderIndex, isSo: (report: WorkspaceReport) => boolean) {
	const seen: WorkspaceReport[] = [];
	for (;;) {
		const report = index.report();
		seen.push(report);
		if (isSo(report)) return { report, seen };
		await nextTurn();
	}
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

	test('of a folder that is gone both say so, and of a folder by its name all files are looked at', async () => {
		const { folder, builder, follower } = await pair();
		expect(await follower.index.request({ paths: ['src'], reason: 'watch' })).toMatchObject({ reason: 'start' });
		rmSync(folder, { recursive: true });
		for (const { index } of [builder, follower])
			await expect(index.request({ paths: ['src/a.py'], reason: 'watch' })).rejects.toThrow(`cannot read ${folder}`);
		expect(builder.index.report()).toMatchObject({ state: 'error', files: 3 });
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
		const { seen } = await reportOnce(follower.index, ({ builder: who }) => who?.own === true);
		// While the copy is made, it says what was there before, and not who builds.
		const between = seen.filter(({ state, builder: who }) => state === 'indexing' && who === undefined);
		expect(between.length).toBeGreaterThan(0);
		for (const report of between) expect(report).toMatchObject({ files: 3, chunks: 9 });
		expect(await follower.refresh()).toMatchObject({ chunksEmbedded: 0 });
		expect(follower.index.storePath).not.toBe(storePath);
		expect(follower.moved).toEqual([follower.index.storePath]);
		expect(follower.index.report()).toMatchObject({ files: 3, chunks: 9 });
		expect(follower.problems).toEqual([]);
	});

	test('a request that the builder cannot answer any more is answered by the one that takes over', async () => {
		const { folder, builder, builderClock, follower } = await pair();
		builder.index.pause();
		writeFiles(folder, { 'src/new.py': lines(4, 'n') });
		const asked = follower.index.request({ paths: ['src/new.py'], reason: 'save' });
		await builderClock.scheduled(TICK_MS, 2);
		await builder.index.close();
		await asked;
		expect(follower.embedded.length).toBe(2);
	});

	test('pausing in the one that follows stops the one that builds, and either resumes both', async () => {
		const { folder, builder, builderClock, follower } = await pair();
		const both = [builder.index, follower.index];
		const states = () => both.map((index) => index.report().state).join();
		for (const [pauser, resumer] of [both, [...both].reverse()] as [FolderIndex, FolderIndex][]) {
			const before = builder.embedded.length;
			pauser.pause();
			await expect.poll(states, { timeout: 5000 }).toBe('paused,paused');
			writeFiles(folder, { 'src/new.py': lines(4, `n${before}_`) });
			const asked = resumer.request({ paths: ['src/new.py'], reason: 'save' });
			await builderClock.scheduled(TICK_MS, 2);
			expect(builder.embedded.length).toBe(before);
			resumer.resume();
			await asked;
			expect(builder.embedded.length).toBe(before + 2);
			await expect.poll(states, { timeout: 5000 }).toBe('ready,ready');
		}
		expect(follower.embedded).toEqual([]);
	});

	test('a pause outlives a change of builders and ends with the editor that asked for it', async () => {
		const { folder, cacheFolder, builder, follower, followerClock } = await pair();
		const third = createPause({ folder: workspaceCacheFolder(cacheFolder, folder), clock: systemClock });
		third.set();
		await builder.index.close();
		const asked = follower.refresh('watch');
		await expect.poll(() => follower.index.report(), { timeout: 5000 }).toMatchObject({ builder: { own: true }, state: 'paused' });
		writeFiles(folder, { 'src/new.py': lines(4, 'n') });
		await followerClock.scheduled(TICK_MS, 2);
		expect(follower.embedded).toEqual([]);
		third.release();
		await asked;
		await expect.poll(() => follower.index.report().state, { timeout: 5000 }).toBe('ready');
	});

	test('the status says which process paused; one that was killed pauses nobody', async () => {
		const { folder, cacheFolder, builder } = await pair();
		const file = join(workspaceCacheFolder(cacheFolder, folder), 'paused-1.json');
		writeFileSync(file, JSON.stringify({ pid: process.ppid, host: hostname() }));
		const message = `paused in the editor of process ${process.ppid}`;
		await expect.poll(() => builder.index.report(), { timeout: 5000 }).toMatchObject({ state: 'paused', message });
		writeFileSync(file, JSON.stringify({ pid: 2 ** 22 + 1, host: hostname() }));
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

	test('whoever clears while somebody else does joins; a request under way is answered from the new store', async () => {
		const { builder, follower } = await pair();
		const before = builder.index.storePath;
		const embedded = builder.embedded.length;
		const { files } = builder.index.report();
		const asked = builder.refresh('command');
		const places = await Promise.all([builder.index.clear(), builder.index.clear(), follower.index.clear()]);
		expect(places[1]).toBe(places[0]);
		expect(places).not.toContain(before);
		await asked;
		await follower.refresh('clear');
		// The follower's clear may come after the builder's own, and then empties the index once more.
		await expect.poll(() => [builder, follower].map(({ index }) => index.report().files), { timeout: 10_000 }).toEqual([files, files]);
		expect(builder.embedded.length).toBeGreaterThanOrEqual(2 * embedded);
	});

	test('a folder that is closed while it is cleared is closed afterwards; one that is closed is not cleared', async () => {
		const { builder } = await pair();
		const asked = expect(builder.refresh('command')).rejects.toThrow('the index was');
		const cleared = builder.index.clear();
		await builder.index.close();
		expect(await cleared).toBeUndefined();
		expect(await builder.index.clear()).toBeUndefined();
		await asked;
		await expect(builder.refresh()).rejects.toThrow('closed');
		expect(builder.index.report()).toMatchObject({ files: 0 });
	});

	test('while the builder finds out whether the index can be trusted, nobody else reads it', async () => {
		const { cacheFolder, folder, storePath, claim } = await claimed();
		const [id] = openStoreReader({ path: storePath, spaceId: SPACE, dimension: DIMENSION }).vectorIds();
		let isOpen = false;
		const clock = createWatchedClock();
		const waits = clock.scheduled(LOOK_AGAIN_MS, 3);
		const opening = openEditor({ folder, cacheFolder, clock }).then((editor) => {
			isOpen = true;
			return editor;
		});
		const donated = () => openDonors({ cacheFolder, except: '', spaceId: SPACE, dimension: DIMENSION }).getVector(id as never);
		await waits;
		expect(isOpen).toBe(false);
		expect(donated()).toBeUndefined();
		claim.renew({ state: 'ready', pending: 0 });
		expect((await opening).index.report().files).toBe(3);
		expect(donated()).toBeDefined();
	});

	test('when the builder goes before it knows, whoever waits finds out itself, and does not read the file before', async () => {
		const { cacheFolder, folder, storePath, claim } = await claimed();
		noteUnrest(storePath);
		const clock = createWatchedClock();
		const waits = clock.scheduled(LOOK_AGAIN_MS);
		const opening = openEditor({ folder, cacheFolder, clock });
		await waits;
		claim.release();
		const { index } = await opening;
		expect(await index.request({ paths: 'all', reason: 'start' })).toMatchObject({ filesChanged: 0, chunksEmbedded: 0 });
		expect(index.report()).toMatchObject({ builder: { own: true }, files: 3 });
		expect(index.storePath).not.toBe(storePath);
	});

	test('a claim that is being written is waited for, and nobody builds beside it', async () => {
		const { cacheFolder, folder, cache, storePath, claim } = await claimed();
		writeFileSync(join(cache, 'builder-9.json'), '');
		const clock = createWatchedClock();
		const waits = clock.scheduled(LOOK_AGAIN_MS);
		const opening = openEditor({ folder, cacheFolder, clock });
		await waits;
		rmSync(join(cache, 'builder-9.json'));
		claim.renew({ state: 'ready', pending: 0 });
		const { index, problems } = await opening;
		expect(index.storePath).toBe(storePath);
		expect(index.report().builder).toEqual({ pid: process.pid, own: false });
		expect(problems).toEqual([]);
	});

	test('who closes while waiting for a builder builds nothing, and alarms nobody', async () => {
		const { cacheFolder, folder, cache, claim } = await claimed();
		claim.renew({ state: 'ready', pending: 0 });
		const clock = createWatchedClock();
		const { index, problems, moved } = await openEditor({ folder, cacheFolder, clock });
		const waits = clock.scheduled(LOOK_AGAIN_MS);
		claim.renew({ state: 'opening', pending: 0 });
		cpSync(join(cache, 'index-1'), join(cache, 'index-2'), { recursive: true });
		await waits;
		expect(index.report()).toMatchObject({ state: 'indexing', files: 3 });
		await index.close();
		expect({ problems, moved, notices: index.report().notices }).toEqual({ problems: [], moved: [], notices: undefined });
	});

	test('to pause while a store that failed is opened anew gives nobody else the claim', async () => {
		const [folder, cacheFolder] = [temporaryFolder(project()), temporaryFolder()];
		let isBroken = true;
		const failOnce = (store: Store): Store => {
			const write = store.write.bind(store);
			store.write = (batch) => {
				if (!isBroken) return write(batch);
				isBroken = false;
				return Promise.reject(new HefError('cache-unavailable', 'a write failed'));
			};
			return store;
		};
		const clock = createWatchedClock();
		const reopens = clock.scheduled(RENEW_MS, 2);
		const { index, refresh } = await openEditor({ folder, cacheFolder, clock, wrapStore: failOnce });
		const refreshed = refresh();
		// The second claim is there, and the store is being opened under it.
		await reopens;
		index.pause();
		index.resume();
		expect(await refreshed).toMatchObject({ chunksEmbedded: 9 });
		await clock.scheduled(TICK_MS, 2);
		expect(index.report()).toMatchObject({ builder: { own: true }, files: 3, state: 'ready' });
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
		// A command would build what goes with it.
		await expect(openEditor({ folder, cacheFolder, spaceId: 'another' as SpaceId, mayBuildAside: false })).rejects.toThrow(
			/another model bundle.*--cache/,
		);
		expect((await builder.refresh('command')).chunksEmbedded).toBe(0);
		const { storePath } = other.index;
		await other.index.close();
		expect(() => readdirSync(storePath)).toThrow('ENOENT');
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
