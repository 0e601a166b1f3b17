/**
 * Background work of a thread that also answers requests: one piece after the other, each in turns of a few milliseconds.
 *
 * Guarantees: pieces run in the order in which they were asked for; one that fails hinders none after it; once it is closed, no piece
 * begins. Deliberately lacks: ending a piece under way. It asks {@link SlicedWork.closed} where it may end.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';

/** Awaited between two turns of background work; resolves when work may go on. */
export type Pause = () => Promise<void>;

/** Longest turn. */
const TURN_MS = 5;

export class SlicedWork {
	readonly #pause: Pause | undefined;
	#last: Promise<unknown> = Promise.resolve();
	#turnBegan = 0;
	#closed = false;

	constructor(pause: Pause | undefined) {
		this.#pause = pause;
	}

	get closed(): boolean {
		return this.#closed;
	}

	/** Resolves or rejects as the work does, after all work before it. */
	add(work: () => Promise<void>): Promise<void> {
		const result = this.#last.then(async () => {
			this.#turnBegan = performance.now();
			if (!this.#closed) await work();
		});
		this.#last = result.catch(() => {});
		return result;
	}

	/** To be awaited after every small step: ends the turn when it has lasted long enough. */
	rest(): Promise<void> | undefined {
		return performance.now() - this.#turnBegan < TURN_MS ? undefined : this.#endTurn();
	}

	/** Resolves when the piece under way has ended. */
	async close(): Promise<void> {
		this.#closed = true;
		await this.#last;
	}

	async #endTurn(): Promise<void> {
		await nextTurn();
		await this.#pause?.();
		this.#turnBegan = performance.now();
	}
}
