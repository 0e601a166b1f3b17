/**
 * Cooperative cancellation. An `AbortSignal` is one; so is a flag in shared memory, which a worker sees while its event
 * loop is blocked by a model run.
 */
export interface Cancellation {
	readonly aborted: boolean;
}

export const neverCancelled: Cancellation = { aborted: false };

/** A flag that two threads share. Raised once, never lowered. */
export class SharedFlag implements Cancellation {
	readonly buffer: SharedArrayBuffer;
	readonly #cells: Int32Array;

	constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer(4)) {
		this.buffer = buffer;
		this.#cells = new Int32Array(buffer);
	}

	get aborted(): boolean {
		return Atomics.load(this.#cells, 0) !== 0;
	}

	raise(): void {
		Atomics.store(this.#cells, 0, 1);
	}
}

/**
 * Counts the completions under way, in memory that two threads share: background work waits while there are any.
 */
export class ActivityGate {
	readonly buffer: SharedArrayBuffer;
	readonly #cells: Int32Array;

	constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer(4)) {
		this.buffer = buffer;
		this.#cells = new Int32Array(buffer);
	}

	enter(): void {
		Atomics.add(this.#cells, 0, 1);
	}

	leave(): void {
		Atomics.sub(this.#cells, 0, 1);
		Atomics.notify(this.#cells, 0);
	}

	get busy(): boolean {
		return Atomics.load(this.#cells, 0) > 0;
	}

	/** Resolves when no completion runs, or after `timeoutMs`: background work may be slow, never stuck. */
	async idle(timeoutMs = 2000): Promise<void> {
		const deadline = performance.now() + timeoutMs;
		for (let value = Atomics.load(this.#cells, 0); value > 0; value = Atomics.load(this.#cells, 0)) {
			const left = deadline - performance.now();
			if (left <= 0) return;
			const result = Atomics.waitAsync(this.#cells, 0, value, left);
			if (result.async) await result.value;
		}
	}
}
