/**
 * HNSW graphs on disk: for each graph `<name>.hnsw` and `<name>.ids`, and `graphs.json`, which names the files that count. Several
 * processes may save to one folder, and all of them load from it: the list that was put in place last counts, whole. No file
 * but the list is ever written twice: each name says which process made it.
 *
 * Guarantees: `graphs.json` goes last and names complete files only, so that a crash while writing leaves the snapshot before;
 * a graph whose every byte does not pass its checksum is left out, and the others are taken back; a graph without additions
 * since it was written is not written again. Deletions since then are not in its file: whoever loads compares anyway. Files
 * that no list names are deleted by the next save of the process that made them, or of any other once that one is gone.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { access, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import type { NodeId } from '../base/ids.ts';
import { isRunning } from '../base/processes.ts';
import { type GraphParameters, HnswGraph } from './hnsw-graph.ts';

const VERSION = 3;
const LIST_FILE = 'graphs.json';
const ID_BYTES = 16;
const PIECE_BYTES = 1 << 20;
/** Read and summed up in some 2 ms. */
const PIECES_PER_TURN = 4;
/** Another process may put another list in place while this one reads the files of the one before. */
const ATTEMPTS = 3;
/** `<pid>-<random>`, and what the file is. */
const OWN_NAME = /^(\d+)-[0-9a-f]+\./;

interface GraphEntry {
	/** Names the files; never used twice. */
	name: string;
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

	/** The graphs in `folder` that are intact; empty when there is none. */
	async load(folder: string, parameters: GraphParameters): Promise<HnswGraph[]> {
		for (let attempt = 1; ; attempt++) {
			const entries = readList(folder, parameters);
			const graphs: HnswGraph[] = [];
			this.#written.clear();
			for (const entry of entries) {
				const graph = await readGraph(folder, entry, parameters).catch(() => undefined);
				if (!graph) continue;
				graphs.push(graph);
				this.#written.set(graph, { entry, labels: graph.labelled.length });
			}
			const isWhole = graphs.length === entries.length;
			if (isWhole || attempt === ATTEMPTS || listChecksum(entries) === listChecksum(readList(folder, parameters))) return graphs;
		}
	}

	/** Makes `folder` hold these graphs and no other. Nothing may be added to them or deleted until it has resolved. */
	async save(folder: string, graphs: readonly HnswGraph[], { dimension, m }: GraphParameters): Promise<void> {
		// Not its parents: the store that it belongs to may be gone.
		await mkdir(folder).catch((error: NodeJS.ErrnoException) => {
			if (error.code !== 'EEXIST') throw error;
		});
		const entries: GraphEntry[] = [];
		for (const graph of graphs) {
			const entry = (await this.#writtenEntry(folder, graph)) ?? (await writeGraph(folder, graph));
			this.#written.set(graph, { entry, labels: graph.labelled.length });
			entries.push(entry);
		}
		for (const graph of this.#written.keys()) if (!graphs.includes(graph)) this.#written.delete(graph);
		const list: GraphList = { version: VERSION, dimension, m, graphs: entries, crc32: listChecksum(entries) };
		const made = join(folder, `${newName()}.json`);
		await writeFile(made, JSON.stringify(list));
		await rename(made, join(folder, LIST_FILE));
		await removeOthers(folder, entries);
	}

	/** What was written of the graph, if it is on disk still: another process may have replaced the list that named it. */
	async #writtenEntry(folder: string, graph: HnswGraph): Promise<GraphEntry | undefined> {
		const written = this.#written.get(graph);
		if (written?.labels !== graph.labelled.length) return undefined;
		const files = Object.values(filesOf(folder, written.entry.name));
		return Promise.all(files.map((file) => access(file))).then(
			() => written.entry,
			() => undefined,
		);
	}
}

function readList(folder: string, { dimension, m }: GraphParameters): GraphEntry[] {
	try {
		const list = JSON.parse(readFileSync(join(folder, LIST_FILE), 'utf8')) as GraphList;
		if (list.version !== VERSION || list.dimension !== dimension || list.m !== m) return [];
		return list.crc32 === listChecksum(list.graphs) ? list.graphs : [];
	} catch {
		return [];
	}
}

async function readGraph(folder: string, entry: GraphEntry, parameters: GraphParameters): Promise<HnswGraph | undefined> {
	const { graph: graphFile, ids: idsFile } = filesOf(folder, entry.name);
	const bytes = readFileSync(idsFile);
	if (crc32(bytes) !== entry.idsCrc32 || (await fileChecksum(graphFile)) !== entry.graphCrc32) return undefined;
	const ids = Array.from({ length: bytes.length / ID_BYTES }, (_, i) => bytes.toString('hex', i * ID_BYTES, (i + 1) * ID_BYTES) as NodeId);
	return HnswGraph.read(
		parameters,
		graphFile,
		ids,
		entry.deleted.map((label) => ids[label] as NodeId),
	);
}

async function writeGraph(folder: string, graph: HnswGraph): Promise<GraphEntry> {
	const name = newName();
	const { graph: graphFile, ids: idsFile } = filesOf(folder, name);
	const ids = Buffer.from(graph.labelled.join(''), 'hex');
	const deleted = [...graph.labelled.entries()].flatMap(([label, id]) => (graph.deleted.has(id) ? [label] : []));
	await graph.write(graphFile);
	await writeFile(idsFile, ids);
	return { name, graphCrc32: await fileChecksum(graphFile), idsCrc32: crc32(ids), deleted };
}

/** Deletes what the list does not name, but for what another process may be about to name. */
async function removeOthers(folder: string, entries: readonly GraphEntry[]): Promise<void> {
	const kept = new Set([LIST_FILE, ...entries.flatMap(({ name }) => [`${name}.hnsw`, `${name}.ids`])]);
	for (const file of await readdir(folder)) {
		const pid = Number(OWN_NAME.exec(file)?.[1] ?? process.pid);
		if (!kept.has(file) && (pid === process.pid || !isRunning(pid))) await rm(join(folder, file), { force: true });
	}
}

function newName(): string {
	return `${process.pid}-${randomBytes(8).toString('hex')}`;
}

function filesOf(folder: string, name: string): { graph: string; ids: string } {
	return { graph: join(folder, `${name}.hnsw`), ids: join(folder, `${name}.ids`) };
}

function listChecksum(graphs: readonly GraphEntry[]): number {
	return crc32(JSON.stringify(graphs));
}

/** Reads on this thread: at a start, each answer of the thread pool would wait for a turn of the work beside this. */
async function fileChecksum(path: string): Promise<number> {
	const file = openSync(path, 'r');
	try {
		let sum = 0;
		// One buffer for all: memory that is new for every piece takes longer than reading it.
		const buffer = Buffer.allocUnsafe(PIECE_BYTES);
		for (let piece = 1; ; piece++) {
			const nBytes = readSync(file, buffer);
			if (nBytes === 0) return sum;
			sum = crc32(buffer.subarray(0, nBytes), sum);
			if (piece % PIECES_PER_TURN === 0) await nextTurn();
		}
	} finally {
		closeSync(file);
	}
}
