/**
 * Deletes vectors that no file needs any more, once there are more of them than it pays to keep: over twice as many as are
 * needed, or at once when the cache is over its budget. Until then a return to an earlier branch or bundle finds them.
 */
import type { NodeId } from '../base/ids.ts';
import type { Store } from '../store/types.ts';

const KEPT_PER_NEEDED = 2;
/** Small stores are not worth the trouble. */
const ALWAYS_KEPT = 5000;
const IDS_PER_WRITE = 2000;

/** Returns how many vectors were deleted. */
export async function collectGarbage(
	store: Store,
	needed: { readonly nodeCount: number; has(id: NodeId): boolean },
	checkpoint: () => Promise<void>,
	/** Everything goes that is not needed. */
	thoroughly = false,
): Promise<number> {
	const unneeded: NodeId[] = [];
	let looked = 0;
	for (const id of store.vectorIds()) {
		if (!needed.has(id)) unneeded.push(id);
		if (++looked % 5000 === 0) await checkpoint();
	}
	if (!thoroughly && unneeded.length <= Math.max(needed.nodeCount * KEPT_PER_NEEDED, ALWAYS_KEPT)) return 0;
	for (let at = 0; at < unneeded.length; at += IDS_PER_WRITE) {
		await checkpoint();
		await store.write({ vectors: unneeded.slice(at, at + IDS_PER_WRITE).map((id) => [id, null] as const) });
	}
	return unneeded.length;
}
