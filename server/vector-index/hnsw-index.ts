/**
 * Approximate search in HNSW graphs (hnswlib): several of fixed capacity, searched one after the other, their hits merged.
 *
 * Guarantees: recall@32 of at least 0.95 against exact search on clustered vectors at the default parameters, up to a million
 * of them; growing copies nothing; what is rebuilt at a time is at most one graph's capacity; a deleted vector is never found;
 * a deleted and re-added one costs nothing; of a snapshot only graphs are taken back whose every byte passes its checksum.
 *
 * Deliberately lacks: threads. An insertion takes 0.2 to 2 ms and blocks; the caller slices its work.
 */
import { invariant } from '../base/errors.ts';
import type { NodeId } from '../base/ids.ts';
import { type GraphParameters, HnswGraph } from './hnsw-graph.ts';
import { Snapshots } from './snapshots.ts';
import type { GraphIndex, Hit, SearchOptions } from './types.ts';

export interface HnswOptions {
	/** Numbers in a vector. */
	dimension: number;
	/** Links of a vector on each layer. Default 16. */
	m?: number;
	/** Candidates looked at for each insertion. Default 200. */
	efConstruction?: number;
	/** Candidates looked at for each search of a single graph, at least `k`; several graphs share the work. Default 160. */
	efSearch?: number;
	/** Vectors in one graph. Its memory is reserved at once and used as it fills. Default 131,072. */
	graphCapacity?: number;
	/** Share of deleted vectors from which compacting pays, 0–1. Default 0.4. */
	maxTombstoneShare?: number;
	/** Deleted vectors of one graph below which compacting never pays. Default 500. */
	minTombstones?: number;
}

/** Compacting joins graphs that fill one together up to this share. */
const JOINED_FILL = 0.8;
/** How much less each of several graphs is searched: of eight, each with 78 candidates instead of 160 (`bench -- index --only million`). */
const EF_EXPONENT = 0.35;
/** Hits asked for beyond `k`, so that a filter that leaves out a few needs no second search. */
const FILTER_MARGIN = 16;

export function createHnswIndex(options: HnswOptions): GraphIndex {
	return new HnswIndex(options, [], new Snapshots());
}

/** The snapshot in `folder` as far as it is intact, or undefined when nothing of it is. */
export async function loadHnswIndex(folder: string, options: HnswOptions): Promise<GraphIndex | undefined> {
	const snapshots = new Snapshots();
	const graphs = await snapshots.load(folder, parametersOf(options));
	return graphs.length > 0 ? new HnswIndex(options, graphs, snapshots) : undefined;
}

class HnswIndex implements GraphIndex {
	readonly dimension: number;
	readonly #parameters: GraphParameters;
	readonly #efSearch: number;
	readonly #maxTombstoneShare: number;
	readonly #minTombstones: number;
	readonly #snapshots: Snapshots;
	/** An id is in at most one of them, the deleted ones included. */
	#graphs: HnswGraph[];
	/** Takes over from some graphs once it has all their vectors; until then it takes part in every change of theirs. */
	#successor: { of: ReadonlySet<HnswGraph>; graph: HnswGraph } | undefined;
	#saving = false;

	constructor(options: HnswOptions, graphs: HnswGraph[], snapshots: Snapshots) {
		this.dimension = options.dimension;
		this.#parameters = parametersOf(options);
		this.#efSearch = options.efSearch ?? 160;
		this.#maxTombstoneShare = options.maxTombstoneShare ?? 0.4;
		this.#minTombstones = options.minTombstones ?? 500;
		this.#graphs = graphs;
		this.#snapshots = snapshots;
	}

	get size(): number {
		return this.#graphs.reduce((sum, graph) => sum + graph.size, 0);
	}

	get tombstones(): number {
		return this.#graphs.reduce((sum, graph) => sum + graph.tombstones, 0);
	}

	get worthCompacting(): boolean {
		return this.#graphs.some((graph) => this.#isWorthCompacting(graph));
	}

	has(id: NodeId): boolean {
		return this.#graphs.some((graph) => graph.has(id));
	}

	vector(id: NodeId): Float32Array | undefined {
		const graph = this.#graphs.find((each) => each.has(id));
		return graph && floatsOf(graph.vector(id));
	}

