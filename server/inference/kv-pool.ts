/**
 * The KV caches of the last few prompts: two places or two files between which the user goes back and forth keep what was
 * computed for each, and a context that was renewed in the background does not cost the one in use.
 *
 * Guarantees: a cache is overwritten only when it is the one used longest ago, or when little is lost; at most
 * {@link mostCaches} exist, each as large as its longest prompt. Deliberately lacks: the documents behind the prompts; equal
 * beginnings are found by comparing what was read.
 */
import { type Cell, KvCache, type KvShape } from './kv-cache.ts';

/** Memory for all caches of a generator, unless two need more. */
const BUDGET_BYTES = 64 << 20;
const FEWEST = 2;
const MOST = 4;
/** Capacity of a usual prompt's cache, in positions. */
const USUAL_CAPACITY = 640;
/** Positions at the end of a cache that are not worth a copy of what stands before them: a generated line, a deleted word. */
const SMALL_LOSS = 64;

/** How many caches fit into the budget: 4 of a small model, 2 of one with a billion parameters. */
export function mostCaches({ layers, kvHeads, headDim, maxPositions }: KvShape): number {
	const bytes = 2 * layers * kvHeads * headDim * Math.min(maxPositions, USUAL_CAPACITY) * Float32Array.BYTES_PER_ELEMENT;
	return Math.min(MOST, Math.max(FEWEST, Math.floor(BUDGET_BYTES / bytes)));
}

export interface KvPoolOptions {
	/** Most caches. Default {@link mostCaches}. */
	most?: number | undefined;
	/** Positions at the end of a prompt that every keystroke reads again, and no loss therefore. Default 0. */
	retyped?: number | undefined;
}

export class KvPool {
	readonly #shape: KvShape;
	readonly #most: number;
	readonly #smallLoss: number;
	/** The one used last stands first. */
	#caches: [KvCache, ...KvCache[]];

	constructor(shape: KvShape, { most = mostCaches(shape), retyped = 0 }: KvPoolOptions = {}) {
		this.#shape = shape;
		this.#most = most;
		this.#smallLoss = SMALL_LOSS + retyped;
		this.#caches = [new KvCache(shape)];
	}

	/** The cache that runs read and write. */
	get current(): KvCache {
		return this.#caches[0];
	}

	/**
	 * Makes the cache current that begins most like `cells`, cut to what they have in common, with room for all of `cells`:
	 * growing from piece to piece would copy and throw away. Returns how many are common.
	 */
	select(cells: readonly Cell[]): number {
		const prefixes = this.#caches.map((cache) => cache.commonPrefix(cells));
		const reused = Math.max(...prefixes);
		const best = this.#caches[prefixes.indexOf(reused)] as KvCache;
		const target = best.length - reused <= this.#smallLoss ? best : (this.#spare() ?? best);
		if (target !== best) target.copyFrom(best, reused, cells.length);
		target.truncate(reused);
		target.reserve(cells.length);
		this.#caches = [target, ...this.#caches.filter((cache) => cache !== target)];
		return reused;
	}

	/** Forgets what was read. The memory stays: to allocate it anew costs a collection of garbage every few times. */
	clear(): void {
		for (const cache of this.#caches) cache.truncate(0);
	}

	/** An empty cache while there may be more, then the one used longest ago. */
	#spare(): KvCache | undefined {
		const empty = this.#caches.find(({ length }) => length === 0);
		if (empty) return empty;
		return this.#caches.length < this.#most ? new KvCache(this.#shape) : this.#caches.at(-1);
	}
}
