/** Threads that models run on. */
import { availableParallelism } from 'node:os';

/** More would take the cores that completion and the user's own programs need. */
export const INDEXING_THREADS = 1;

/** @param setting 0 for half of the machine: 2 to 4, where there are so many */
export function completionThreads(setting: number): number {
	const cores = availableParallelism();
	return setting > 0 ? setting : Math.min(cores, Math.max(2, Math.min(4, cores >> 1)));
}
