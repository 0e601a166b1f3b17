/**
 * One HNSW graph of fixed capacity and the ids of its labels. Its memory is reserved at once and touched as it fills, so that
 * no insertion waits for a copy. Labels are given in order and never reused: hnswlib replaces a deleted slot at several times
 * the price of an insertion and leaves stale links behind.
 */
import hnswlib from 'hnswlib-node';
import { invariant } from '../base/errors.ts';
import type { NodeId } from '../base/ids.ts';
import type { Hit } from './types.ts';

export interface GraphParameters {
	dimension: number;
	/** Links of a vector on each layer. */
	m: number;
	efConstruction: number;
	/** Vectors that fit in, deleted ones among them. */
	capacity: number;
}

export class HnswGraph {
	readonly parameters: GraphParameters;
	readonly #native: hnswlib.HierarchicalNSW;
	/** By label. */
	readonly #ids: NodeId[];
	readonly #labels = new Map<NodeId, number>();
	readonly #deleted = new Set<NodeId>();

	private constructor(parameters: GraphParameters, native: hnswlib.HierarchicalNSW, ids: NodeId[], deleted: Iterable<NodeId>) {
		this.parameters = parameters;
		this.#native = native;
		this.#ids = ids;
		for (const [label, id] of ids.entries()) this.#labels.set(id, label);
		for (const id of deleted) this.#deleted.add(id);
	}

	static empty(parameters: GraphParameters): HnswGraph {
		const native = new hnswlib.HierarchicalNSW('cosine', parameters.dimension);
		native.initIndex(parameters.capacity, parameters.m, parameters.efConstruction);
		return new HnswGraph(parameters, native, [], []);
	}

	/** Reads a graph file that was written for exactly these ids; it keeps the capacity it had. Throws what hnswlib throws. */
	static async read(parameters: GraphParameters, file: string, ids: NodeId[], deleted: Iterable<NodeId>): Promise<HnswGraph> {
		const native = new hnswlib.HierarchicalNSW('cosine', parameters.dimension);
		await native.readIndex(file);
		invariant(native.getCurrentCount() === ids.length, 'the graph has as many vectors as ids');
		return new HnswGraph(parameters, native, ids, deleted);
	}

	async write(file: string): Promise<void> {
		await this.#native.writeIndex(file);
	}

	get size(): number {
		return this.#ids.length - this.#deleted.size;
	}

	get tombstones(): number {
		return this.#deleted.size;
	}

	/** No label is left. */
	get full(): boolean {
		return this.#ids.length >= this.#native.getMaxElements();
	}

	get labelled(): readonly NodeId[] {
		return this.#ids;
	}

	get deleted(): ReadonlySet<NodeId> {
		return this.#deleted;
	}

	/** Whether the id has a label here, deleted or not. */
	knows(id: NodeId): boolean {
		return this.#labels.has(id);
	}

	has(id: NodeId): boolean {
		return this.#labels.has(id) && !this.#deleted.has(id);
	}

	/** Unit length; only for ids that the graph has. */
	vector(id: NodeId): number[] {
		const label = this.#labels.get(id);
		invariant(label !== undefined, `vector ${id} is in the graph`);
		return this.#native.getPoint(label);
	}

	/** A deleted id comes back at no cost. */
	add(id: NodeId, vector: number[]): void {
		const known = this.#labels.get(id);
		if (known !== undefined) {
			if (this.#deleted.delete(id)) this.#native.unmarkDelete(known);
			return;
		}
		invariant(!this.full, 'a vector is added to a graph with room');
		const label = this.#ids.length;
		this.#native.addPoint(vector, label);
		this.#ids.push(id);
		this.#labels.set(id, label);
	}

	remove(id: NodeId): void {
		const label = this.#labels.get(id);
		if (label === undefined || this.#deleted.has(id)) return;
		this.#native.markDelete(label);
		this.#deleted.add(id);
	}

	/** Hits in no order. @param ef candidates looked at; `k` when that is more */
	search(query: number[], k: number, ef: number, filter?: (id: NodeId) => boolean): Hit[] {
		const wanted = Math.min(k, this.size);
		if (wanted <= 0) return [];
		this.#native.setEf(Math.max(ef, wanted));
		const allows = filter && ((label: number) => filter(this.#ids[label] as NodeId));
		const { neighbors, distances } = this.#native.searchKnn(query, wanted, allows);
		return neighbors.map((label, i) => ({ id: this.#ids[label] as NodeId, score: 1 - (distances[i] as number) }));
	}
}
