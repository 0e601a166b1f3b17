/**
 * Pseudo-tokens of nodes, projected once for each node and projector: nodes are named by their content, so a projection never
 * grows old. Memory is bounded.
 */
import { LRUCache } from 'lru-cache';
import type { Projector } from '../inference/types.ts';
import type { Retrieved } from '../retrieval/retriever.ts';
import type { Context } from './prompt.ts';

const BUDGET_BYTES = 32 << 20;

export interface Projections {
	/**
	 * The nodes as pseudo-tokens, in their order.
	 * @param name of the projector
	 */
	of(nodes: readonly Pick<Retrieved, 'id' | 'vector'>[], projector: Projector, name: string): Promise<Context['pseudoTokens']>;
}

export function createProjections(): Projections {
	const known = new LRUCache<string, Float32Array>({ maxSize: BUDGET_BYTES, sizeCalculation: (row) => row.byteLength });
	return {
		async of(nodes, projector, name) {
			if (nodes.length === 0) return undefined;
			const keys = nodes.map(({ id }) => `${name}:${id}`);
			const rows = keys.map((key) => known.get(key));
			const missing = nodes.filter((_, i) => !rows[i]);
			if (missing.length > 0) {
				const projected = await projector.project(missing.map(({ vector }) => vector));
				const width = projected.length / missing.length;
				let at = 0;
				for (const [i, row] of rows.entries()) {
					if (row) continue;
					const fresh = projected.slice(at, at + width);
					at += width;
					rows[i] = fresh;
					known.set(keys[i] as string, fresh);
				}
			}
			return { keys, embeddings: concatenate(rows as Float32Array[]) };
		},
	};
}

function concatenate(rows: readonly Float32Array[]): Float32Array {
	const width = rows[0]?.length ?? 0;
	const all = new Float32Array(rows.length * width);
	for (const [i, row] of rows.entries()) all.set(row, i * width);
	return all;
}
