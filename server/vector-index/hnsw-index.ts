/**
 * Approximate search in an HNSW graph (hnswlib).
 *
 * Guarantees: recall@32 of at least 0.95 against exact search on clustered vectors at the default parameters; a deleted
 * vector is never found; a deleted and re-added one costs nothing; a snapshot is taken back only when every byte of it
 * passes its checksum.
 *
 * Deliberately lacks: threads. An insertion takes 0.2 to 2 ms and blocks; the caller slices its work.
 */
import { mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { invariant } from '../base/errors.ts';
import type { NodeId } from '../base/ids.ts';
import { checkDimension } from './exact-index.ts';
import { type GraphParameters, HnswGraph } from './hnsw-graph.ts';
import type { GraphIndex, Hit, SearchOptions } from './types.ts';

export interface HnswOptions {
	/** Numbers in a vector. */
	dimension: number;
	/** Links of a vector on each layer. Default 16. */
	m?: number;
	/** Candidates looked at for each insertion. Default 200. */
	efConstruction?: number;
	/** Candidates looked at for each search, at least `k`. Default 160. */
	efSearch?: number;
	/** Share of deleted vectors from which compacting pays, 0–1. Default 0.4. */
	maxTombstoneShare?: number;
}

const GRAPH_FILE = 'vectors.hnsw';
const SIDECAR_FILE = 'vectors.json';
const SNAPSHOT_VERSION = 1;
/** Below this, deleted vectors cost too little to care. */
const MIN_TOMBSTONES = 500;

/** What the graph file cannot say itself. */
interface Sidecar {
	version: number;
	dimension: number;
	m: number;
	graphCrc32: number;
	/** 32 hex digits for each label in order. */
	ids: string;
	deleted: number[];
	/** Over `ids` and `deleted`. */
	crc32: number;
}

export function createHnswIndex(options: HnswOptions): GraphIndex {
	return new HnswIndex(options, HnswGraph.empty(parametersOf(options)));
}

/** The snapshot in `folder`, or undefined when there is none or anything about it is doubtful. */
export async function loadHnswIndex(folder: string, options: HnswOptions): Promise<GraphIndex | undefined> {
	const parameters = parametersOf(options);
	try {
		const sidecar = JSON.parse(await readFile(join(folder, SIDECAR_FILE), 'utf8')) as Sidecar;
		const { version, dimension, m, ids, deleted } = sidecar;
		if (version !== SNAPSHOT_VERSION || dimension !== parameters.dimension || m !== parameters.m) return undefined;
		if (sidecar.crc32 !== sidecarChecksum(ids, deleted)) return undefined;
		const file = join(folder, GRAPH_FILE);
		if ((await fileChecksum(file)) !== sidecar.graphCrc32) return undefined;
		const list = ids.match(/.{32}/g) ?? [];
		const graph = await HnswGraph.read(
			parameters,
			file,
			list as NodeId[],
			deleted.map((label) => list[label] as NodeId),
		);
		return new HnswIndex(options, graph);
	} catch {
		return undefined;
	}
}

class HnswIndex implements GraphIndex {
	readonly dimension: number;
	readonly #maxTombstoneShare: number;
	#graph: HnswGraph;
	/** Being built by {@link compact}; takes part in every change until it takes over. */
	#next: HnswGraph | undefined;
	#saving = false;

	constructor(options: HnswOptions, graph: HnswGraph) {
		this.dimension = options.dimension;
		this.#maxTombstoneShare = options.maxTombstoneShare ?? 0.4;
		this.#graph = graph;
	}

	get size(): number {
		return this.#graph.size;
	}

	get tombstones(): number {
		return this.#graph.tombstones;
	}

	get worthCompacting(): boolean {
		const { tombstones, size } = this.#graph;
		return tombstones >= MIN_TOMBSTONES && tombstones > (tombstones + size) * this.#maxTombstoneShare;
	}

	has(id: NodeId): boolean {
		return this.#graph.has(id);
	}

	*ids(): Iterable<NodeId> {
		for (const id of this.#graph.labelled) if (this.#graph.has(id)) yield id;
	}

	add(id: NodeId, vector: Float32Array): void {
		if (this.#graph.has(id)) return;
		checkDimension(vector, this.dimension);
		invariant(!this.#saving, 'nothing is added to a graph while it is written');
		const numbers = Array.from(vector);
		this.#graph.add(id, numbers);
		this.#next?.add(id, numbers);
	}

	remove(id: NodeId): void {
		invariant(!this.#saving, 'nothing is removed from a graph while it is written');
		this.#graph.remove(id);
		this.#next?.remove(id);
	}

	search(query: Float32Array, k: number, { filter }: SearchOptions = {}): Hit[] {
		checkDimension(query, this.dimension);
		return this.#graph.search(Array.from(query), k, filter);
	}

	async compact(pause: () => Promise<void> | undefined): Promise<void> {
		if (this.#next) return;
		const old = this.#graph;
		const next = HnswGraph.empty(old.parameters, Math.ceil(old.size * 1.1));
		this.#next = next;
		try {
			for (const id of [...this.ids()]) {
				if (old.has(id) && !next.has(id)) next.add(id, old.vector(id));
				await pause();
			}
			this.#graph = next;
		} finally {
			this.#next = undefined;
		}
	}

	async save(folder: string): Promise<void> {
		invariant(!this.#saving, 'a graph is written once at a time');
		this.#saving = true;
		try {
			await writeSnapshot(folder, this.#graph);
		} finally {
			this.#saving = false;
		}
	}
}

function parametersOf(options: HnswOptions): GraphParameters {
	const { dimension, m = 16, efConstruction = 200, efSearch = 160 } = options;
	return { dimension, m, efConstruction, efSearch };
}

/** The sidecar goes last: without one that fits, the graph file counts for nothing. */
async function writeSnapshot(folder: string, graph: HnswGraph): Promise<void> {
	await mkdir(folder, { recursive: true });
	const temporary = { graph: join(folder, `${GRAPH_FILE}.new`), sidecar: join(folder, `${SIDECAR_FILE}.new`) };
	try {
		const ids = graph.labelled.join('');
		const deleted = [...graph.labelled.entries()].flatMap(([label, id]) => (graph.deleted.has(id) ? [label] : []));
		await graph.write(temporary.graph);
		const { dimension, m } = graph.parameters;
		const graphCrc32 = await fileChecksum(temporary.graph);
		const sidecar: Sidecar = { version: SNAPSHOT_VERSION, dimension, m, graphCrc32, ids, deleted, crc32: sidecarChecksum(ids, deleted) };
		await writeFile(temporary.sidecar, JSON.stringify(sidecar));
		await rename(temporary.graph, join(folder, GRAPH_FILE));
		await rename(temporary.sidecar, join(folder, SIDECAR_FILE));
	} finally {
		await rm(temporary.graph, { force: true });
		await rm(temporary.sidecar, { force: true });
	}
}

function sidecarChecksum(ids: string, deleted: readonly number[]): number {
	return crc32(deleted.join(), crc32(ids));
}

async function fileChecksum(path: string): Promise<number> {
	const file = await open(path, 'r');
	try {
		let sum = 0;
		for await (const piece of file.createReadStream({ autoClose: false, highWaterMark: 1 << 20 })) sum = crc32(piece as Buffer, sum);
		return sum;
	} finally {
		await file.close();
	}
}
