/** Retrieval among a million nodes: time, recall against exact search, and the slowest insertion while the index grew to them. */
import type { NodeId } from '../../../server/base/ids.ts';
import { createHnswIndex } from '../../../server/vector-index/hnsw-index.ts';
import { measureRecall } from '../../../server/vector-index/recall.ts';
import { latentVectors } from '../../support/vectors.ts';
import { type Bar, type BenchContext, type Measurement, median } from '../bars.ts';

const DIMENSION = 192;
const QUERIES = 100;
/** As many hits as retrieval asks for, of which it keeps 32. */
const K = 48;

async function retrievalAmongMany({ quick, progress }: BenchContext): Promise<Bar[]> {
	const nodes = quick ? 20_000 : 1_000_000;
	// So that a small run, too, searches eight graphs.
	const graphCapacity = quick ? 2_500 : 131_072;
	const index = createHnswIndex({ dimension: DIMENSION, graphCapacity });
	const vectorAt = latentVectors({ dimension: DIMENSION, clusters: nodes >> 6, seed: 51 });
	const slow: number[] = [];
	const started = performance.now();
	for (let node = 0; node < nodes; node++) {
		const vector = vectorAt(node);
		const before = performance.now();
		index.add(idOf(node), vector);
		slow.push(performance.now() - before);
		if ((node + 1) % 100_000 === 0) progress(`${node + 1} nodes after ${((performance.now() - started) / 1000).toFixed(0)} s`);
	}
	const queries = Array.from({ length: QUERIES }, (_, i) => vectorAt(nodes + i));
	const batches = Array.from({ length: 7 }, () => median(queries.map((query) => timeOf(() => index.search(query, K)))));
	progress('exact search');
	const ids = function* () {
		for (let node = 0; node < nodes; node++) yield idOf(node);
	};
	const recalls: number[] = [];
	for (let at = 0; at < QUERIES; at += 20) {
		const vector = (id: NodeId) => vectorAt(Number.parseInt(id, 16));
		recalls.push(await measureRecall(index, { ids: ids(), vector, queries: queries.slice(at, at + 20) }));
	}
	const note = `${nodes.toLocaleString('en')} nodes, d = ${DIMENSION}, ${Math.ceil(nodes / graphCapacity)} graphs, ${QUERIES} queries`;
	slow.sort((a, b) => b - a);
	return [
		{ what: 'p50 retrieval with 1,000,000 nodes', values: batches, unit: 'ms', limit: { relation: '<', value: 5 }, note },
		{ what: '… recall@32 against exact search', values: recalls, limit: { relation: '≥', value: 0.95 }, note },
		{
			what: '… insertion while growing',
			values: [slow[slow.length >> 1] as number],
			unit: 'ms',
			note: `slowest ${(slow[0] as number).toFixed(0)} ms, slowest of 99.99 % ${(slow[Math.floor(slow.length / 10_000)] as number).toFixed(1)} ms`,
		},
	];
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
