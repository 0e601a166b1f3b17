/**
 * Retrieval among a million nodes: time, recall against exact search, and what insertions took while the index grew to them.
 * The graphs take long to grow; `--graphs FOLDER` keeps them after every tenth, and what was measured on the way: a run that
 * was ended goes on from there, and a later one only searches.
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

/** Parts in which the graphs grow, each followed by a snapshot. */
const PARTS = 10;

/** What does not depend on the load of a later moment. */
interface Growth {
	/** Milliseconds of each insertion so far. */
	insertMs: number[];
	/** Load of the machine after each part. */
	loads: number[];
}

interface Plan {
	nodes: number;
	options: { dimension: number; graphCapacity: number };
	vectorAt(node: number): Float32Array;
	queries: readonly Float32Array[];
	folder: string | undefined;
	progress(message: string): void;
}

async function retrievalAmongMany({ quick, progress, arguments: { graphs } }: BenchContext): Promise<Bar[]> {
	const nodes = quick ? 20_000 : 1_000_000;
	// So that a small run, too, searches eight graphs.
	const graphCapacity = quick ? 2_500 : 131_072;
	const vectorAt = latentVectors({ dimension: DIMENSION, clusters: nodes >> 6, seed: 51 });
	const queries = Array.from({ length: QUERIES }, (_, i) => vectorAt(nodes + i));
	const plan: Plan = { nodes, options: { dimension: DIMENSION, graphCapacity }, vectorAt, queries, folder: graphs, progress };
	const { index, growth } = await grown(plan);
	const recalls = await recallsOf(index, plan);
	const batches = Array.from({ length: 7 }, () => median(queries.map((query) => timeOf(() => index.search(query, K)))));
	const note = `${nodes.toLocaleString('en')} nodes, d = ${DIMENSION}, ${Math.ceil(nodes / graphCapacity)} graphs, ${QUERIES} queries`;
	const insertMs = Float64Array.from(growth.insertMs).sort();
	const slowFrom = (share: number) => insertMs[Math.ceil((nodes - 1) * share)] as number;
	return [
		{ what: 'p50 retrieval with 1,000,000 nodes', values: batches, unit: 'ms', limit: { relation: '<', value: 5 }, note },
		{ what: '… recall@32 against exact search', values: recalls, limit: { relation: '≥', value: 0.95 }, note },
		{
			what: '… insertion while growing',
			values: [slowFrom(0.5)],
			unit: 'ms',
			note: `slowest of 99.99 % ${slowFrom(0.9999).toFixed(1)} ms; load ${Math.round(median(growth.loads))} while they grew`,
		},
	];
}

async function grown({ nodes, options, vectorAt, folder, progress }: Plan): Promise<{ index: GraphIndex; growth: Growth }> {
	const { index, growth } = (await takeUp(folder, options)) ?? {
		index: createHnswIndex(options),
		growth: { insertMs: [], loads: [] },
	};
	for (let node = index.size; node < nodes; node++) {
		const vector = vectorAt(node);
		growth.insertMs.push(timeOf(() => index.add(idOf(node), vector)));
		if ((node + 1) % (nodes / PARTS) !== 0) continue;
		growth.loads.push(loadavg()[0] as number);
		if (folder !== undefined) {
			await index.save(folder);
			writeFigures(folder, growth);
		}
		progress(`${node + 1} nodes after ${(growth.insertMs.reduce((sum, each) => sum + each, 0) / 1000).toFixed(0)} s of insertions`);
	}
	return { index, growth };
}

/** Each of so many queries. */
async function recallsOf(index: GraphIndex, { nodes, vectorAt, queries, progress }: Plan): Promise<number[]> {
	progress('exact search');
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

/** What an earlier run kept in the folder, where its figures are those of its graphs. */
async function takeUp(folder: string | undefined, options: Plan['options']): Promise<{ index: GraphIndex; growth: Growth } | undefined> {
	if (folder === undefined || !existsSync(figuresIn(folder))) return undefined;
	const growth = JSON.parse(readFileSync(figuresIn(folder), 'utf8')) as Growth;
	const index = await loadHnswIndex(folder, options);
	return index?.size === growth.insertMs.length ? { index, growth } : undefined;
}

function writeFigures(folder: string, growth: Growth): void {
	writeFileSync(figuresIn(folder), JSON.stringify(growth));
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
