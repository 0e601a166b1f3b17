/**
 * What a view's vector index needs beside its changes: room that deleted vectors take is won back, how good searches are is measured,
 * and a snapshot is saved for the next start; each where it pays, after a quiet moment.
 *
 * Deliberately lacks: turns. The index must not change during {@link Upkeep.run} and {@link Upkeep.save} but in their pauses.
 */
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Clock, systemClock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import { type Logger, silentLogger } from '../base/logger.ts';
import { measureRecall } from '../vector-index/recall.ts';
import type { GraphIndex } from '../vector-index/types.ts';

export interface Upkeep {
	/** As measured last, 0–1; null where nothing was. */
	readonly recallAt32: number | null;
	/** A vector came or went. */
	changed(): void;
	/** Runs the work after a quiet time, in place of what was scheduled before. */
	schedule(work: () => Promise<void>): void;
	/** Drops what is scheduled. */
	stop(): void;
	run(): Promise<void>;
	/** Saves a snapshot where it pays. */
	save(): Promise<void>;
}

export interface UpkeepOptions {
	/** The index as it is now; a snapshot may take its place. */
	index(): GraphIndex;
	/** Where snapshots are kept, in the folder of the store, which may go away; none when undefined. */
	snapshotFolder?: string | undefined;
	/** Nodes of the index that a snapshot already holds. Default 0. */
	savedNodes?: number | undefined;
	/** Awaited between two pieces of work. */
	pause(): Promise<void> | undefined;
	clock?: Clock | undefined;
	logger?: Logger | undefined;
	/** Default 2000. */
	quietMs?: number | undefined;
}

const RECALL_SAMPLE = 16;
/** A snapshot is saved when at least this share of the nodes, and this many, changed since the last. */
const SAVE_SHARE = 0.05;
const SAVE_NODES = 200;

export function createUpkeep(options: UpkeepOptions): Upkeep {
	const { index, snapshotFolder, savedNodes = 0, pause, clock = systemClock, logger = silentLogger, quietMs = 2000 } = options;
	let recallAt32: number | null = null;
	let changedSinceSave = index().size - savedNodes;
	let changedSinceRecall = Number.POSITIVE_INFINITY;
	let stop = () => {};

	const measure = async (): Promise<void> => {
		const ids = [...index().ids()];
		const step = Math.max(1, Math.floor(ids.length / RECALL_SAMPLE));
		const queries = ids.flatMap((id, i) => (i % step === 0 ? (index().vector(id) ?? []) : [])).slice(0, RECALL_SAMPLE);
		const recall = await measureRecall(index(), { ids, vector: (id) => index().vector(id), queries, pause });
		recallAt32 = ids.length === 0 ? null : recall;
		changedSinceRecall = 0;
	};

	const save = async (): Promise<void> => {
		if (!snapshotFolder || changedSinceSave < Math.max(SAVE_NODES, index().size * SAVE_SHARE)) return;
		try {
			await index().save(snapshotFolder);
			changedSinceSave = 0;
		} catch (error) {
			// The index was emptied or moved, and its snapshots are of no use any more.
			if (!existsSync(dirname(snapshotFolder))) return;
			logger.warn(`the vector index could not be saved to ${snapshotFolder}: ${messageOf(error)}`);
		}
	};

	return {
		get recallAt32() {
			return recallAt32;
		},
		changed() {
			changedSinceSave++;
			changedSinceRecall++;
		},
		schedule(work) {
			stop();
			stop = clock.schedule(quietMs, () => {
				work().catch((error: unknown) => logger.warn(`vector index: ${messageOf(error)}`));
			});
		},
		stop: () => stop(),
		async run() {
			if (index().worthCompacting) {
				await index().compact(pause);
				changedSinceSave = Number.POSITIVE_INFINITY;
			}
			if (changedSinceRecall > index().size * SAVE_SHARE) await measure();
			await save();
		},
		save,
	};
}
