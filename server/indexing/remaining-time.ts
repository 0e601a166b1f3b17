/**
 * How long work will take, from how fast it went lately. Measured in bytes of source, because how many chunks a file holds is
 * known only once it was read.
 */
import type { Clock } from '../base/clock.ts';

const WINDOW_MS = 30_000;
/** Before that, a guess would be worse than none. */
const FIRST_GUESS_MS = 3000;

export class RemainingTime {
	readonly #clock: Pick<Clock, 'elapsed'>;
	/** Oldest first; `bytes` done in all at that time. */
	#marks: { at: number; bytes: number }[] = [];
	#bytes = 0;

	constructor(clock: Pick<Clock, 'elapsed'>) {
		this.#clock = clock;
		this.restart();
	}

	/** Begins to measure anew: after a pause. */
	restart(): void {
		this.#marks = [{ at: this.#clock.elapsed(), bytes: this.#bytes }];
	}

	done(bytes: number): void {
		this.#bytes += bytes;
		const now = this.#clock.elapsed();
		this.#marks.push({ at: now, bytes: this.#bytes });
		while (this.#marks.length > 2 && now - (this.#marks[1]?.at ?? now) >= WINDOW_MS) this.#marks.shift();
	}

	/** Milliseconds that so many bytes will take; undefined while nobody can tell. */
	estimate(bytesLeft: number): number | undefined {
		const first = this.#marks[0];
		const last = this.#marks.at(-1);
		if (!first || !last || last.at - first.at < FIRST_GUESS_MS || last.bytes === first.bytes) return undefined;
		return Math.round((bytesLeft * (last.at - first.at)) / (last.bytes - first.bytes));
	}
}
