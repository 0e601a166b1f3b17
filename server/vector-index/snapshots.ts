/**
 * HNSW graphs on disk: for each graph `<n>.hnsw` and `<n>.ids`, and `graphs.json`, which names the files that count.
 *
 * Guarantees: `graphs.json` goes last and names complete files only, so that a crash while writing leaves the snapshot before;
 * a graph whose every byte does not pass its checksum is left out, and the others are taken back; a graph without additions
 * since it was written is not written again. Deletions since then are not in its file: whoever loads compares anyway.
 */
import { mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { NodeId } from '../base/ids.ts';
import { type GraphParameters, HnswGraph } from './hnsw-graph.ts';

const VERSION = 2;
const LIST_FILE = 'graphs.json';
const ID_BYTES = 16;

interface GraphEntry {
	/** Names the files; never used twice. */
	file: number;
	graphCrc32: number;
	/** Over the ids file. */
	idsCrc32: number;
	/** Labels of deleted vectors. */
	deleted: number[];
}

interface GraphList {
	version: number;
	dimension: number;
	m: number;
	graphs: GraphEntry[];
	/** Over `graphs` as JSON. */
	crc32: number;
}

/** What of the graphs is on disk already. */
export class Snapshots {
	/** Entries of graphs as they were written, with the number of labels that they had then. */
	readonly #written = new Map<HnswGraph, { entry: GraphEntry; labels: number }>();
	#nextFile = 1;

	/** The graphs in `folder` that are intact; empty when there is none. */
	async load(folder: string, parameters: GraphParameters): Promise<HnswGraph[]> {
		const graphs: HnswGraph[] = [];
		for (const entry of await readList(folder, parameters)) {
			this.#nextFile = Math.max(this.#nextFile, entry.file + 1);
			const graph = await readGraph(folder, entry, parameters).catch(() => undefined);
			if (!graph) continue;
			graphs.push(graph);
			this.#written.set(graph, { entry, labels: graph.labelled.length });
		}
		return graphs;
	}

	/** Makes `folder` hold these graphs and no other. Nothing may be added to them or deleted until it has resolved. */
	async save(folder: string, graphs: readonly HnswGraph[], { dimension, m }: GraphParameters): Promise<void> {
		await mkdir(folder, { recursive: true });
		const entries: GraphEntry[] = [];
		for (const graph of graphs) {
			const written = this.#written.get(graph);
			const entry =
				written?.labels === graph.labelled.length ? written.entry : await writeGraph(folder, await this.#unusedFile(folder), graph);
			this.#written.set(graph, { entry, labels: graph.labelled.length });
			entries.push(entry);
		}
		for (const graph of this.#written.keys()) if (!graphs.includes(graph)) this.#written.delete(graph);
		const list: GraphList = { version: VERSION, dimension, m, graphs: entries, crc32: listChecksum(entries) };
		await writeFile(join(folder, `${LIST_FILE}.new`), JSON.stringify(list));
		await rename(join(folder, `${LIST_FILE}.new`), join(folder, LIST_FILE));
		await removeOthers(folder, entries);
	}

	async #unusedFile(folder: string): Promise<number> {
		const taken = (await readdir(folder)).map((name) => Number.parseInt(name, 10) || 0);
		this.#nextFile = Math.max(this.#nextFile, ...taken.map((number) => number + 1));
		return this.#nextFile++;
	}
}

async function readList(folder: string, { dimension, m }: GraphParameters): Promise<GraphEntry[]> {
	try {
		const list = JSON.parse(await readFile(join(folder, LIST_FILE), 'utf8')) as GraphList;
		if (list.version !== VERSION || list.dimension !== dimension || list.m !== m) return [];
		return list.crc32 === listChecksum(list.graphs) ? list.graphs : [];
	} catch {
		return [];
	}
}

async function readGraph(folder: string, entry: GraphEntry, parameters: GraphParameters): Promise<HnswGraph | undefined> {
	const { graph: graphFile, ids: idsFile } = filesOf(folder, entry.file);
	const bytes = await readFile(idsFile);
	if (crc32(bytes) !== entry.idsCrc32 || (await fileChecksum(graphFile)) !== entry.graphCrc32) return undefined;
	const ids = Array.from({ length: bytes.length / ID_BYTES }, (_, i) => bytes.toString('hex', i * ID_BYTES, (i + 1) * ID_BYTES) as NodeId);
	return HnswGraph.read(
		parameters,
		graphFile,
		ids,
		entry.deleted.map((label) => ids[label] as NodeId),
	);
}

async function writeGraph(folder: string, file: number, graph: HnswGraph): Promise<GraphEntry> {
	const { graph: graphFile, ids: idsFile } = filesOf(folder, file);
	const ids = Buffer.from(graph.labelled.join(''), 'hex');
	const deleted = [...graph.labelled.entries()].flatMap(([label, id]) => (graph.deleted.has(id) ? [label] : []));
	await graph.write(graphFile);
	await writeFile(idsFile, ids);
	return { file, graphCrc32: await fileChecksum(graphFile), idsCrc32: crc32(ids), deleted };
}

async function removeOthers(folder: string, entries: readonly GraphEntry[]): Promise<void> {
	const kept = new Set([LIST_FILE, ...entries.flatMap(({ file }) => [`${file}.hnsw`, `${file}.ids`])]);
	for (const name of await readdir(folder)) if (!kept.has(name)) await rm(join(folder, name), { force: true });
}

function filesOf(folder: string, file: number): { graph: string; ids: string } {
	return { graph: join(folder, `${file}.hnsw`), ids: join(folder, `${file}.ids`) };
}

function listChecksum(graphs: readonly GraphEntry[]): number {
	return crc32(JSON.stringify(graphs));
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
