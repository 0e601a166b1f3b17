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

/**
 * Unit vectors by number, none of which is kept: points around overlapping clusters in a space of 32 dimensions, laid into a
 * larger one with a little noise, as embeddings lie. Equal options and number, equal vector.
 */
export function latentVectors(options: { dimension: number; clusters: number; seed: number }): (n: number) => Float32Array {
	const { dimension, clusters, seed } = options;
	const latent = 32;
	const random = createRandom(seed);
	const normals = Float32Array.from({ length: 1 << 16 }, () => random.normal());
	const axes = Float32Array.from({ length: latent * dimension }, () => random.normal() / Math.sqrt(latent));
	const centres = Float32Array.from({ length: clusters * latent }, () => random.normal());
	return (n) => {
		const own = createRandom(seed * 7919 + n);
		const normal = () => normals[own.below(normals.length)] as number;
		const centre = own.below(clusters) * latent;
		const vector = Float32Array.from({ length: dimension }, () => 0.15 * normal());
		for (let axis = 0; axis < latent; axis++) {
			const weight = (centres[centre + axis] as number) + normal();
			for (let i = 0, at = axis * dimension; i < dimension; i++, at++) vector[i] = (vector[i] as number) + weight * (axes[at] as number);
		}
		return unit(vector);
	};
}
