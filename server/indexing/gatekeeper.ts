/** Decides at each checkpoint whether background work may go on: not while paused, not while a completion runs. */
import { setImmediate as nextTurn } from 'node:timers/promises';

/** Ends the work in progress when the indexer closes. Never leaves this folder. */
export class IndexingStopped extends Error {}

export class Gatekeeper {
	readonly #gate: { idle(): Promise<void> };
	#resume: (() => void) | undefined;
	#resumed: Promise<void> = Promise.resolve();
	#stopped = false;

	constructor(gate: { idle(): Promise<void> }) {
		this.#gate = gate;
	}

	get paused(): boolean {
		return this.#resume !== undefined;
	}

	get stopped(): boolean {
		return this.#stopped;
	}

	pause(): void {
		if (this.#resume || this.#stopped) return;
		this.#resumed = new Promise((resolve) => {
			this.#resume = resolve;
		});
	}

	resume(): void {
		this.#resume?.();
		this.#resume = undefined;
	}

	stop(): void {
		this.#stopped = true;
		this.resume();
	}

	/** Lets messages in, waits until work may go on. @throws IndexingStopped after {@link stop} */
	async checkpoint(): Promise<void> {
		if (!this.#stopped) await nextTurn();
		if (!this.#stopped) await this.#resumed;
		if (!this.#stopped) await this.#gate.idle();
		if (this.#stopped) throw new IndexingStopped();
	}
}
