/**
 * Exact search by comparing with every vector: the yardstick of the approximate index. Time and memory are linear; a removal moves
 * the last vector into the gap.
 */
import type { NodeId } from '../../server/base/ids.ts';
import type { Hit, VectorIndex } from '../../server/vector-index/types.ts';

export function createExactIndex(options: { dimension: number }): VectorIndex {
	const { dimension } = options;
	const ids: NodeId[] = [];
	const slots = new Map<NodeId, number>();
	let rows = new Float32Array(dimension * 64);

	return {
		dimension,
		tombstones: 0,
		get size() {
			return ids.length;
		},
		has: (id) => slots.has(id),
		ids: () => slots.keys(),
		add(id, vector) {
			if (slots.has(id)) return;
			checkDimension(vector, dimension);
			const slot = ids.push(id) - 1;
			slots.set(id, slot);
			if ((slot + 1) * dimension > rows.length) {
				const larger = new Float32Array(rows.length * 2);
				larger.set(rows);
				rows = larger;
			}
			rows.set(vector, slot * dimension);
		},
		remove(id) {
			const slot = slots.get(id);
			if (slot === undefined) return;
			const last = ids.length - 1;
			const moved = ids[last] as NodeId;
			rows.copyWithin(slot * dimension, last * dimension, (last + 1) * dimension);
			ids[slot] = moved;
			slots.set(moved, slot);
			ids.pop();
			slots.delete(id);
		},
		search(query, k, { filter } = {}) {
			checkDimension(query, dimension);
			const hits: Hit[] = [];
			for (const [slot, id] of ids.entries()) {
				if (filter && !filter(id)) continue;
				let score = 0;
				for (let i = 0, at = slot * dimension; i < dimension; i++, at++) score += (query[i] as number) * (rows[at] as number);
				hits.push({ id, score });
			}
			return hits.sort((a, b) => b.score - a.score).slice(0, k);
		},
	};
}

function checkDimension(vector: Float32Array, dimension: number): void {
	if (vector.length !== dimension) throw new RangeError(`vector: expected dimension ${dimension}, got ${vector.length}`);
}
