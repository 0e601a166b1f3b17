/** The cache on bad days: a full disk, a folder that cannot be written, bytes that change, files that end early. */
import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../server/base/clock.ts';
import { HefError } from '../../server/base/errors.ts';
import type { SpaceId } from '../../server/base/ids.ts';
import { silentLogger } from '../../server/base/logger.ts';
import { inspectFolder } from '../../server/indexing/inspect.ts';
import { TICK_MS } from '../../server/indexing/role-upkeep.ts';
import { loadBundle } from '../../server/inference/bundle.ts';
import { checkUp } from '../../server/store/checkup.ts';
import { createClaims } from '../../server/store/claim.ts';
import { openStoreReader, workspaceCacheFolder } from '../../server/store/lmdb-store.ts';
import { makeTemporaryFolder } from '../../server/store/temporary-store.ts';
import type { Store } from '../../server/store/types.ts';
import { runCli, TINY_BUNDLE } from '../support/cli.ts';
import { runDamageRounds } from '../support/damage-rounds.ts';
import { createManualClock } from '../support/fakes.ts';
import { DIMENSION, openEditor, SPACE } from '../support/folder-index.ts';
import { createRandom } from '../support/random.ts';
import { mayMount } from '../support/small-disk.ts';
import { temporaryFolder, writeFiles } from '../support/temporary-folder.ts';
import { tinyBundleFolder } from '../support/tiny-bundle.ts';

const lines = (count: number, name: string) => Array.from({ length: count }, (_, i) => `def ${name}${i}\n`).join('');
const project = (files: number) => Object.fromEntries(Array.from({ length: files }, (_, i) => [`d${i % 5}/f${i}.py`, lines(8, `f${i}_`)]));

/** Every vector of the index, by id. */
function vectorsOf(path: string): Map<string, Float32Array> {
	const reader = openStoreReader({ path, spaceId: SPACE, dimension: DIMENSION });
	const vectors = new Map<string, Float32Array>();
	for (const id of reader.vectorIds()) {
		const vector = reader.getVector(id);
		if (vector) vectors.set(id, vector);
	}
	void reader.close();
	return vectors;
}

describe('a damaged data file', () => {
	test('bits flipped anywhere, and cuts at any place, end in the index that was there before: no crash, no hang, no wrong vector', async () => {
		// With 2 LMDB once waited for ever for a page beyond the file, with 11 it followed one to the end of the process.
		const seeds = [2, 11, 100 + (Date.now() % 1e6)];
		console.info(`damage rounds, seeds ${seeds}`);
		const { outcomes, failures } = await runDamageRounds({ seeds });
		expect(failures).toEqual([]);
		expect(Object.values(outcomes).reduce((sum, count) => sum + count)).toBe(6 * seeds.length);
		expect(outcomes.recovered + outcomes.rebuilt).toBeGreaterThanOrEqual(2);
	}, 500_000);

	test('one that hangs while it is read through is given up', async () => {
		const folder = temporaryFolder();
		execFileSync('mkfifo', [join(folder, 'data.mdb')]);
		expect(await checkUp(folder, undefined, 1000)).toEqual({ unreadable: 'it could not be read within 1 s' });
	});

	test('a child that reads one ends by itself where nobody ends it', () => {
		const folder = temporaryFolder();
		execFileSync('mkfifo', [join(folder, 'data.mdb')]);
		const child = fileURLToPath(new URL('../../server/dist/store/checkup-child.js', import.meta.url));
		expect(spawnSync(process.execPath, [child, folder, '100'], { timeout: 60_000 })).toMatchObject({ signal: 'SIGKILL' });
	}, 70_000);
});

