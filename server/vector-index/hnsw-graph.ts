/**
 * One HNSW graph and the ids of its labels. Labels are given in order and never reused: hnswlib replaces a deleted slot at
 * several times the price of an insertion and leaves stale links behind.
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
	efSearch: number;
}

const FIRST_CAPACITY = 1024;
/** Each growth copies the graph, so it grows by a quarter. */
const GROWTH = 1.25;

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
		this.#native.setEf(parameters.efSearch);
		this.#ids = ids;
		for (const [label, id] of ids.entries()) this.#labels.set(id, label);
		for (const id of deleted) this.#deleted.add(id);
	}

	static empty(parameters: GraphParameters, capacity = FIRST_CAPACITY): HnswGraph {
		const native = new hnswlib.HierarchicalNSW('cosine', parameters.dimension);
		native.initIndex(Math.max(capacity, FIRST_CAPACITY), parameters.m, parameters.efConstruction);
		return new HnswGraph(parameters, native, [], []);
	}

	/** Reads a graph file that was written for exactly these ids. Throws what hnswlib throws. */
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

	get labelled(): readonly NodeId[] {
		return this.#ids;
	}

	get deleted(): ReadonlySet<NodeId> {
		return this.#deleted;
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

	add(id: NodeId, vector: number[]): void {
		const known = this.#labels.get(id);
		if (known !== undefined) {
			if (this.#deleted.delete(id)) this.#native.unmarkDelete(known);
			return;
		}
		const label = this.#ids.length;
		if (label >= this.#native.getMaxElements()) this.#native.resizeIndex(Math.ceil(this.#native.getMaxElements() * GROWTH));
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

	search(query: number[], k: number, filter?: (id: NodeId) => boolean): Hit[] {
		const wanted = Math.min(k, this.size);
		if (wanted <= 0) return [];
		const allows = filter && ((label: number) => filter(this.#ids[label] as NodeId));
		const { neighbors, distances } = this.#native.searchKnn(query, wanted, allows);
		return neighbors
			.map((label, i) => ({ id: this.#ids[label] as NodeId, score: 1 - (distances[i] as number) }))
			.sort((a, b) => b.score - a.score);
	}
}
