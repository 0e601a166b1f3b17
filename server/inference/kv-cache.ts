/**
 * Keys and values of the positions that the generator has read, with what was read there.
 *
 * Guarantees: `length` counts only positions whose rows are all written, so a run that failed leaves no trace. Memory grows in
 * small steps as it is needed, up to the model's maximum: every run copies the capacity, so short prompts keep a small one.
 */
import { invariant } from '../base/errors.ts';
import type { KnownLogits } from './known-logits.ts';

/** What stands at a position: a token id, or the name of an embedding. */
export type Cell = number | string;

export interface KvShape {
	layers: number;
	kvHeads: number;
	headDim: number;
	maxPositions: number;
}

/** Capacities are multiples of it. */
const STEP = 128;
/** Room behind a prompt for the line that is generated and typed. */
const ROOM = 64;

/** Positions for which memory is reserved when so many are asked for. */
export function capacityFor(length: number, maxPositions: number): number {
	return Math.min(Math.ceil((length + ROOM) / STEP) * STEP, maxPositions);
}

export class KvCache {
	readonly #shape: KvShape;
	readonly #cells: Cell[] = [];
	/** Two a layer, key then value, each `[kvHeads, capacity, headDim]`. */
	#buffers: Float32Array[] = [];
	#capacity = 0;
	#known: { positions: number; logits: KnownLogits } | undefined;

	constructor(shape: KvShape) {
		this.#shape = shape;
	}

	get length(): number {
		return this.#cells.length;
	}

	get capacity(): number {
		return this.#capacity;
	}

	/** Two a layer, key then value, each `[kvHeads, capacity, headDim]`; replaced when the capacity grows. */
	get buffers(): readonly Float32Array[] {
		return this.#buffers;
	}

	/** Positions from the start at which `cells` equals what is held. */
	commonPrefix(cells: readonly Cell[]): number {
		const most = Math.min(cells.length, this.#cells.length);
		let length = 0;
		while (length < most && cells[length] === this.#cells[length]) length++;
		return length;
	}

	truncate(length: number): void {
		invariant(length >= 0, 'a cache is cut to a length of at least 0');
		if (length < this.#cells.length) this.#cells.length = length;
		if (this.#known && length < this.#known.positions) this.#known = undefined;
	}

	/** What is known behind all positions that are held; undefined where nothing was kept for a beginning of them. */
	get known(): KnownLogits | undefined {
		return this.#known?.logits.below(this.#cells.slice(this.#known.positions));
	}

	/** Keeps it for what is held and whatever will stand behind that, until the cache is cut shorter. What is kept already stays. */
	keep(logits: KnownLogits): void {
		this.#known ??= { positions: this.length, logits };
	}

	/** Takes over the first `length` positions of another cache of the same shape, with room for `room` in all. */
	copyFrom(other: KvCache, length: number, room: number): void {
		const { kvHeads, headDim } = this.#shape;
		this.truncate(0);
		this.reserve(room);
		const width = length * headDim;
		for (const [i, buffer] of this.#buffers.entries()) {
			const from = other.#buffers[i] as Float32Array;
			for (let head = 0; head < kvHeads; head++) {
				const start = head * other.#capacity * headDim;
				buffer.set(from.subarray(start, start + width), head * this.#capacity * headDim);
			}
		}
		for (let at = 0; at < length; at++) this.#cells.push(other.#cells[at] as Cell);
	}

	/** Makes room for `length` positions in all, at most the shape's maximum. */
	reserve(length: number): void {
		const { layers, kvHeads, headDim, maxPositions } = this.#shape;
		invariant(length <= maxPositions, `${length} positions exceed the model's ${maxPositions}`);
		if (length <= this.#capacity) return;
		const capacity = capacityFor(length, maxPositions);
		const filled = this.length * headDim;
		this.#buffers = Array.from({ length: 2 * layers }, (_, i) => {
			const grown = new Float32Array(kvHeads * capacity * headDim);
			const old = this.#buffers[i];
			for (let head = 0; old && head < kvHeads; head++) {
				const start = head * this.#capacity * headDim;
				grown.set(old.subarray(start, start + filled), head * capacity * headDim);
			}
			return grown;
		});
		this.#capacity = capacity;
	}

	/**
	 * Appends positions. Room for them was reserved.
	 * @param rows one for each of {@link buffers}, `[kvHeads, cells.length, headDim]`
	 */
	append(cells: readonly Cell[], rows: readonly Float32Array[]): void {
		const { kvHeads, headDim } = this.#shape;
		invariant(this.length + cells.length <= this.#capacity, 'room was reserved');
		const width = cells.length * headDim;
		for (const [i, buffer] of this.#buffers.entries()) {
			const fresh = rows[i];
			invariant(fresh?.length === kvHeads * width, `a run returns ${kvHeads * width} new numbers a buffer, got ${fresh?.length}`);
			for (let head = 0; head < kvHeads; head++) {
				buffer.set(fresh.subarray(head * width, (head + 1) * width), (head * this.#capacity + this.length) * headDim);
			}
		}
		this.#cells.push(...cells);
	}
}
