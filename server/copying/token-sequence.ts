/** Token ids that grow and shrink at their end: the text before the cursor, and what is being written behind it. */
export class TokenSequence {
	#ids: Uint32Array;
	#length: number;

	/** Takes over the ids; they are copied once the sequence grows. */
	constructor(ids: Uint32Array) {
		this.#ids = ids;
		this.#length = ids.length;
	}

	get length(): number {
		return this.#length;
	}

	/** Holds the sequence in its first {@link length} elements. Valid until the next {@link push}; not to be written to. */
	get ids(): Uint32Array {
		return this.#ids;
	}

	push(id: number): void {
		if (this.#length === this.#ids.length) {
			const grown = new Uint32Array(this.#length + 256);
			grown.set(this.#ids);
			this.#ids = grown;
		}
		this.#ids[this.#length++] = id;
	}

	/** Forgets all ids from `length` on. */
	truncate(length: number): void {
		this.#length = Math.min(this.#length, length);
	}
}
