/** Files by which processes that have one workspace open tell each other who builds its index, and that nobody should. */
import { readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { keepWithinBudget } from '../../server/store/cache-folder.ts';
import { createClaims, LAPSES_MS, OPENING, RENEW_MS, UNKNOWN_SPACE } from '../../server/store/claim.ts';
import { createPause } from '../../server/store/pause.ts';
import { createManualClock } from '../support/fakes.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

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

	test("that is being written is a claim to whoever looks for the first time too; one that was left so is nobody's", () => {
		const folder = temporaryFolder({ 'builder-1.json': '' });
		expect(claimsIn(folder).builder()).toMatchObject({ state: OPENING, space: UNKNOWN_SPACE });
		const cacheFolder = temporaryFolder({ 'workspaces/a/builder-1.json': '', 'workspaces/a/index-1/data.mdb': 'data' });
		expect(keepWithinBudget({ cacheFolder, budgetBytes: 0 })).toMatchObject({ removed: [], overBytes: 4 });
		const minuteAgo = new Date(Date.now() - 60_000);
		utimesSync(join(cacheFolder, 'workspaces/a/builder-1.json'), minuteAgo, minuteAgo);
		expect(keepWithinBudget({ cacheFolder, budgetBytes: 0 })).toMatchObject({ removed: [{ inUse: false }], overBytes: 0 });
	});
});

describe('a pause', () => {
	const pauseIn = (folder: string) => {
		const clock = createManualClock();
		return { ...createPause({ folder, clock }), pass: clock.advance };
	};
	const REBOOTED = { pid: process.ppid, host: hostname() };

	test('of two editors lasts until both are gone, or one of them resumes', () => {
		const folder = temporaryFolder();
		const [a, b, watcher] = [pauseIn(folder), pauseIn(folder), pauseIn(folder)];
		a.set();
		b.set();
		b.release();
		expect([a.by(), watcher.by()]).toEqual([process.pid, process.pid]);
		a.release();
		expect(watcher.by()).toBeUndefined();
		a.set();
		b.set();
		watcher.lift();
		expect([a.by(), b.by(), watcher.by()]).toEqual([undefined, undefined, undefined]);
		// What another editor lifted does not come back with the next renewal.
		a.pass(RENEW_MS);
		expect(watcher.by()).toBeUndefined();
	});

	test.each([
		['another process that got the number of its process', REBOOTED],
		['an editor on another machine', { ...REBOOTED, host: 'elsewhere' }],
	])('that nobody renews lapses after half a minute, whatever %s does', (_, note) => {
		const folder = temporaryFolder({ 'paused-1.json': JSON.stringify(note) });
		const watcher = pauseIn(folder);
		expect(watcher.by()).toBe(process.ppid);
		watcher.pass(LAPSES_MS - 1);
		expect(watcher.by()).toBe(process.ppid);
		watcher.pass(1);
		expect(watcher.by()).toBeUndefined();
		expect(readdirSync(folder)).toEqual([]);
	});

	test('is renewed as long as its editor is there, and ends at once with its process', () => {
		const folder = temporaryFolder();
		const [a, watcher] = [pauseIn(folder), pauseIn(folder)];
		a.set();
		const [name = ''] = readdirSync(folder);
		for (let passed = 0; passed < 3 * LAPSES_MS; passed += RENEW_MS) {
			utimesSync(join(folder, name), new Date(passed), new Date(passed));
			expect(watcher.by()).toBe(process.pid);
			a.pass(RENEW_MS);
			expect(statSync(join(folder, name)).mtimeMs).toBeGreaterThan(passed);
			watcher.pass(RENEW_MS);
		}
		writeFileSync(join(folder, name), JSON.stringify({ pid: 2 ** 22 + 1, host: hostname() }));
		expect(watcher.by()).toBeUndefined();
	});
});
