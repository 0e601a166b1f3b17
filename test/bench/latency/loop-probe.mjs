/**
 * Loaded into the server's process ahead of it (`node --import`): notes when the main thread's event loop stood still, and writes
 * what it noted to the file that HEF_LOOP_PROBE names when the process ends.
 *
 * A loop that stands still runs one long task, or its thread waits for a core. Where Linux tells how long the thread ran and how
 * long it waited, that is noted beside.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

const FROM_MS = 3;

if (isMainThread && process.env.HEF_LOOP_PROBE) {
	const stalls = [];
	let last = performance.now();
	let before = scheduled();
	const tick = () => {
		const now = performance.now();
		const stalled = now - last - 1;
		if (stalled >= FROM_MS) {
			const { ranMs, waitedMs } = scheduled();
			const waitedForCoreMs = Math.min(stalled, waitedMs - before.waitedMs);
			stalls.push({ endedAt: performance.timeOrigin + now, ms: stalled, waitedForCoreMs, ranMs: ranMs - before.ranMs });
		}
		before = scheduled();
		last = performance.now();
		setTimeout(tick, 1).unref();
	};
	setTimeout(tick, 1).unref();
	process.on('exit', () => writeFileSync(process.env.HEF_LOOP_PROBE, JSON.stringify(stalls)));
}

/** Milliseconds that the main thread has run and has waited for a core since it began; 0 where the system does not tell. */
function scheduled() {
	try {
		const [ran, waited] = readFileSync('/proc/self/schedstat', 'utf8').split(' ');
		return { ranMs: Number(ran) / 1e6, waitedMs: Number(waited) / 1e6 };
	} catch {
		return { ranMs: 0, waitedMs: 0 };
	}
}
