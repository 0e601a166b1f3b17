/**
 * A session that gives its memory back when it has not run for a while, and is opened again by the next run. Nothing is lost:
 * all state between runs lies in the caller's memory (`kv-cache.ts`).
 *
 * Guarantees: never disposed while it runs; a failure to open again is that run's failure, and the next run tries again.
 * Deliberately lacks a promise about the process's size: what the runtime frees, glibc may keep; `MALLOC_TRIM_THRESHOLD_=131072` in
 * the server's environment makes it give the memory back.
 */
import type { Clock } from '../base/clock.ts';
import type { ModelSession } from './session.ts';

export interface IdleOptions {
	open(): Promise<ModelSession>;
	/** 0: never. */
	unloadAfterMs: number;
	clock: Clock;
}

/** Opens the session; rejects when that fails. */
export async function openIdleSession({ open, unloadAfterMs, clock }: IdleOptions): Promise<ModelSession> {
	let current: Promise<ModelSession> | undefined = Promise.resolve(await open());
	let nRunning = 0;
	let usedAt = clock.elapsed();
	let stopTimer: (() => void) | undefined;

	const opened = (): Promise<ModelSession> => {
		current ??= open().catch((error: unknown) => {
			current = undefined;
			throw error;
		});
		return current;
	};
	const unload = async (): Promise<void> => {
		const session = current;
		current = undefined;
		await (await session)?.dispose();
	};
	/** One timer for many runs: it looks again when they have pushed the end of its wait further away. */
	const watch = (): void => {
		if (unloadAfterMs === 0 || stopTimer) return;
		const left = usedAt + unloadAfterMs - clock.elapsed();
		stopTimer = clock.schedule(left, () => {
			stopTimer = undefined;
			if (nRunning > 0 || clock.elapsed() - usedAt < unloadAfterMs) watch();
			else unload().catch(() => {});
		});
	};

	watch();
	return {
		async run(feeds, fetches) {
			nRunning++;
			usedAt = clock.elapsed();
			try {
				return await (await opened()).run(feeds, fetches);
			} finally {
				nRunning--;
				usedAt = clock.elapsed();
				watch();
			}
		},
		async dispose() {
			stopTimer?.();
			await unload();
		},
	};
}
