/** The fuser: up to `arity` ordered child vectors into their parent's (HEF, section on hierarchical fusion). */
import { invariant } from '../base/errors.ts';
import type { Manifest } from './manifest.ts';
import { floatData, floats, int32, type Session } from './session.ts';
import type { Fuser } from './types.ts';

export function createFuser({ arity, dimension }: Manifest['fuser'], session: Session): Fuser {
	return {
		arity,
		async fuse(families) {
			if (families.length === 0) return [];
			const width = Math.max(...families.map((children) => children.length));
			invariant(width <= arity && families.every((children) => children.length > 0), `a node has 1 to ${arity} children`);
			const children = new Float32Array(families.length * width * dimension);
			for (const [i, family] of families.entries()) for (const [j, child] of family.entries()) children.set(child, (i * width + j) * dimension);
			const outputs = await session.run({
				children: floats(children, [families.length, width, dimension]),
				counts: int32(families.map((family) => family.length), [families.length]),
			});
			const parents = floatData(outputs, 'parent');
			return families.map((_, i) => parents.slice(i * dimension, (i + 1) * dimension));
		},
	};
}
