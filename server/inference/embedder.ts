/**
 * The embedder: token ids to a unit vector, by last-token pooling inside the graph.
 *
 * Texts go through the model in batches of similar length; on a CPU a batch is one text, because more gain nothing there and
 * an embedding then never depends on its neighbours.
 */
import { invariant } from '../base/errors.ts';
import type { Manifest } from './manifest.ts';
import { floatsOf, int32s, int64Rows, type ModelSession } from './session.ts';
import type { Embedder } from './types.ts';

export interface EmbedderOptions {
	session: ModelSession;
	entry: Pick<Manifest['embedder'], 'dimension' | 'maxTokens' | 'append' | 'query'>;
	/** Most texts in one run, at least 1. */
	batchSize: number;
}

export function createEmbedder({ session, entry, batchSize }: EmbedderOptions): Embedder {
	const { dimension, maxTokens, append, query } = entry;

	const runBatch = async (rows: readonly (readonly number[])[]): Promise<Float32Array> => {
		const width = Math.max(...rows.map((row) => row.length));
		const lengths = rows.map((row) => row.length);
		const feeds = { input_ids: int64Rows(rows, width), lengths: int32s(lengths, [rows.length]) };
		return floatsOf(await session.run(feeds), 'embedding');
	};

	const embedRows = async (rows: readonly number[][]): Promise<Float32Array[]> => {
		invariant(
			rows.every((row) => row.length > 0),
			'a text to embed has at least one token',
		);
		const order = rows.map((_, i) => i).sort((a, b) => (rows[a] as number[]).length - (rows[b] as number[]).length);
		const vectors = new Array<Float32Array>(rows.length);
		for (let start = 0; start < order.length; start += batchSize) {
			const batch = order.slice(start, start + batchSize);
			const data = await runBatch(batch.map((i) => rows[i] as number[]));
			for (const [row, i] of batch.entries()) vectors[i] = data.slice(row * dimension, (row + 1) * dimension);
		}
		return vectors;
	};

	return {
		dimension,
		maxTokens,
		embed: (inputs) => embedRows(inputs.map((ids) => [...ids.slice(0, maxTokens), ...append])),
		async embedQuery(ids) {
			const [vector] = await embedRows([[...query.before, ...ids.slice(-maxTokens), ...query.append]]);
			return vector as Float32Array;
		},
	};
}
