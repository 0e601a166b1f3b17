/**
 * Decides at each checkpoint whether background work may go on: not while paused, not while a completion runs, and on
 * battery only after a rest.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../base/clock.ts';

/** Ends the work in progress when the indexer closes or is emptied. Never leaves this folder. */
export class IndexingStopped extends Error {}

export interface GatekeeperOptions {
	/** Resolves when no completion runs. */
	gate: { idle(): Promise<void> };
	clock: Clock;
	/** Whether work should rest in between. Default never. */
	onBattery?(): boolean;
}

/** Rest on battery, as a multiple of the work before it: a third of a core's time is used. */
const REST_PER_WORK = 2;
const LONGEST_REST_MS = 2000;

export class Gatekeeper {
	readonly #options: GatekeeperOptions;
	#paused = false;
	#resumed: Promise<void> = Promise.resolve();
	#letGo = () => {};
	#stopped = false;
	#workingSince: number;
	#endRest = () => {};

	constructor(options: GatekeeperOptions) {
		this.#options = options;
		this.#workingSince = options.clock.elapsed();
	}

	get paused(): boolean {
		return this.#paused;
	}

	get stopped(): boolean {
		return this.#stopped;
	}

	pause(): void {
		if (this.#paused) return;
		this.#paused = true;
		this.#hold();
	}

	resume(): void {
		this.#paused = false;
		this.#letGo();
	}

	/** Ends work at its next checkpoint, also while paused. */
	stop(): void {
		this.#stopped = true;
		this.#endRest();
		this.#letGo();
	}

	/** Work may begin again, unless it is paused. */
	restart(): void {
		this.#stopped = false;
		if (this.#paused) this.#hold();
	}

	/** Lets messages in, waits until work may go on. @throws IndexingStopped after {@link stop} */
	async checkpoint(): Promise<void> {
		if (!this.#stopped && this.#options.onBattery?.()) await this.#rest();
		if (!this.#stopped) await nextTurn();
		if (!this.#stopped) await this.#resumed;
		if (!this.#stopped) await this.#options.gate.idle();
		if (this.#stopped) throw new IndexingStopped();
		this.#workingSince = this.#options.clock.elapsed();
	}

	#hold(): void {
		this.#resumed = new Promise((resolve) => {
			this.#letGo = resolve;
		});
	}

	#rest(): Promise<void> {
		const { clock } = this.#options;
		const workedMs = clock.elapsed() - this.#workingSince;
		const restMs = Math.min(LONGEST_REST_MS, REST_PER_WORK * workedMs);
		if (restMs < 1) return Promise.resolve();
		return new Promise((resolve) => {
			const cancel = clock.schedule(restMs, resolve);
			this.#endRest = () => {
				cancel();
				resolve();
			};
		});
	}
}
