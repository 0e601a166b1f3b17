/**
 * What a view's vector index needs beside its changes: room that deleted vectors take is won back, how good searches are is measured,
 * and a snapshot is saved for the next start; each where it pays, after a quiet moment.
 *
 * Deliberately lacks: turns. The index must not change during {@link Upkeep.run} and {@link Upkeep.saveLast} but in their pauses.
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
	/** Saves a snapshot where that takes less than putting what it lacks into the index at every start. For the end. */
	saveLast(): Promise<void>;
}

export interface UpkeepOptions {
	/** The index as it is now; a snapshot may take its place. */
	index(): GraphIndex;
	/** Where snapshots are kept, in the folder of the store, which may go away; none when undefined. */
	snapshotFolder?: string | undefined;
	/** Awaited between two pieces of work. */
	pause(): Promise<void> | undefined;
	clock?: Clock | undefined;
	logger?: Logger | undefined;
	/** Default 2000. */
	quietMs?: number | undefined;
}

const RECALL_SAMPLE = 16;
/** How many nodes have to have changed since the last snapshot: at least so many, and this share of all. */
interface Due {
	nodes: number;
	share: number;
}
/** In a quiet moment, of which there are many in a day. */
const DUE_WHEN_QUIET: Due = { nodes: 200, share: 0.05 };
/** All nodes are written in the time of some hundred insertions. */
const DUE_AT_THE_END: Due = { nodes: 100, share: 0.005 };
/** Share of the nodes that have to have changed before recall is measured again. */
const MEASURE_SHARE = 0.05;

export function createUpkeep(options: UpkeepOptions): Upkeep {
	const { index, snapshotFolder, pause, clock = systemClock, logger = silentLogger, quietMs = 2000 } = options;
	let recallAt32: number | null = null;
	let changedSinceSave = index().size;
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

	const save = async ({ nodes, share }: Due): Promise<void> => {
		if (!snapshotFolder || changedSinceSave < Math.max(nodes, index().size * share)) return;
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
			if (changedSinceRecall > index().size * MEASURE_SHARE) await measure();
			await save(DUE_WHEN_QUIET);
		},
		saveLast: () => save(DUE_AT_THE_END),
	};
}
