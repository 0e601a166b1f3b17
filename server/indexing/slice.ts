/**
 * What is written in one transaction, and how much that may be: little at first, so that the first results come early, and little at
 * the end, so that whoever follows has not much left to take up.
 */
import type { Clock } from '../base/clock.ts';
import type { FileRecord } from '../store/types.ts';
import type { WorkItem } from './work-list.ts';

/** Files that need a model in the first slice, and in the largest. */
const FIRST_SLICE_FILES = 4;
const LARGEST_SLICE_FILES = 256;
/** A slice ends after this long, so that a crash costs no more. */
const SLICE_MS = 5000;

/** What one transaction will hold. */
export class Slice {
	readonly items: WorkItem[] = [];
	readonly records = new Map<string, FileRecord | null>();
	readonly published: string[] = [];
	filesWithModel = 0;
}

export class SlicePace {
	readonly #clock: Pick<Clock, 'elapsed'>;
	#files = FIRST_SLICE_FILES;
	#reordered = false;
	#begunMs = 0;
	/** Files of the slice under way. */
	#most = FIRST_SLICE_FILES;

	constructor(clock: Pick<Clock, 'elapsed'>) {
		this.#clock = clock;
	}

	/** The order of work has changed: the slice ends, and the next ones are small again. */
	reorder(): void {
		this.#reordered = true;
	}

	/** @param waiting files that are left */
	begin(waiting: number): Slice {
		this.#reordered = false;
		this.#most = Math.min(this.#files, Math.max(FIRST_SLICE_FILES, Math.ceil(waiting / 2)));
		this.#begunMs = this.#clock.elapsed();
		return new Slice();
	}

	/** Whether another file may be added to the slice. */
	hasRoom({ items, filesWithModel }: Slice): boolean {
		if (this.#reordered && items.length > 0) return false;
		return filesWithModel < this.#most && this.#clock.elapsed() - this.#begunMs < SLICE_MS;
	}

	end(): void {
		this.#files = this.#reordered ? FIRST_SLICE_FILES : Math.min(this.#files * 2, LARGEST_SLICE_FILES);
	}
}
