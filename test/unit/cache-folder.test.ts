/** The cache of all workspaces: its budget, clearing it, and what two checkouts of one repository share in it. */
import { cpSync, existsSync, readdirSync, readFileSync, readlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { clearCache } from '../../server/indexing/clear-cache.ts';
import { FOLDER_FILE, keepWithinBudget, listCachedWorkspaces, sizeOf } from '../../server/store/cache-folder.ts';
import { createClaims } from '../../server/store/claim.ts';
import { workspaceCacheFolder } from '../../server/store/lmdb-store.ts';
import { openEditor } from '../support/folder-index.ts';
import { temporaryFolder, writeFiles } from '../support/temporary-folder.ts';

const lines = (count: number, name: string) => Array.from({ length: count }, (_, i) => `def ${name}${i}\n`).join('');
const project = (name: string, files = 3) =>
	Object.fromEntries(Array.from({ length: files }, (_, i) => [`f${i}.py`, lines(8, `${name}${i}_`)]));

/** A cache with one closed index for each name, the first one used last. */
async function cacheOf(...names: string[]) {
	const cacheFolder = temporaryFolder();
	const places: Record<string, string> = {};
	for (const [age, name] of names.entries()) {
		const folder = temporaryFolder(project(name));
		const editor = await openEditor({ folder, cacheFolder });
		await editor.refresh();
		await editor.index.close();
		const place = workspaceCacheFolder(cacheFolder, folder);
		const used = new Date(Date.now() - (age + 1) * 86_400_000);
		utimesSync(join(place, FOLDER_FILE), used, used);
		places[name] = place;
	}
	return { cacheFolder, places };
}

describe('the budget', () => {
	test('what was not used for longest goes first; what is open, or asks, stays', async () => {
		const { cacheFolder, places } = await cacheOf('a', 'b', 'c', 'd');
		const each = sizeOf(places.a as string);
		const claim = createClaims({ folder: places.d as string, space: '' }).take();
		expect('claim' in claim).toBe(true);
		const first = keepWithinBudget({ cacheFolder, budgetBytes: Math.round(3.5 * each) });
		expect(first.removed.map(({ path }) => path)).toEqual([places.c]);
		expect(first.overBytes).toBe(0);
		const rest = keepWithinBudget({ cacheFolder, budgetBytes: 0, keep: places.a as string });
		expect(rest.removed.map(({ path }) => path)).toEqual([places.b]);
		expect(rest.overBytes).toBe(sizeOf(cacheFolder));
		expect(existsSync(places.a as string) && existsSync(places.d as string)).toBe(true);
	});

	test('damaged files that were set aside go before any index', async () => {
		const { cacheFolder, places } = await cacheOf('a', 'b');
		const total = sizeOf(cacheFolder);
		writeFiles(places.a as string, { 'damaged/data.mdb': new Uint8Array(500_000) });
		expect(keepWithinBudget({ cacheFolder, budgetBytes: total + 1000 })).toEqual({ overBytes: 0, removed: [] });
		expect(existsSync(join(places.a as string, 'damaged'))).toBe(false);
	});

	test('is kept by the index that is open, which gives up its garbage too and goes on working', async () => {
		const { cacheFolder, places } = await cacheOf('a', 'b');
		const folder = temporaryFolder(project('own', 150));
		const filling = await openEditor({ folder, cacheFolder });
		await filling.refresh();
		const needed = sizeOf(workspaceCacheFolder(cacheFolder, folder));
		// Everything changes twice: two thirds of the vectors are garbage.
		for (const name of ['second', 'third']) {
			writeFiles(folder, project(name, 150));
			await filling.refresh('branch');
		}
		await filling.index.close();
		const grown = sizeOf(workspaceCacheFolder(cacheFolder, folder));
		expect(grown).toBeGreaterThan(1.5 * needed);

		const editor = await openEditor({ folder, cacheFolder, budgetBytes: 1 });
		const before = editor.index.storePath;
		await editor.refresh();
		await expect.poll(() => editor.moved).toEqual([editor.index.storePath]);
		expect(editor.index.storePath).not.toBe(before);
		expect(sizeOf(cacheFolder)).toBeLessThan(0.7 * grown);
		expect(Object.values(places).filter((place) => existsSync(place))).toEqual([]);
		writeFiles(folder, { 'f0.py': lines(8, 'fresh') });
		expect(await editor.refresh('watch')).toMatchObject({ chunksEmbedded: 4, filesChanged: 1 });
		expect(editor.index.report()).toMatchObject({ files: 150, state: 'ready' });
	});

	test('when nothing is left to delete, the status says by how much the open index is over it', async () => {
		const [folder, cacheFolder] = [temporaryFolder(project('a', 60)), temporaryFolder()];
		const editor = await openEditor({ folder, cacheFolder, budgetBytes: 1000 });
		await editor.refresh();
		expect(editor.index.report().notices).toEqual([expect.stringMatching(/take \d+ MB more than hef\.cacheBudgetBytes/)]);
	});
});

describe('clearing', () => {
	test('frees the disk while the index is open: no file is left, and none that is deleted is still held', async () => {
		const [folder, cacheFolder] = [temporaryFolder(project('a', 150)), temporaryFolder()];
		const editor = await openEditor({ folder, cacheFolder });
		await editor.refresh();
		const full = sizeOf(cacheFolder);
		await editor.index.clear();
		expect(sizeOf(cacheFolder)).toBeLessThan(full / 4);
		if (process.platform === 'linux') expect(heldAlthoughDeleted(cacheFolder)).toEqual([]);
	});

	test('from the command line: one folder, all folders; an open one is emptied by its editor', async () => {
		const { cacheFolder, places } = await cacheOf('a', 'b', 'c');
		writeFiles(cacheFolder, { 'compiled/v22/code': new Uint8Array(3_000_000) });
		const [workspace] = listCachedWorkspaces(cacheFolder);
		const one = await clearCache(cacheFolder, workspace?.folder);
		expect(one).toMatchObject({ removed: [workspace?.folder], inUse: [], freedBytes: workspace?.sizeBytes });
		expect(Object.values(places).filter((place) => existsSync(place))).toHaveLength(2);
		expect(existsSync(join(cacheFolder, 'compiled'))).toBe(true);

		const folder = temporaryFolder(project('open', 40));
		const editor = await openEditor({ folder, cacheFolder });
		await editor.refresh();
		const before = editor.index.storePath;
		const all = await clearCache(cacheFolder, undefined);
		expect(all.removed).toHaveLength(2);
		expect(all.freedBytes).toBeGreaterThan(3_000_000);
		expect(existsSync(join(cacheFolder, 'compiled'))).toBe(false);
		expect(all.inUse).toEqual([folder]);
		expect(existsSync(before)).toBe(false);
		await editor.refresh();
		expect(editor.embedded.length).toBe(2 * 40 * 4);
	});

	test('where a file is in the place of the cache there is nothing to delete', async () => {
		const file = join(temporaryFolder({ file: 'x' }), 'file');
		expect(await clearCache(file, undefined)).toEqual({ removed: [], inUse: [], freedBytes: 0 });
	});
});

/** Files below a folder that were deleted and that this process still holds open or mapped. */
function heldAlthoughDeleted(folder: string): string[] {
	const open = readdirSync('/proc/self/fd').flatMap((name) => {
		try {
			return [readlinkSync(`/proc/self/fd/${name}`)];
		} catch {
			return [];
		}
	});
	const mapped = readFileSync('/proc/self/maps', 'utf8').split('\n');
	return [...open, ...mapped].filter((line) => line.includes(folder) && line.includes('(deleted)'));
}

describe('two checkouts of one repository', () => {
	test('the second one embeds and fuses nothing that the first has', async () => {
		const [folder, cacheFolder] = [temporaryFolder(project('a', 20)), temporaryFolder()];
		const first = await openEditor({ folder, cacheFolder });
		const built = await first.refresh();
		const copy = temporaryFolder();
		cpSync(folder, copy, { recursive: true });
		// Open all the same: the first is still being edited.
		const second = await openEditor({ folder: copy, cacheFolder });
		expect(await second.refresh()).toMatchObject({
			filesChanged: 20,
			chunksEmbedded: 0,
			nodesFused: 0,
			chunksReused: built.chunksEmbedded,
		});
		expect(second.embedded).toEqual([]);
		await first.index.close();

		const third = temporaryFolder();
		cpSync(folder, third, { recursive: true });
		writeFiles(third, { 'new.py': lines(4, 'new') });
		const other = await openEditor({ folder: third, cacheFolder });
		expect(await other.refresh()).toMatchObject({ filesChanged: 21, chunksEmbedded: 2 });
	});

	test('an index that was not closed in order is not asked', async () => {
		const [folder, cacheFolder] = [temporaryFolder(project('a', 5)), temporaryFolder()];
		const first = await openEditor({ folder, cacheFolder });
		await first.refresh();
		const { storePath } = first.index;
		await first.index.close();
		const data = readFileSync(join(storePath, 'data.mdb'));
		writeFileSync(join(storePath, 'data.mdb'), data);
		const copy = temporaryFolder();
		cpSync(folder, copy, { recursive: true });
		const second = await openEditor({ folder: copy, cacheFolder });
		expect(await second.refresh()).toMatchObject({ chunksEmbedded: 20 });
	});
});