describe('a cache that cannot be written', () => {
	test('an editor gets an index for this run, says so, and leaves nothing behind', async () => {
		const folder = temporaryFolder(project(6));
		const cacheFolder = join(temporaryFolder({ file: '' }), 'file', 'below');
		const editor = await openEditor({ folder, cacheFolder });
		expect(await editor.refresh()).toMatchObject({ filesChanged: 6, chunksEmbedded: 24 });
		expect(editor.index.report()).toMatchObject({ state: 'ready', files: 6, notices: [expect.stringContaining('temporary folder')] });
		expect(editor.problems.join()).toContain('hef.cacheFolder');
		const { storePath } = editor.index;
		expect(vectorsOf(storePath).size).toBeGreaterThan(24);
		await editor.index.close();
		expect(() => vectorsOf(storePath)).toThrow('no index');
	});

	test('a temporary index that cannot be used either leaves no folder, and is not told of', async () => {
		const cacheFolder = join(temporaryFolder({ file: '' }), 'file', 'below');
		const problems: string[] = [];
		const own = () => readdirSync(tmpdir()).filter((name) => name.startsWith(`hef-index-${process.pid}-`));
		const before = own();
		const createIndexer = () => {
			throw new Error('of no use');
		};
		const events = { progress() {}, updated() {}, published() {}, moved() {}, problem: (message: string) => void problems.push(message) };
		await expect(openEditor({ folder: temporaryFolder(), cacheFolder, createIndexer, events })).rejects.toThrow('of no use');
		expect(own()).toEqual(before);
		expect(problems).toEqual([]);
	});

	test('what a killed process left in the temporary folder is deleted by the next, what a living one has is not', () => {
		const parent = temporaryFolder({
			'hef-index-4194305-abc/data.mdb': 'x',
			[`hef-index-${process.ppid}-abc/data.mdb`]: 'x',
			'other/f': 'x',
		});
		const made = makeTemporaryFolder(parent);
		expect(readdirSync(parent).sort()).toEqual([basename(made), `hef-index-${process.ppid}-abc`, 'other'].sort());
	});

	test('a command fails, and says what to do', async () => {
		const cacheFolder = join(temporaryFolder({ file: '' }), 'file', 'below');
		const opening = openEditor({ folder: temporaryFolder(project(1)), cacheFolder, mayBuildAside: false });
		await expect(opening).rejects.toThrow();
	});

	test.skipIf(process.platform !== 'linux')('one where nothing can be made ends a command, which does not try for ever', async () => {
		const args = [temporaryFolder(project(1)), '--cache', '/proc/hef/cache', '--bundle', TINY_BUNDLE];
		const { code, stderr } = await runCli(['index', ...args], { timeoutMs: 20_000 });
		expect(stderr).toContain('hef.cacheFolder');
		expect(code).toBe(1);
	});

	test('a disk that fills up in the middle of a build: the build goes on in a temporary index', async () => {
		const [folder, cacheFolder] = [temporaryFolder(project(30)), temporaryFolder()];
		let writes = 0;
		const fillingUp = (store: Store): Store =>
			store.path.startsWith(workspaceCacheFolder(cacheFolder, folder))
				? new Proxy(store, {
						get(target, key) {
							if (key !== 'write') {
								const value = Reflect.get(target, key, target) as unknown;
								return typeof value === 'function' ? value.bind(target) : value;
							}
							return (batch: Parameters<Store['write']>[0]) =>
								++writes > 2
									? Promise.reject(new HefError('cache-unavailable', 'No space left on device. Free the disk.'))
									: target.write(batch);
						},
					})
				: store;
		const editor = await openEditor({ folder, cacheFolder, wrapStore: fillingUp });
		await editor.refresh();
		expect(editor.index.report()).toMatchObject({ state: 'ready', files: 30, pending: 0 });
		expect(editor.index.report().notices?.join()).toMatch(/No space left.*temporary folder/);
		expect(editor.moved).toEqual([editor.index.storePath]);
		// The first slices were in the cache already; of the temporary index every vector is there.
		expect(vectorsOf(editor.index.storePath).size).toBeGreaterThanOrEqual(120);
	});

	/** Runs a script in which `$0` is a folder for answers and `$1` a folder to mount a disk at. Returns what is in the former. */
	function onSmallDisk(script: string): (name: string) => string {
		const [out, disk] = [temporaryFolder(), temporaryFolder()];
		execFileSync('unshare', ['-Urm', 'sh', '-c', script, out, disk]);
		return (name) => readFileSync(join(out, name), 'utf8');
	}

	function command(name: string, folder: string): string {
		const program = fileURLToPath(new URL('../../server/bin/hef-language-server.js', import.meta.url));
		const bundle = join(dirname(program), '../../test/fixtures/tiny-bundle');
		return `"${process.execPath}" "${program}" ${name} "${folder}" --cache "$1" --bundle "${bundle}" --json`;
	}
	const indexCommand = (folder: string) => command('index', folder);

	test.skipIf(!mayMount)(
		'a disk that is really full: the command fails without a crash, and works once there is room',
		() => {
			const index = indexCommand(temporaryFolder(project(200)));
			const read = onSmallDisk(`mount -t tmpfs -o size=150k tmpfs "$1" || exit 99
${index} > "$0/first" 2> "$0/complaint"; echo $? > "$0/code"
mount -o remount,size=100m "$1"
${index} > "$0/second"; echo $? > "$0/code2"`);
			expect(read('code').trim()).toBe('1');
			expect(read('complaint')).toMatch(/disk is full|hef\.cacheFolder/);
			expect(read('code2').trim()).toBe('0');
			expect(JSON.parse(read('second'))).toMatchObject({ state: 'ready', files: 200, pending: 0 });
		},
		180_000,
	);

	test.skipIf(!mayMount)(
		'a disk that turned read-only: indexing fails and says why, the status is read, and the index is there when it can be written again',
		() => {
			const folder = temporaryFolder(project(20));
			const index = indexCommand(folder);
			const read = onSmallDisk(`mount -t tmpfs tmpfs "$1" || exit 99
${index} > "$0/first"; mount -o remount,ro "$1"
${index} > "$0/second" 2> "$0/complaint"; echo $? > "$0/code"
${command('status', folder)} > "$0/status"
mount -o remount,rw "$1"
${index} > "$0/third"`);
			expect(JSON.parse(read('first'))).toMatchObject({ state: 'ready', files: 20 });
			const { nodes } = JSON.parse(read('first'));
			expect(JSON.parse(read('status')).workspaces).toMatchObject([{ state: 'ready', files: 20, nodes, hnsw: { size: nodes } }]);
			expect(read('code').trim()).toBe('1');
			expect(read('complaint')).toMatch(/read-only.*hef\.cacheFolder/);
			expect(JSON.parse(read('third'))).toMatchObject({ state: 'ready', files: 20, lastUpdate: { chunksEmbedded: 0 } });
		},
		180_000,
	);

	test.skipIf(!mayMount)(
		'no room to copy an index that was left in the middle of a write: it stays as it is, and is taken up once there is room',
		() => {
			const index = indexCommand(temporaryFolder(project(200)));
			const read = onSmallDisk(`mount -t tmpfs -o size=100m tmpfs "$1" || exit 99
${index} > "$0/first"; rm "$1"/workspaces/*/index-*/at-rest.json
dd if=/dev/zero of="$1/filler" bs=64k status=none 2> /dev/null; truncate -s -64k "$1/filler"
${index} > "$0/second" 2> "$0/complaint"; echo $? > "$0/code"; ls "$1"/workspaces/* > "$0/left"
rm "$1/filler"
${index} > "$0/third"`);
			expect(JSON.parse(read('first')).lastUpdate.chunksEmbedded).toBeGreaterThan(0);
			expect(read('code').trim()).toBe('1');
			expect(read('complaint')).toMatch(/disk is full/);
			expect(read('left')).toContain('index-1');
			expect(read('left')).not.toContain('making');
			const { recovered, lastUpdate } = JSON.parse(read('third'));
			expect({ recovered, embedded: lastUpdate.chunksEmbedded }).toEqual({ recovered: undefined, embedded: 0 });
		},
		180_000,
	);
});

