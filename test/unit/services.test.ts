/** Both workers joined, on real threads with a bundle of random weights: requests that join, folders that come and go. */
import { join } from 'node:path';
import { defaultSettings, type Settings } from 'hef-shared';
import { expect, onTestFinished, test } from 'vitest';
import { silentLogger } from '../../server/base/logger.ts';
import type { CompletionRequest } from '../../server/completion/types.ts';
import { loadBundle } from '../../server/inference/bundle.ts';
import { createClaims, UNKNOWN_SPACE } from '../../server/store/claim.ts';
import { makeCacheFolder, workspaceCacheFolder } from '../../server/store/lmdb-store.ts';
import { temporaryFolder, writeFiles } from '../support/temporary-folder.ts';
import { tinyBundleFolder } from '../support/tiny-bundle.ts';

/** Threads run the compiled server. */
const { createServices } = (await import(
	new URL('../../server/dist/services.js', import.meta.url).href
)) as typeof import('../../server/services.ts');

const FILES = { 'a.ts': 'export const one = 1;\n', 'b.ts': 'export function two() {\n\treturn 2;\n}\n' };
const OPEN = { watch: false, exclude: [] };

async function start(cacheFolder = temporaryFolder(), settings: Partial<Settings> = {}) {
	const services = createServices({
		bundle: await loadBundle(tinyBundleFolder),
		settings: { ...defaultSettings(), maxThreads: 1, ...settings },
		cacheFolder,
		version: '0.0.0-test',
		events: { progress() {}, updated() {}, problem() {} },
		logger: silentLogger,
	});
	onTestFinished(() => services.dispose());
	return services;
}

const requestIn = (folder: string): CompletionRequest => ({
	uri: 'file:///c.ts',
	folder,
	path: 'c.ts',
	text: 'const three = ',
	offset: 14,
	context: 'hef',
	multiLine: 'never',
	explicit: true,
	minConfidence: 0,
});

test('of two who wait for the same answer, one who leaves does not take it from the other', async () => {
	const services = await start();
	const request = requestIn(temporaryFolder());
	const leaving = new AbortController();
	const first = services.complete(request, leaving.signal);
	const second = services.complete(request);
	leaving.abort();
	expect(await first).toBeUndefined();
	expect(await second).toMatchObject({ bundle: 'tiny' });
});

test('an identical request after all have left is computed', async () => {
	const services = await start();
	const request = requestIn(temporaryFolder());
	const leaving = new AbortController();
	const first = services.complete(request, leaving.signal);
	leaving.abort();
	const second = services.complete(request);
	expect(await first).toBeUndefined();
	expect(await second).toMatchObject({ bundle: 'tiny' });
});

test('a folder opened while indexing is paused waits, serves completions, and is indexed afterwards', async () => {
	const services = await start();
	const folder = temporaryFolder(FILES);
	await services.pause();
	const opened = services.openFolder(folder, OPEN);
	await expect.poll(async () => (await services.report(folder)).state, { timeout: 20_000 }).toBe('paused');
	expect(await services.complete(requestIn(folder))).toMatchObject({ bundle: 'tiny' });
	expect(await services.report(folder)).toMatchObject({ state: 'paused', files: 0 });
	await services.resume();
	await opened;
	expect(await services.report(folder)).toMatchObject({ state: 'ready', files: 2, searchable: 1 });
});

test('a folder closed, and one cleared, while it is opened are no failures', async () => {
	const services = await start();
	const folder = temporaryFolder(FILES);
	const opened = services.openFolder(folder, OPEN);
	await services.closeFolder(folder);
	await opened;
	expect((await services.status()).workspaces).toEqual([]);
	expect((await services.complete({ ...requestIn(folder), fresh: true }))?.nodes).toEqual([]);

	const again = services.openFolder(folder, OPEN);
	await services.closeFolder(folder);
	await Promise.all([again, services.openFolder(folder, OPEN)]);
	expect(await services.report(folder)).toMatchObject({ state: 'ready', files: 2 });
	expect((await services.complete({ ...requestIn(folder), fresh: true }))?.nodes).not.toEqual([]);
	await services.clear(folder);
	expect(await services.report(folder)).toMatchObject({ state: 'ready', files: 2, stale: 0 });

	const other = temporaryFolder(FILES);
	await Promise.all([services.openFolder(other, OPEN), services.clear(other)]);
	expect(await services.report(other)).toMatchObject({ state: 'ready', files: 2 });
	expect((await services.complete({ ...requestIn(other), fresh: true }))?.nodes).not.toEqual([]);
});

