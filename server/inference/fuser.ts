/** The fuser: up to `arity` vectors of children to their parent's unit vector. Families go through the model in batches. */
import { invariant } from '../base/errors.ts';
import type { Manifest } from './manifest.ts';
import { floats, floatsOf, int32s, type ModelSession } from './session.ts';
import type { Fuser } from './types.ts';

/** Families in one run: few enough that background work gives way to a completion soon. */
const BATCH = 16;

export function createFuser({ session, entry }: { session: ModelSession; entry: Manifest['fuser'] }): Fuser {
	const { arity, dimension } = entry;

	const fuseBatch = async (families: readonly (readonly Float32Array[])[]): Promise<Float32Array[]> => {
		const width = Math.max(...families.map((children) => children.length));
		const data = new Float32Array(families.length * width * dimension);
		for (const [row, children] of families.entries()) {
			for (const [i, child] of children.entries()) data.set(child, (row * width + i) * dimension);
		}
		const counts = families.map((children) => children.length);
		const feeds = { children: floats(data, [families.length, width, dimension]), counts: int32s(counts, [families.length]) };
		const parents = floatsOf(await session.run(feeds), 'parent');
		return families.map((_, row) => parents.slice(row * dimension, (row + 1) * dimension));
	};

	return {
		arity,
		async fuse(families) {
			for (const children of families) {
				invariant(children.length >= 1 && children.length <= arity, `a family has 1 to ${arity} children, got ${children.length}`);
				for (const child of children) invariant(child.length === dimension, `a vector has ${dimension} numbers, got ${child.length}`);
			}
			const parents: Float32Array[] = [];
			for (let start = 0; start < families.length; start += BATCH) parents.push(...(await fuseBatch(families.slice(start, start + BATCH))));
			return parents;
		},
	};
}