test('a clock that jumps by hours: nothing waits for it, nothing is taken over or looked at too late', async () => {
	const seed = Date.now() % 1e9;
	console.info(`jumping clock, seed ${seed}`);
	const [folder, cacheFolder, random] = [temporaryFolder(project(12)), temporaryFolder(), createRandom(seed)];
	const jumping = () => {
		let shift = 0;
		const now = () => {
			if (random.below(4) === 0) shift = (random.below(100) - 50) * 3_600_000;
			return Date.now() + shift;
		};
		return { ...systemClock, now };
	};
	const builder = await openEditor({ folder, cacheFolder, clock: jumping() });
	expect(await builder.refresh()).toMatchObject({ filesChanged: 12, chunksEmbedded: 48 });
	const follower = await openEditor({ folder, cacheFolder, clock: jumping() });
	for (let save = 0; save < 5; save++) {
		writeFiles(folder, { [`d0/new${save}.py`]: lines(2, `n${save}_`) });
		const update = await follower.index.request({ paths: [`d0/new${save}.py`], reason: 'save' });
		expect(update.durationMs).toBeGreaterThanOrEqual(0);
		expect(follower.index.report()).toMatchObject({ files: 13 + save, builder: { own: false } });
	}
	await builder.index.close();
	writeFiles(folder, { 'd0/last.py': lines(2, 'last_') });
	expect(await follower.refresh()).toMatchObject({ chunksEmbedded: 1 });
	expect(follower.index.report()).toMatchObject({ state: 'ready', files: 18, pending: 0, stale: 0, builder: { own: true } });
	expect(follower.embedded).toHaveLength(1);
}, 120_000);

