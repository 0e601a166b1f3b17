/** Every model of a bundle against what the exporter computed: ONNX Runtime in Python on the same files, and PyTorch in fp32. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { neverCancelled } from '../../server/base/cancellation.ts';
import { argmax } from '../../server/inference/sampling.ts';
import type { Models, PromptPart } from '../../server/inference/types.ts';
import {
	cosine,
	type Goldens,
	largestDifference,
	openModels,
	readGoldens,
	shippedBundleFolder,
	tinyBundleFolder,
	tokens,
} from '../support/tiny-bundle.ts';

/** Same file, same operators; another CPU has other kernels, whose order of adding fp32 hardly shows. */
const ONNX_TOLERANCE = 2e-3;
/** Where 8-bit activations are rounded, a value at an edge moves by a whole step: of a unit vector's parts, and of logits. */
const ROUNDED_VECTOR = 0.02;
const ROUNDED_LOGITS = 0.5;
/** 8-bit weights and activations against fp32. */
const PYTORCH_COSINE = 0.98;
const rows = (vectors: readonly number[][]) => vectors.map((vector) => Float32Array.from(vector));

describe.each([
	['tiny bundle', tinyBundleFolder],
	['shipped bundle', shippedBundleFolder],
])('%s', (_, folder) => {
	let models: Models;
	let goldens: Goldens;
	beforeAll(async () => {
		models = await openModels(folder);
		goldens = await readGoldens(folder);
	});
	afterAll(() => models.dispose());

	test('tokenizer', () => {
		for (const { text, ids } of goldens.tokenizer) expect(models.tokenizer.encode(text)).toEqual(ids);
	});

	test('embedder', async () => {
		const embedder = await models.embedder();
		for (const { inputIds, onnx, pytorch } of goldens.embedder) {
			// The goldens hold the appended token already.
			const [vector] = (await embedder.embed([inputIds.slice(0, -1)])) as [Float32Array];
			expect(largestDifference(vector, onnx)).toBeLessThan(ROUNDED_VECTOR);
			expect(cosine(vector, pytorch)).toBeGreaterThan(PYTORCH_COSINE);
			expect(Math.hypot(...vector)).toBeCloseTo(1, 4);
		}
	});

	test('embedder: a batch gives each text the vector it has alone', async () => {
		const embedder = await models.embedder();
		const inputs = goldens.embedder.map(({ inputIds }) => inputIds.slice(0, -1));
		const together = await embedder.embed(inputs);
		for (const [i, input] of inputs.entries())
			expect([...(together[i] as Float32Array)]).toEqual([...((await embedder.embed([input]))[0] as Float32Array)]);
	});

	test('fuser', async () => {
		const fuser = await models.fuser();
		const parents = await fuser.fuse(goldens.fuser.map(({ children }) => rows(children)));
		for (const [i, { onnx, pytorch }] of goldens.fuser.entries()) {
			const parent = parents[i] as Float32Array;
			expect(largestDifference(parent, onnx)).toBeLessThan(ONNX_TOLERANCE);
			expect(cosine(parent, pytorch)).toBeGreaterThan(0.9999);
			expect(Math.hypot(...parent)).toBeCloseTo(1, 4);
			const [alone] = await fuser.fuse([rows(goldens.fuser[i]?.children ?? [])]);
			expect(largestDifference(parent, [...(alone as Float32Array)])).toBeLessThan(1e-5);
		}
	});

	test('projector', async () => {
		const { nodes, onnx, pytorch } = goldens.projector;
		const projected = (await (await models.projector('hef'))?.project(rows(nodes))) as Float32Array;
		expect(largestDifference(projected, onnx.flat())).toBeLessThan(ONNX_TOLERANCE);
		expect(cosine(projected, pytorch.flat())).toBeGreaterThan(0.9999);
	});

	test('generator: logits, and greedy tokens with a KV cache as without one', async () => {
		const generator = await models.generator();
		const projector = await models.projector('hef');
		for (const golden of goldens.generator) {
			const nodes = rows(goldens.projector.nodes.slice(0, golden.nodes));
			const embeddings = (await projector?.project(nodes)) as Float32Array;
			const pseudo: PromptPart = { kind: 'embeddings', keys: nodes.map((_, i) => `node ${i}`), embeddings };
			const prompt = [...(golden.nodes > 0 ? [pseudo] : []), tokens(golden.inputIds)];
			let { logits } = (await generator.prefill(prompt, neverCancelled)) as { logits: Float32Array };
			expect(
				largestDifference(
					Float32Array.from(golden.topIds, (id) => logits[id] as number),
					golden.topLogits,
				),
			).toBeLessThan(ROUNDED_LOGITS);
			for (const expected of golden.greedyOnnx) {
				const token = argmax(logits);
				if (token !== expected) {
					expect((logits[token] as number) - (logits[expected] as number)).toBeLessThan(ROUNDED_LOGITS);
					break;
				}
				logits = await generator.decode(token);
			}
		}
	});
});