test('two editors: what one empties, both complete from once it is built again, and what one saves reaches the view of the other', async () => {
	const [folder, cacheFolder] = [temporaryFolder(FILES), temporaryFolder()];
	const [first, second] = [await start(cacheFolder), await start(cacheFolder)];
	await first.openFolder(folder, OPEN);
	await second.openFolder(folder, OPEN);
	expect((await second.report(folder)).builder).toMatchObject({ own: false });
	const nodesOf = async (services: typeof first) => (await services.complete({ ...requestIn(folder), fresh: true }))?.nodes ?? [];
	expect(await nodesOf(second)).toHaveLength((await nodesOf(first)).length);

	await second.clear(folder);
	await first.reconcile(folder, 'command');
	for (const services of [first, second]) {
		// What the second one asked for may reach the first when the store agrees with the disk already.
		await expect.poll(() => services.report(folder), { timeout: 20_000 }).toMatchObject({ state: 'ready', files: 2 });
		expect(await nodesOf(services)).not.toEqual([]);
	}
	writeFiles(folder, { 'd.ts': 'export function four() {\n\treturn 4;\n}\n' });
	await second.update(folder, ['d.ts'], 'save');
	// The store has it; each process applies it to its view by itself.
	for (const services of [first, second])
		await expect.poll(async () => (await nodesOf(services)).map(({ path }) => path), { timeout: 20_000 }).toContain('d.ts');
});

test('a folder closed or cleared under a completion does not take its index away', async () => {
	const services = await start();
	const folder = temporaryFolder(FILES);
	await services.warmUp();
	for (let i = 0; i < 4; i++) {
		await services.openFolder(folder, OPEN);
		const completed = services.complete({ ...requestIn(folder), fresh: true });
		await Promise.all([completed, i % 2 ? services.clear(folder) : services.closeFolder(folder)]);
		expect((await completed)?.nodes).not.toEqual([]);
	}
});

test("what the user's and git's rules leave out is left out from the first moment, before the folder is open", async () => {
	const cacheFolder = temporaryFolder();
	const services = await start(cacheFolder, { exclude: ['private/'] });
	const folder = temporaryFolder({ ...FILES, '.gitignore': 'ignored.ts\n', 'ignored.ts': 'x\n', 'private/a.ts': 'x\n' });
	const asked = async () => Promise.all(['private/a.ts', 'ignored.ts', '.env', 'a.ts'].map((path) => services.includes(folder, path)));
	expect(await asked()).toEqual([false, false, false, true]);
	const opened = services.openFolder(folder, { ...OPEN, exclude: ['private/'] });
	expect(await asked()).toEqual([false, false, false, true]);
	await opened;
	expect(await asked()).toEqual([false, false, false, true]);
	expect(services.includes('', '/home/u/.ssh/config')).toBe(false);
});

test('what the rules let in while the server runs is completed, and what they leave out is not', async () => {
	const services = await start();
	const folder = temporaryFolder({ ...FILES, '.gitignore': 'b.ts\n' });
	await services.openFolder(folder, { ...OPEN, watch: true });
	const included = () => ['a.ts', 'b.ts'].map((path) => services.includes(folder, path));
	expect(included()).toEqual([true, false]);
	writeFiles(folder, { '.gitignore': 'a.ts\n' });
	await expect.poll(included, { timeout: 20_000 }).toEqual([false, true]);
});

test('a folder that cannot be opened has its reason in the status and spoils no other', async () => {
	const services = await start();
	const good = temporaryFolder(FILES);
	const missing = join(good, 'missing');
	await expect(services.openFolder(missing, OPEN)).rejects.toThrow('missing');
	await services.openFolder(good, OPEN);
	expect((await services.status()).workspaces).toMatchObject([
		{ folder: missing, state: 'error', message: expect.stringContaining('missing') },
		{ folder: good, state: 'ready', files: 2 },
	]);
	writeFiles(missing, FILES);
	await services.reconcile(missing, 'command');
	expect(await services.report(missing)).toMatchObject({ state: 'ready', files: 2 });
});

test('the status does not wait for an index that is being opened', async () => {
	const [folder, cacheFolder] = [temporaryFolder(FILES), temporaryFolder()];
	const cache = workspaceCacheFolder(cacheFolder, folder);
	makeCacheFolder(cache);
	const taken = createClaims({ folder: cache, space: UNKNOWN_SPACE }).take();
	if (!('claim' in taken)) throw new Error('somebody has the claim');
	const services = await start(cacheFolder);
	const opened = services.openFolder(folder, OPEN);
	await services.includes(folder, 'a.ts');
	let isOpen = false;
	void opened.then(() => {
		isOpen = true;
	});
	// While the rules are read, and after.
	for (let i = 0; i < 3; i++) expect(await services.report(folder)).toMatchObject({ state: 'indexing', files: 0 });
	expect(isOpen).toBe(false);
	taken.claim.release();
	await opened;
	expect(await services.report(folder)).toMatchObject({ state: 'ready', files: 2 });
});
