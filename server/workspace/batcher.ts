/**
 * Gathers items until none has come for a while. A burst (a branch switch, a build) becomes one batch, and a stream without
 * end is handed over piece by piece.
 */
import type { Clock } from '../base/clock.ts';

export interface BatcherOptions<T> {
	clock: Clock;
	/** A batch ends after so long without a new item. */
	quietMs: number;
	/** And at the latest so long after its first item. */
	maxMs: number;
	/** Each item once, in the order of their first coming. */
	onBatch(items: T[]): void;
}

export interface Batcher<T> {
	add(item: T): void;
	/** Drops what waits. */
	stop(): void;
}

export function createBatcher<T>({ clock, quietMs, maxMs, onBatch }: BatcherOptions<T>): Batcher<T> {
	const items = new Set<T>();
	let startedAt = 0;
	let cancel = (): void => {};

	const flush = (): void => {
		const batch = [...items];
		items.clear();
		onBatch(batch);
	};

	return {
		add(item) {
			cancel();
			if (items.size === 0) startedAt = clock.elapsed();
			items.add(item);
			const latest = startedAt + maxMs - clock.elapsed();
			cancel = clock.schedule(Math.max(0, Math.min(quietMs, latest)), flush);
		},
		stop() {
			cancel();
			items.clear();
		},
	};
}
