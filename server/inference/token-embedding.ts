/**
 * The generator's input embeddings of token ids.
 *
 * Guarantees: equal ids give equal rows. The rows of tokens that were used lately are kept: code repeats its tokens, and a run
 * of the runtime for one row costs a tenth of a decode step.
 */
import { LRUCache } from 'lru-cache';
import { floatsOf, int64s, type ModelSession } from './session.ts';

/** Rows that are kept; 3.5 KB each at a hidden size of 896. */
const ROWS_KEPT = 2048;

export interface TokenEmbedding {
	/** `[ids.length · hiddenSize]` f32. The array is the caller's. */
	embed(ids: readonly number[]): Promise<Float32Array>;
}

export function createTokenEmbedding(session: ModelSession): TokenEmbedding {
	const rows = new LRUCache<number, Float32Array>({ max: ROWS_KEPT });

	/** Every id's row, kept from before or run now. */
	const rowsOf = async (ids: readonly number[]): Promise<Map<number, Float32Array>> => {
		const found = new Map<number, Float32Array>();
		const missing: number[] = [];
		for (const id of new Set(ids)) {
			const row = rows.get(id);
			if (row) found.set(id, row);
			else missing.push(id);
		}
		if (missing.length === 0) return found;
		const values = floatsOf(await session.run({ input_ids: int64s(missing, [1, missing.length]) }), 'embeddings');
		const width = values.length / missing.length;
		for (const [i, id] of missing.entries()) {
			const row = values.slice(i * width, (i + 1) * width);
			rows.set(id, row);
			found.set(id, row);
		}
		return found;
	};

	return {
		async embed(ids) {
			const known = ids.length === 1 ? rows.get(ids[0] as number) : undefined;
			if (known) return known.slice();
			const found = await rowsOf(ids);
			const width = found.values().next().value?.length ?? 0;
			const all = new Float32Array(ids.length * width);
			for (const [i, id] of ids.entries()) all.set(found.get(id) as Float32Array, i * width);
			return all;
		},
	};
}
