/**
 * Pseudo-tokens of nodes, projected once for each node and projector: nodes are named by their content, so a projection never
 * grows old. Memory is bounded.
 */
import { LRUCache } from 'lru-cache';
import type { NodeId } from '../base/ids.ts';
import type { Projector } from '../inference/types.ts';
import type { Context } from './prompt.ts';

const BUDGET_BYTES = 32 << 20;

export interface Projections {
	/** The nodes as pseudo-tokens, in their order; those left out that have no vector. */
	of(nodes: readonly NodeId[], source: ProjectionSource): Promise<Context['pseudoTokens']>;
}

export interface ProjectionSource {
	projector: Projector;
	/** Of the projector. */
	name: string;
	/** Asked for nodes that were not projected yet. */
	vector(id: NodeId): Float32Array | undefined;
}

export function createProjections(): Projections {
	const known = new LRUCache<string, Float32Array>({ maxSize: BUDGET_BYTES, sizeCalculation: (row) => row.byteLength });
	return {
		async of(nodes, { projector, name, vector }) {
			const rows = new Map<NodeId, Float32Array>();
			const missing: { id: NodeId; vector: Float32Array }[] = [];
			for (const id of nodes) {
				const row = known.get(`${name}:${id}`);
				if (row) rows.set(id, row);
				else {
					const found = vector(id);
					if (found) missing.push({ id, vector: found });
				}
			}
			if (missing.length > 0) {
				const projected = await projector.project(missing.map((node) => node.vector));
				const width = projected.length / missing.length;
				for (const [i, { id }] of missing.entries()) {
					const row = projected.slice(i * width, (i + 1) * width);
					rows.set(id, row);
					known.set(`${name}:${id}`, row);
				}
			}
			const ids = nodes.filter((id) => rows.has(id));
			if (ids.length === 0) return undefined;
			return { keys: ids.map((id) => `${name}:${id}`), embeddings: concatenate(ids.map((id) => rows.get(id) as Float32Array)) };
		},
	};
}

function concatenate(rows: readonly Float32Array[]): Float32Array {
	const width = rows[0]?.length ?? 0;
	const all = new Float32Array(rows.length * width);
	for (const [i, row] of rows.entries()) all.set(row, i * width);
	return all;
}
