/** Completion workers of several editors save graphs to one folder. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { createHnswIndex, loadHnswIndex } from '../../server/vector-index/hnsw-index.ts';
import { bundleProgram } from '../support/program.ts';
import { createRandom } from '../support/random.ts';
import { SNAPSHOT_GRAPHS, snapshotId, snapshotVector } from '../support/snapshot-space.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const KILLS = 12;

/** Loads what is there and compares every vector with its id. Returns their number. */
async function check(folder: string): Promise<number> {
	const index = await loadHnswIndex(folder, SNAPSHOT_GRAPHS);
	let looked = 0;
	for (const id of index?.ids() ?? []) {
		const [found, own] = [index?.vector(id) as Float32Array, snapshotVector(id)];
		expect(found.reduce((sum, value, i) => sum + value * (own[i] as number), 0)).toBeGreaterThan(0.999);
		looked++;
	}
	return looked;
}

test('several processes save to one folder and are killed in the middle of it: what is loaded is whole, and nothing stays behind', async () => {
	const seed = Date.now() % 1e9;
	console.info(`damaged snapshots, seed ${seed}`);
	const [folder, random] = [temporaryFolder(), createRandom(seed)];
	const program = await bundleProgram('snapshot-child');
	onTestFinished(program.remove);
	const children = new Set<ChildProcess>();
	onTestFinished(() => {
		for (const child of children) child.kill('SIGKILL');
	});
	let names = 0;
	const begin = async (): Promise<ChildProcess> => {
		const child = spawn(process.execPath, [program.path, folder, `child ${names++}`], { stdio: ['ignore', 'pipe', 'inherit'] });
		children.add(child);
		await once(child.stdout as NodeJS.ReadableStream, 'data');
		return child;
	};
	const running = [await begin(), await begin()];
	let looked = 0;
	for (let kill = 0; kill < KILLS; kill++) {
		looked += await check(folder);
		await wait(random.below(60));
		const [child] = running.splice(kill % 2, 1, await begin());
		const closed = once(child as ChildProcess, 'close');
		child?.kill('SIGKILL');
		await closed;
		children.delete(child as ChildProcess);
		looked += await check(folder);
	}
	// One of several lists was always there, and named files that were there too.
	expect(looked).toBeGreaterThan(KILLS * 150);
	for (const child of children) {
		const closed = once(child, 'close');
		child.kill('SIGKILL');
		await closed;
	}
	const index = createHnswIndex(SNAPSHOT_GRAPHS);
	index.add(snapshotId('a'), snapshotVector(snapshotId('a')));
	await index.save(folder);
	expect(await check(folder)).toBe(1);
	expect(readdirSync(folder)).toHaveLength(3);
}, 240_000);

test('a graph whose file went with the list of another process is written again', async () => {
	const folder = temporaryFolder();
	const index = createHnswIndex(SNAPSHOT_GRAPHS);
	const add = (name: string) => index.add(snapshotId(name), snapshotVector(snapshotId(name)));
	for (let i = 0; i < 300; i++) add(`${i}`);
	await index.save(folder);
	// Another one loads it, takes it in place of its own and finds nothing of it worth keeping.
	const other = createHnswIndex(SNAPSHOT_GRAPHS);
	other.add(snapshotId('other'), snapshotVector(snapshotId('other')));
	await other.save(folder);
	expect(await check(folder)).toBe(1);
	add('one more');
	await index.save(folder);
	expect(await check(folder)).toBe(301);
});

test('what a living process is writing is left alone, and a store that is gone stays gone', async () => {
	const folder = temporaryFolder();
	const names = [`${process.ppid}-0123456789abcdef.hnsw`, `${2 ** 22 + 1}-0123456789abcdef.hnsw`, '7.hnsw'];
	for (const name of names) writeFileSync(join(folder, name), 'half a graph');
	const index = createHnswIndex(SNAPSHOT_GRAPHS);
	index.add(snapshotId('a'), snapshotVector(snapshotId('a')));
	await index.save(folder);
	expect(readdirSync(folder).filter((name) => readFileSync(join(folder, name), 'utf8') === 'half a graph')).toEqual([names[0]]);
	await expect(index.save(join(folder, 'gone', 'hnsw'))).rejects.toThrow('ENOENT');
	expect(readdirSync(folder)).not.toContain('gone');
});
