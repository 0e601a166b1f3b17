/** The frozen embedder: token lists to unit vectors, last-token pooling. */
import { floatData, int32, int64, type Session } from './session.ts';
import type { Manifest } from './manifest.ts';
import type { Embedder } from './types.ts';

const PAD = 0;

export function createEmbedder(manifest: Manifest['embedder'], session: Session): Embedder {
	const { dimension, maxTokens, append } = manifest;
	return {
		dimension,
		maxTokens: maxTokens - append.length,
		async embed(inputs) {
			if (inputs.length === 0) return [];
			const rows = inputs.map((ids) => [...ids.slice(0, maxTokens - append.length), ...append]);
			const width = Math.max(...rows.map((row) => row.length));
			const padded = rows.flatMap((row) => [...row, ...new Array<number>(width - row.length).fill(PAD)]);
			const outputs = await session.run({
				input_ids: int64(padded, [rows.length, width]),
				lengths: int32(rows.map((row) => row.length), [rows.length]),
			});
			const vectors = floatData(outputs, 'embedding');
			return rows.map((_, i) => vectors.slice(i * dimension, (i + 1) * dimension));
		},
	};
}
