/** What the embedder feeds its model: marks around chunks and queries, and which end of a long text is cut off. */
import { Tensor } from 'onnxruntime-node';
import { expect, test } from 'vitest';
import { createEmbedder } from '../../server/inference/embedder.ts';
import type { Feeds, SessionOptions } from '../../server/inference/session.ts';
import { copyTinyBundle, editManifest, openModels } from '../support/tiny-bundle.ts';

function recording() {
	const fed: number[][] = [];
	const session = {
		async run(feeds: Feeds) {
			const { input_ids: ids, lengths } = feeds as { input_ids: Tensor; lengths: Tensor };
			const [rows = 0, width = 0] = ids.dims;
			const all = [...(ids.data as BigInt64Array)].map(Number);
			for (let row = 0; row < rows; row++) fed.push(all.slice(row * width, row * width + Number(lengths.data[row])));
			return { embedding: new Tensor('float32', new Float32Array(rows * 2).fill(Math.SQRT1_2), [rows, 2]) };
		},
		dispose: async () => {},
	};
	return { session, fed };
}

test('a chunk keeps its beginning and gets the chunk marks', async () => {
	const { session, fed } = recording();
	const entry = { file: 'e.onnx', precision: 'fp32', dimension: 2, maxTokens: 3, append: [9], query: { before: [7], append: [8] } };
	const embedder = createEmbedder({ session, entry, batchSize: 1 });
	expect(await embedder.embed([[1, 2, 3, 4], [5]])).toHaveLength(2);
	expect(fed).toContainEqual([1, 2, 3, 9]);
	expect(fed).toContainEqual([5, 9]);
});

test('a query keeps its end and gets the query marks', async () => {
	const { session, fed } = recording();
	const entry = { file: 'e.onnx', precision: 'fp32', dimension: 2, maxTokens: 3, append: [9], query: { before: [7], append: [8] } };
	const vector = await createEmbedder({ session, entry, batchSize: 1 }).embedQuery([1, 2, 3, 4]);
	expect(vector).toHaveLength(2);
	expect(fed).toEqual([[7, 2, 3, 4, 8]]);
});

test.each([
	['tables', 1],
	['int8', 2],
])('an embedder of precision %s runs on %i of two threads', async (precision, nThreads) => {
	await using copy = await copyTinyBundle();
	await editManifest(copy.folder, (manifest) => {
		manifest.embedder.precision = precision;
	});
	const opened: SessionOptions[] = [];
	const open = async (options: SessionOptions) => {
		opened.push(options);
		return recording().session;
	};
	const models = await openModels(copy.folder, { threads: 2, open });
	await models.embedder();
	expect(opened.map(({ threads }) => threads)).toEqual([nThreads]);
});