test('while no store can be had it is tried less and less often, and taken up once there is one', async () => {
	const [folder, cacheFolder] = [temporaryFolder(project(2)), join(temporaryFolder(), 'cache')];
	const builder = await openEditor({ folder, cacheFolder });
	await builder.refresh();
	const clock = createManualClock();
	const failures: number[] = [];
	const logger = { ...silentLogger, error: () => void failures.push(clock.elapsed()) };
	const follower = await openEditor({ folder, cacheFolder, clock, logger, mayBuildAside: false });
	await builder.index.close();
	rmSync(cacheFolder, { recursive: true });
	writeFileSync(cacheFolder, 'a file in the place of the folder');

	const pass = async (minutes: number) => {
		for (let step = 0; step < (minutes * 60_000) / TICK_MS; step++) {
			clock.advance(TICK_MS);
			await new Promise((resolve) => setImmediate(resolve));
		}
	};
	await pass(12);
	// 10, 20, 40, … seconds after one another.
	const waits = failures.slice(1).map((ms, i) => Math.round((ms - (failures[i] as number)) / 10_000));
	expect(waits).toEqual([0, 1, 2, 4, 8, 16, 32]);
	rmSync(cacheFolder);
	await pass(6);
	expect(follower.index.report()).toMatchObject({ builder: { own: true } });
}, 60_000);

test('the status counts what changed by content; it says so of an index of another bundle; of one that is damaged it says so too, and does not follow its pages', async () => {
	const [folder, cacheFolder] = [temporaryFolder(project(10)), temporaryFolder()];
	const editor = await openEditor({ folder, cacheFolder });
	await editor.refresh();
	const file = join(editor.index.storePath, 'data.mdb');
	await editor.index.close();
	const inspected = async (spaceId = SPACE) => {
		const { manifest, ...bundle } = await loadBundle(tinyBundleFolder);
		return inspectFolder({ folder, cacheFolder, exclude: [], bundle: { ...bundle, manifest, spaceId } });
	};
	utimesSync(join(folder, 'd0/f0.py'), 1e9, 1e9);
	writeFiles(folder, { 'd0/f5.py': lines(8, 'other_') });
	expect(await inspected()).toMatchObject({ state: 'ready', files: 10, stale: 1 });
	const foreign = { state: 'off', message: expect.stringContaining('another model bundle'), files: 0, pending: 10 };
	expect(await inspected('another' as SpaceId)).toMatchObject(foreign);
	truncateSync(file, 40_000);
	expect(await inspected()).toMatchObject({ state: 'error', message: expect.stringMatching(/damaged .*next start keeps/) });

	// Who opens it reads it through at this moment: once is enough.
	expect('claim' in createClaims({ folder: workspaceCacheFolder(cacheFolder, folder), space: '' }).take()).toBe(true);
	expect(await inspected()).toMatchObject({ state: 'indexing', message: `the index is being opened by process ${process.pid}` });
});
