/** The generator's input embeddings of token ids. */
import { floatsOf, int64s, type ModelSession } from './session.ts';

export interface TokenEmbedding {
	/** `[ids.length · hiddenSize]` f32. */
	embed(ids: readonly number[]): Promise<Float32Array>;
}

export function createTokenEmbedding(session: ModelSession): TokenEmbedding {
	return {
		async embed(ids) {
			if (ids.length === 0) return new Float32Array();
			return floatsOf(await session.run({ input_ids: int64s(ids, [1, ids.length]) }), 'embeddings');
		},
	};
}
