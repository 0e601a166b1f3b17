/** How much of the truth an approximate index finds. */
import type { NodeId } from '../base/ids.ts';
import type { VectorIndex } from './types.ts';

export interface RecallOptions {
	/** Every id of the index; vectors are looked up one at a time, so that they need not be in memory. */
	ids: Iterable<NodeId>;
	vector(id: NodeId): Float32Array | undefined;
	queries: readonly Float32Array[];
	/** Default 32. */
	k?: number;
	/** Awaited after each vector; decides how long a turn may take. */
	pause?: () => Promise<void> | undefined;
}

/** Mean share of the exact `k` nearest that the index finds, 0–1; 1 when there is nothing to find. */
export async function measureRecall(index: VectorIndex, options: RecallOptions): Promise<number> {
	const { queries, k = 32 } = options;
	const best = queries.map((): { id: NodeId; score: number }[] => []);
	for (const id of options.ids) {
		const vector = options.vector(id);
		if (vector) for (const [i, query] of queries.entries()) insert(best[i] ?? [], id, dot(query, vector), k);
		await options.pause?.();
	}
	let found = 0;
	let wanted = 0;
	for (const [i, query] of queries.entries()) {
		const nearest = best[i] ?? [];
		const hits = new Set(index.search(query, k).map((hit) => hit.id));
		wanted += nearest.length;
		found += nearest.filter(({ id }) => hits.has(id)).length;
	}
	return wanted === 0 ? 1 : found / wanted;
}

/** Keeps the `k` best, best first. */
function insert(best: { id: NodeId; score: number }[], id: NodeId, score: number, k: number): void {
	if (best.length === k && score <= (best[k - 1]?.score ?? Number.NEGATIVE_INFINITY)) return;
	let at = best.length;
	while (at > 0 && (best[at - 1]?.score ?? 0) < score) at--;
	best.splice(at, 0, { id, score });
	if (best.length > k) best.pop();
}

function dot(a: Float32Array, b: Float32Array): number {
	let sum = 0;
	for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
	return sum;
}
