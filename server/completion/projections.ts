/**
 * Pseudo-tokens of nodes, projected once for each node and projector: nodes are named by their content, so a projection never
 * grows old.
 *
 * Guarantees: memory is bounded, the rows that were projected first make room; it grows in small blocks.
 */
import type { NodeId } from '../base/ids.ts';
import type { Projector } from '../inference/types.ts';
import type { Context } from './prompt.ts';

const BUDGET_BYTES = 32 << 20;
/** Of the budget, what nodes may fill that nobody has asked for yet. */
const AHEAD_SHARE = 0.75;
const BLOCK_ROWS = 256;

export interface Projections {
	/** The nodes as pseudo-tokens, in their order; those left out that have no vector. */
	of(nodes: readonly NodeId[], source: ProjectionSource): Promise<Context['pseudoTokens']>;
	/** Projects the nodes that were not yet. False where there is no room for more that nobody asked for. */
	ahead(nodes: readonly NodeId[], source: ProjectionSource): Promise<boolean>;
}

export interface ProjectionSource {
	projector: Projector;
	/** Of the projector. */
	name: string;
	/** Asked for nodes that were not projected yet. */
	vector(id: NodeId): Float32Array | undefined;
}

export function createProjections(budgetBytes = BUDGET_BYTES): Projections {
	const known = new Rows(budgetBytes);

	/** Rows of the nodes that have a vector. */
	const project = async (nodes: readonly NodeId[], { projector, name, vector }: ProjectionSource): Promise<Map<NodeId, Float32Array>> => {
		const found = nodes.flatMap((id) => {
			const of = vector(id);
			return of ? [{ id, of }] : [];
		});
		const rows = new Map<NodeId, Float32Array>();
		if (found.length === 0) return rows;
		const projected = await projector.project(found.map(({ of }) => of));
		const width = projected.length / found.length;
		for (const [i, { id }] of found.entries()) {
			const row = projected.subarray(i * width, (i + 1) * width);
			rows.set(id, row);
			known.put(name, id, row);
		}
		return rows;
	};

	return {
		async of(nodes, source) {
			const { name } = source;
			const rows = new Map<NodeId, Float32Array>();
			for (const id of nodes) {
				const row = known.copy(name, id);
				if (row) rows.set(id, row);
			}
			const missing = nodes.filter((id) => !rows.has(id));
			for (const [id, row] of missing.length > 0 ? await project(missing, source) : []) rows.set(id, row);
			const ids = nodes.filter((id) => rows.has(id));
			if (ids.length === 0) return undefined;
			return { keys: ids.map((id) => `${name}:${id}`), embeddings: concatenate(ids.map((id) => rows.get(id) as Float32Array)) };
		},
		async ahead(nodes, source) {
			if (known.filledShare >= AHEAD_SHARE) return false;
			const missing = nodes.filter((id) => !known.has(source.name, id));
			if (missing.length > 0) await project(missing, source);
			return true;
		},
	};
}

/** Rows of equal width in blocks of memory: an array of its own for each would take half as much again. */
class Rows {
	readonly #budgetBytes: number;
	#width = 0;
	readonly #blocks: Float32Array[] = [];
	/** By projector and node. */
	readonly #slots = new Map<string, Map<NodeId, number>>();
	/** What each slot holds. */
	readonly #holders: { name: string; id: NodeId }[] = [];
	#next = 0;

	constructor(budgetBytes: number) {
		this.#budgetBytes = budgetBytes;
	}

	/** 0–1. */
	get filledShare(): number {
		return this.#width === 0 ? 0 : this.#holders.length / this.#capacity;
	}

	get #capacity(): number {
		return Math.max(1, Math.floor(this.#budgetBytes / (this.#width * Float32Array.BYTES_PER_ELEMENT)));
	}

	has(name: string, id: NodeId): boolean {
		return this.#slots.get(name)?.has(id) === true;
	}

	copy(name: string, id: NodeId): Float32Array | undefined {
		const slot = this.#slots.get(name)?.get(id);
		return slot === undefined ? undefined : this.#rowAt(slot).slice();
	}

	/** Every row is as wide as the first. */
	put(name: string, id: NodeId, row: Float32Array): void {
		if (this.has(name, id)) return;
		this.#width ||= row.length;
		const slot = this.#next;
		this.#next = (slot + 1) % this.#capacity;
		const before = this.#holders[slot];
		if (before) this.#slots.get(before.name)?.delete(before.id);
		this.#holders[slot] = { name, id };
		const slots = this.#slots.get(name) ?? new Map<NodeId, number>();
		this.#slots.set(name, slots.set(id, slot));
		this.#rowAt(slot).set(row);
	}

	#rowAt(slot: number): Float32Array {
		const width = this.#width;
		const number = Math.floor(slot / BLOCK_ROWS);
		this.#blocks[number] ??= new Float32Array(BLOCK_ROWS * width);
		const start = (slot % BLOCK_ROWS) * width;
		return (this.#blocks[number] as Float32Array).subarray(start, start + width);
	}
}

function concatenate(rows: readonly Float32Array[]): Float32Array {
	const width = rows[0]?.length ?? 0;
	const all = new Float32Array(rows.length * width);
	for (const [i, row] of rows.entries()) all.set(row, i * width);
	return all;
}
