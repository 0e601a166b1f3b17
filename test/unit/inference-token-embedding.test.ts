/** Rows of the token embedding: equal to the runtime's, and run once. */

import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type ModelSession, openSession } from '../../server/inference/session.ts';
import { createTokenEmbedding } from '../../server/inference/token-embedding.ts';
import { tinyBundleFolder } from '../support/tiny-bundle.ts';

test('tokens that were used before need no run', async () => {
	const session = await openSession({ path: join(tinyBundleFolder, 'token-embedding.onnx'), provider: 'cpu', threads: 1 });
	const runs: number[] = [];
	const counting: ModelSession = {
		...session,
		run(feeds, outputs) {
			runs.push(feeds.input_ids?.dims[1] ?? 0);
			return session.run(feeds, outputs);
		},
	};
	const embedding = createTokenEmbedding(counting);
	const first = await embedding.embed([7, 300, 7]);
	const again = await embedding.embed([300, 7]);
	const mixed = await embedding.embed([9, 300]);
	expect(runs).toEqual([2, 1]);
	const width = first.length / 3;
	expect(first.subarray(2 * width)).toEqual(first.subarray(0, width));
	expect(again).toEqual(Float32Array.of(...first.subarray(width, 2 * width), ...first.subarray(0, width)));
	expect(mixed.subarray(width)).toEqual(first.subarray(width, 2 * width));
	expect(mixed.subarray(0, width)).toEqual(await createTokenEmbedding(session).embed([9]));
	// The rows are copies: what a caller writes stays with the caller.
	again.fill(0);
	expect(await embedding.embed([7])).toEqual(first.subarray(0, width));
	expect(await embedding.embed([])).toHaveLength(0);
	await session.dispose();
});
