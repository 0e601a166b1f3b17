import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { ProbeResult } from '../../server/inference/execution-providers.ts';
import { createProbeMemory, probeKey } from '../../server/inference/probe-memory.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const HOUR = 3_600_000;

function setUp() {
	const file = join(temporaryFolder(), 'cache', 'providers.json');
	let nProbes = 0;
	let now = 1e12;
	let result: ProbeResult = { works: true, speedup: 3 };
	/** Asks as a process of its own would. */
	const recall = (key = 'k', provider: 'webgpu' | 'cuda' = 'webgpu') =>
		createProbeMemory({ file, key, now: () => now }).recall(provider, async () => {
			nProbes++;
			return result;
		});
	return {
		file,
		recall,
		probes: () => nProbes,
		wait: (ms: number) => {
			now += ms;
		},
		finds: (next: ProbeResult) => {
			result = next;
		},
	};
}

test('a provider is tried once, and again after a day', async () => {
	const { recall, probes, wait } = setUp();
	expect([await recall(), await recall()]).toEqual([
		{ works: true, speedup: 3 },
		{ works: true, speedup: 3 },
	]);
	expect(probes()).toBe(1);
	wait(23 * HOUR);
	await recall();
	expect(probes()).toBe(1);
	wait(HOUR);
	await recall();
	expect(probes()).toBe(2);
});

test('another driver, runtime or model asks again, and so does another provider', async () => {
	const { recall, probes } = setUp();
	await recall('k');
	await recall('other');
	await recall('other', 'cuda');
	await recall('other');
	expect(probes()).toBe(3);
	expect(await probeKey('a', ['1'])).toBe(await probeKey('a', ['1']));
	expect(await probeKey('a', ['1'])).not.toBe(await probeKey('a', ['2']));
	expect(await probeKey('a', ['1'])).not.toBe(await probeKey('b', ['1']));
});

test('what does not work is remembered too, but not that there was no answer', async () => {
	const { recall, probes, finds } = setUp();
	finds({ works: false, why: 'no answer within 10 s', transient: true });
	await recall();
	finds({ works: false, why: 'the driver crashed (SIGSEGV)' });
	await recall();
	finds({ works: true, speedup: 9 });
	expect(await recall()).toEqual({ works: false, why: 'the driver crashed (SIGSEGV)' });
	expect(probes()).toBe(2);
});

test('a provider that failed in use is tried again', async () => {
	const { file, recall, probes } = setUp();
	await recall();
	await recall('k', 'cuda');
	await createProbeMemory({ file, key: 'k', now: Date.now }).forget('webgpu');
	await recall('k', 'cuda');
	expect(probes()).toBe(2);
	await recall();
	expect(probes()).toBe(3);
});

test('a file that is no findings is none', async () => {
	const { file, recall, probes } = setUp();
	await recall();
	for (const damage of ['not JSON', 'null']) {
		writeFileSync(file, damage);
		await recall();
	}
	expect(probes()).toBe(3);
	expect(readFileSync(file, 'utf8')).toContain('"speedup": 3');
});
