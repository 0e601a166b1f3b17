/** What ARCHITECTURE.md's decision on the HNSW graph's thread rests on: one insertion and one search, by size of the graph. */
import { bench, describe } from 'vitest';
import type { NodeId } from '../../server/base/ids.ts';
import { createHnswIndex } from '../../server/vector-index/hnsw-index.ts';
import { clusteredVectors } from '../support/vectors.ts';

const DIMENSION = 256;

describe.each([2_000, 20_000])('HNSW graph of %d nodes, d = 256', (size) => {
	const vectors = clusteredVectors({ n: size + 2_000, dimension: DIMENSION, clusters: 200, seed: size });
	const vector = (n: number) => vectors[n % vectors.length] as Float32Array;
	const index = createHnswIndex({ dimension: DIMENSION });
	const add = (n: number) => index.add(n.toString(16).padStart(32, '0') as NodeId, vector(n));
	for (let n = 0; n < size; n++) add(n);
	let next = size;

	bench('insert one', () => add(next++), { time: 300 });
	bench('search 32', () => void index.search(vector(next++), 32), { time: 300 });
});
