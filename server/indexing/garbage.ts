/**
 * Deletes vectors that no file needs any more, once there are more of them than it pays to keep: over twice as many as are
 * needed, or at once when the cache is over its budget. Until then a return to an earlier branch or bundle finds them.
 */
import { type NodeId, tunedId } from '../base/ids.ts';
import { tunedBundles } from '../store/tuned.ts';
import type { Store } from '../store/types.ts';

const KEPT_PER_NEEDED = 2;
/** A branch with next to nothing on it (`gh-pages`) needs next to nothing, and the way back from it shall be short: some 40 MB. */
const ALWAYS_KEPT = 50_000;
const IDS_PER_WRITE = 2000;

/** The garbage of one store. Counted when there seems to be too much and then kept account of, so that a save need not look at the whole store. */
export class Garbage {
	readonly #store: Store;
	readonly #needed: { readonly nodeCount: number; has(id: NodeId): boolean };
	/** Vectors that nothing needs, at most about so many. */
	#count = Number.POSITIVE_INFINITY;

	constructor(store: Store, needed: { readonly nodeCount: number; has(id: NodeId): boolean }) {
		this.#store = store;
		this.#needed = needed;
	}

	/** So many nodes more are not needed. */
	grow(nodes: number): void {
		this.#count += nodes;
	}

	/**
	 * @param thoroughly everything goes that is not needed
	 * @returns how many vectors were deleted
	 */
	async collect(checkpoint: () => Promise<void>, thoroughly = false): Promise<number> {
		const kept = Math.max(this.#needed.nodeCount * KEPT_PER_NEEDED, ALWAYS_KEPT);
		const most = Math.min(this.#count, this.#store.vectorCount() - this.#needed.nodeCount);
		if (!thoroughly && most <= kept) return 0;
		const unneeded: NodeId[] = [];
		const tuned = await tunedFor(this.#store, this.#needed, checkpoint);
		let looked = 0;
		for (const id of this.#store.vectorIds()) {
			if (!this.#needed.has(id) && !tuned.has(id)) unneeded.push(id);
			if (++looked % 5000 === 0) await checkpoint();
		}
		this.#count = unneeded.length;
		if (!thoroughly && unneeded.length <= kept) return 0;
		for (let at = 0; at < unneeded.length; at += IDS_PER_WRITE) {
			await checkpoint();
			await this.#store.write({ vectors: unneeded.slice(at, at + IDS_PER_WRITE).map((id) => [id, null] as const) });
		}
		this.#count = 0;
		return unneeded.length;
	}
}

/** Ids of the tuned vectors of nodes that are needed. */
async function tunedFor(store: Store, needed: { has(id: NodeId): boolean }, checkpoint: () => Promise<void>): Promise<Set<NodeId>> {
	const bundles = tunedBundles(store);
	const ids = new Set<NodeId>();
	if (bundles.length === 0) return ids;
	let looked = 0;
	for (const id of store.vectorIds()) {
		if (needed.has(id)) for (const bundle of bundles) ids.add(tunedId(bundle, id));
		if (++looked % 5000 === 0) await checkpoint();
	}
	return ids;
}
