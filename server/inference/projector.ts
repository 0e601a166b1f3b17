/** The projector: a node's vector into the generator's input space, one pseudo-token each. */
import type { ProjectorEntry } from './manifest.ts';
import { floatData, floats, type Session } from './session.ts';
import type { Projector } from './types.ts';

export function createProjector({ inputDimension }: ProjectorEntry, session: Session): Projector {
	return {
		async project(nodes) {
			if (nodes.length === 0) return new Float32Array(0);
			const rows = new Float32Array(nodes.length * inputDimension);
			for (const [i, node] of nodes.entries()) rows.set(node, i * inputDimension);
			const outputs = await session.run({ nodes: floats(rows, [nodes.length, inputDimension]) });
			return floatData(outputs, 'pseudo_tokens').slice();
		},
	};
}
