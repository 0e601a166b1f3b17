/** Synthetic vectors of unit length. */
import { createRandom } from './random.ts';

/**
 * Vectors around cluster centres, as embeddings of related code are.
 * @param options.skip leaves out as many vectors of the same stream first, for queries that are no members
 */
export function clusteredVectors(options: { n: number; dimension: number; clusters: number; seed: number; skip?: number }): Float32Array[] {
	const { n, dimension, clusters, seed, skip = 0 } = options;
	const centreRandom = createRandom(seed);
	const centres = Array.from({ length: clusters }, () => Float32Array.from({ length: dimension }, () => centreRandom.normal()));
	const random = createRandom(seed * 7919 + skip + 1);
	return Array.from({ length: n }, () => {
		const centre = random.pick(centres);
		return unit(centre.map((value) => value + 0.7 * random.normal()));
	});
}

/** The vector at length 1. */
export function unit(vector: Float32Array): Float32Array {
	let sum = 0;
	for (const value of vector) sum += value * value;
	const scale = 1 / Math.sqrt(sum || 1);
	return vector.map((value) => value * scale);
}
