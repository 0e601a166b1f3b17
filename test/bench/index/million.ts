/**
 * Retrieval among a million nodes: time, recall against exact search, and the slowest insertion while the index grew to them.
 * The graphs take long to grow; `--graphs FOLDER` keeps them, and what was measured on the way, for further looks at the time
 * of a search.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import type { NodeId } from '../../../server/base/ids.ts';
import { createHnswIndex, loadHnswIndex } from '../../../server/vector-index/hnsw-index.ts';
import { measureRecall } from '../../../server/vector-index/recall.ts';
import type { GraphIndex } from '../../../server/vector-index/types.ts';
import { latentVectors } from '../../support/vectors.ts';
import { type Bar, type BenchContext, type Measurement, median } from '../bars.ts';

const DIMENSION = 256;
const QUERIES = 100;
/** As many hits as retrieval asks for, of which it keeps 32. */
const K = 48;

/** What does not depend on the load of a later moment. */
interface Growth {
	nodes: number;
	insertMs: { median: number; slowest: number; slowestOf9999: number };
	recalls: number[];
	load: number;
}

interface Grown {
	index: GraphIndex;
	growth: Growth;
	kept: boolean;
}

type VectorAt = (node: number) => Float32Array;

async function retrievalAmongMany({ quick, progress, arguments: { graphs } }: BenchContext): Promise<Bar[]> {
	const nodes = quick ? 20_000 : 1_000_000;
	// So that a small run, too, searches eight graphs.
	const graphCapacity = quick ? 2_500 : 131_072;
	const vectorAt = latentVectors({ dimension: DIMENSION, clusters: nodes >> 6, seed: 51 });
	const queries = Array.from({ length: QUERIES }, (_, i) => vectorAt(nodes + i));
	const options = { dimension: DIMENSION, graphCapacity };
	const { index, growth, kept } = (await takeUp(graphs, nodes, options)) ?? (await grow(nodes, options, vectorAt, queries, progress));
	if (graphs !== undefined && !kept) {
		await index.save(graphs);
		writeFileSync(figuresIn(graphs), JSON.stringify(growth));
	}
	const batches = Array.from({ length: 7 }, () => median(queries.map((query) => timeOf(() => index.search(query, K)))));
	const note = `${nodes.toLocaleString('en')} nodes, d = ${DIMENSION}, ${Math.ceil(nodes / graphCapacity)} graphs, ${QUERIES} queries`;
	const { median: insertMs, slowest, slowestOf9999 } = growth.insertMs;
	return [
		{ what: 'p50 retrieval with 1,000,000 nodes', values: batches, unit: 'ms', limit: { relation: '<', value: 5 }, note },
		{ what: '… recall@32 against exact search', values: growth.recalls, limit: { relation: '≥', value: 0.95 }, note },
		{
			what: '… insertion while growing',
			values: [insertMs],
			unit: 'ms',
			note: `slowest ${slowest.toFixed(0)} ms, slowest of 99.99 % ${slowestOf9999.toFixed(1)} ms; load ${growth.load} while they grew`,
		},
	];
}

async function grow(
	nodes: number,
	options: { dimension: number; graphCapacity: number },
	vectorAt: VectorAt,
	queries: readonly Float32Array[],
	progress: (message: string) => void,
): Promise<Grown> {
	const index = createHnswIndex(options);
	const times = new Float64Array(nodes);
	const loads: number[] = [];
	const started = performance.now();
	for (let node = 0; node < nodes; node++) {
		const vector = vectorAt(node);
		times[node] = timeOf(() => index.add(idOf(node), vector));
		if ((node + 1) % (nodes / 10) !== 0) continue;
		loads.push(loadavg()[0] as number);
		progress(`${node + 1} nodes after ${((performance.now() - started) / 1000).toFixed(0)} s`);
	}
	times.sort();
	const slowFrom = (share: number) => times[Math.ceil((nodes - 1) * share)] as number;
	const insertMs = { median: slowFrom(0.5), slowest: slowFrom(1), slowestOf9999: slowFrom(0.9999) };
	progress('exact search');
	const recalls = await recallsOf(index, nodes, vectorAt, queries);
	return { index, growth: { nodes, insertMs, recalls, load: Math.round(median(loads)) }, kept: false };
}

/** Each of so many queries. */
async function recallsOf(index: GraphIndex, nodes: number, vectorAt: VectorAt, queries: readonly Float32Array[]): Promise<number[]> {
	const ids = function* () {
		for (let node = 0; node < nodes; node++) yield idOf(node);
	};
	const vector = (id: NodeId) => vectorAt(Number.parseInt(id, 16));
	const recalls: number[] = [];
	for (let at = 0; at < queries.length; at += 20) {
		recalls.push(await measureRecall(index, { ids: ids(), vector, queries: queries.slice(at, at + 20) }));
	}
	return recalls;
}

/** What an earlier run kept in the folder, if it has all of it. */
async function takeUp(
	folder: string | undefined,
	nodes: number,
	options: { dimension: number; graphCapacity: number },
): Promise<Grown | undefined> {
	if (folder === undefined || !existsSync(figuresIn(folder))) return undefined;
	const growth = JSON.parse(readFileSync(figuresIn(folder), 'utf8')) as Growth;
	const index = await loadHnswIndex(folder, options);
	return index?.size === nodes && growth.nodes === nodes ? { index, growth, kept: true } : undefined;
}

/** Beside the folder: an index keeps nothing foreign in its own. */
function figuresIn(folder: string): string {
	return `${join(folder)}.json`;
}

function idOf(node: number): NodeId {
	return node.toString(16).padStart(32, '0') as NodeId;
}

function timeOf(work: () => unknown): number {
	const started = performance.now();
	work();
	return performance.now() - started;
}

export const million: Measurement = { name: 'million', run: retrievalAmongMany };
