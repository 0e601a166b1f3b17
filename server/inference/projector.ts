/** The projector: node vectors to pseudo-tokens, vectors that the generator reads in the place of token embeddings. */
import { invariant } from '../base/errors.ts';
import type { ProjectorEntry } from './manifest.ts';
import { floats, floatsOf, type ModelSession } from './session.ts';
import type { Projector } from './types.ts';

export function createProjector({ session, entry }: { session: ModelSession; entry: ProjectorEntry }): Projector {
	const { inputDimension } = entry;
	return {
		async project(nodes) {
			if (nodes.length === 0) return new Float32Array();
			const data = new Float32Array(nodes.length * inputDimension);
			for (const [i, node] of nodes.entries()) {
				invariant(node.length === inputDimension, `a vector has ${inputDimension} numbers, got ${node.length}`);
				data.set(node, i * inputDimension);
			}
			return floatsOf(await session.run({ nodes: floats(data, [nodes.length, inputDimension]) }), 'pseudo_tokens');
		},
	};
}