	*ids(): Iterable<NodeId> {
		for (const graph of this.#graphs) for (const id of graph.labelled) if (graph.has(id)) yield id;
	}

	add(id: NodeId, vector: Float32Array): void {
		const known = this.#graphs.find((graph) => graph.knows(id));
		if (known?.has(id)) return;
		checkDimension(vector, this.dimension);
		invariant(!this.#saving, 'nothing is added to a graph while it is written');
		const numbers = numbersOf(vector);
		const target = known ?? this.#graphWithRoom();
		target.add(id, numbers);
		if (this.#successor?.of.has(target)) this.#follow(this.#successor.graph, id, numbers);
	}

	remove(id: NodeId): void {
		invariant(!this.#saving, 'nothing is removed from a graph while it is written');
		for (const graph of this.#graphs) graph.remove(id);
		this.#successor?.graph.remove(id);
	}

	search(query: Float32Array, k: number, { filter }: SearchOptions = {}): Hit[] {
		checkDimension(query, this.dimension);
		const numbers = numbersOf(query);
		if (!filter) return this.#searchAll(numbers, k);
		// Calling back for every candidate costs more than the search itself, and few are left out as a rule.
		const hits = this.#searchAll(numbers, k + FILTER_MARGIN);
		const allowed: Hit[] = [];
		for (const hit of hits) {
			if (allowed.length === k) break;
			if (filter(hit.id)) allowed.push(hit);
		}
		return allowed.length === k || hits.length === this.size ? allowed : this.#searchAll(numbers, k, filter);
	}

	async compact(pause: () => Promise<void> | undefined): Promise<void> {
		if (this.#successor) return;
		for (let old = this.#worthReplacing(); old.size > 0; old = this.#worthReplacing()) {
			const successor = { of: old, graph: HnswGraph.empty(this.#parameters) };
			this.#successor = successor;
			try {
				for (const graph of old) await this.#moveInto(successor.graph, graph, pause);
				if (this.#successor !== successor) return;
				this.#graphs = [...this.#graphs.filter((graph) => !old.has(graph)), successor.graph];
			} finally {
				this.#successor = undefined;
			}
		}
	}

	async save(folder: string): Promise<void> {
		invariant(!this.#saving, 'a graph is written once at a time');
		this.#saving = true;
		try {
			await this.#snapshots.save(folder, this.#graphs, this.#parameters);
		} finally {
			this.#saving = false;
		}
	}

	async #moveInto(successor: HnswGraph, old: HnswGraph, pause: () => Promise<void> | undefined): Promise<void> {
		for (const id of [...old.labelled]) {
			if (old.has(id) && !successor.knows(id)) this.#follow(successor, id, old.vector(id));
			await pause();
			if (!this.#successor) return;
		}
	}

	/** So much may come back while a graph is replaced that its successor cannot hold it; the successor is given up then. */
	#follow(successor: HnswGraph, id: NodeId, vector: number[]): void {
		if (successor.full && !successor.knows(id)) this.#successor = undefined;
		else successor.add(id, vector);
	}

	#searchAll(query: number[], k: number, filter?: (id: NodeId) => boolean): Hit[] {
		// The nearest of all are spread over the graphs, so that each has to be right about fewer.
		const ef = Math.ceil(this.#efSearch / this.#graphs.length ** EF_EXPONENT);
		const hits = this.#graphs.flatMap((graph) => graph.search(query, k, ef, filter));
		return hits.sort((a, b) => b.score - a.score).slice(0, k);
	}

	/** A graph that is being replaced may grow too: its successor has room for it. */
	#graphWithRoom(): HnswGraph {
		const found = this.#graphs.find((graph) => !graph.full && !this.#successor?.of.has(graph));
		if (found) return found;
		const graph = HnswGraph.empty(this.#parameters);
		this.#graphs.push(graph);
		return graph;
	}

	#isWorthCompacting({ tombstones, size }: HnswGraph): boolean {
		return tombstones >= this.#minTombstones && tombstones > (tombstones + size) * this.#maxTombstoneShare;
	}

	/** The graph with the most deleted vectors, and small ones that fit in with it; empty when nothing pays. */
	#worthReplacing(): Set<HnswGraph> {
		const byTombstones = [...this.#graphs].sort((a, b) => b.tombstones - a.tombstones);
		const worst = byTombstones.find((graph) => this.#isWorthCompacting(graph));
		const joined = new Set<HnswGraph>();
		if (!worst) return joined;
		joined.add(worst);
		let size = worst.size;
		for (const graph of this.#graphs) {
			if (graph === worst || size + graph.size > this.#parameters.capacity * JOINED_FILL) continue;
			joined.add(graph);
			size += graph.size;
		}
		return joined;
	}
}

/** What hnswlib takes. `Array.from` goes the long way over an iterator, which takes ten times as long. */
function numbersOf(vector: Float32Array): number[] {
	const numbers = new Array<number>(vector.length);
	for (let i = 0; i < vector.length; i++) numbers[i] = vector[i] as number;
	return numbers;
}

function floatsOf(numbers: readonly number[]): Float32Array {
	const vector = new Float32Array(numbers.length);
	for (let i = 0; i < numbers.length; i++) vector[i] = numbers[i] as number;
	return vector;
}

function parametersOf(options: HnswOptions): GraphParameters {
	const { dimension, m = 16, efConstruction = 200, graphCapacity = 131_072 } = options;
	return { dimension, m, efConstruction, capacity: graphCapacity };
}

/** @throws RangeError when the vector has another dimension */
function checkDimension(vector: Float32Array, dimension: number): void {
	if (vector.length !== dimension) throw new RangeError(`vector: expected dimension ${dimension}, got ${vector.length}`);
}
