/**
 * WebGPU gives the CPU's tokens. Runs on a software Vulkan device where there is no other: Debian's `chromium` and `libvulkan1`
 * bring SwiftShader, and `VK_ICD_FILENAMES` names it.
 */
import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { neverCancelled } from '../../server/base/cancellation.ts';
import { loadBundle } from '../../server/inference/bundle.ts';
import { probeProvider } from '../../server/inference/probe.ts';
import { argmax } from '../../server/inference/sampling.ts';
import type { Models } from '../../server/inference/types.ts';
import { largestDifference, openModels, readGoldens, tinyBundleFolder, tokens } from '../support/tiny-bundle.ts';

const SWIFTSHADER = '/usr/lib/chromium/vk_swiftshader_icd.json';
if (!process.env.VK_ICD_FILENAMES && existsSync(SWIFTSHADER)) process.env.VK_ICD_FILENAMES = SWIFTSHADER;
const isDeviceThere = (process.env.VK_ICD_FILENAMES ?? '').split(':').some(existsSync);

/** Greedy tokens and the logits that each was chosen from. */
async function generate(models: Models, ids: readonly number[], nTokens: number): Promise<{ ids: number[]; logits: Float32Array[] }> {
	const generator = await models.generator();
	const logits = [(await generator.prefill([tokens(ids)], neverCancelled))?.logits as Float32Array];
	const chosen: number[] = [];
	while (chosen.length < nTokens) {
		chosen.push(argmax(logits.at(-1) as Float32Array));
		logits.push(await generator.decode(chosen.at(-1) as number));
	}
	return { ids: chosen, logits };
}

const onWebGpu = () => openModels(tinyBundleFolder, { choose: () => Promise.resolve({ name: 'webgpu' as const, why: 'for this test' }) });

test.runIf(isDeviceThere)('the generator writes the same tokens on WebGPU as on the CPU', { timeout: 180_000 }, async () => {
	const goldens = await readGoldens(tinyBundleFolder);
	const [there, here] = [await onWebGpu(), await openModels(tinyBundleFolder)];
	for (const { inputIds } of goldens.generator) {
		const expected = await generate(here, inputIds, 8);
		const actual = await generate(there, inputIds, 8);
		expect(actual.ids).toEqual(expected.ids);
		for (const [i, logits] of actual.logits.entries())
			expect(largestDifference(logits, expected.logits[i] as Float32Array)).toBeLessThan(1e-3);
	}
	// Not by falling back.
	expect(there.executionProvider.name).toBe('webgpu');
	await Promise.all([there.dispose(), here.dispose()]);
});

test.runIf(isDeviceThere)('vectors do not depend on the provider', { timeout: 180_000 }, async () => {
	const [there, here] = [await onWebGpu(), await openModels(tinyBundleFolder)];
	const goldens = await readGoldens(tinyBundleFolder);
	const inputs = goldens.embedder.map(({ inputIds }) => inputIds);
	const families = goldens.fuser.map(({ children }) => children.map((child) => Float32Array.from(child)));
	const vectorsOf = async (models: Models) => [
		...(await (await models.embedder()).embed(inputs)),
		...(await (await models.fuser()).fuse(families)),
	];
	const expected = await vectorsOf(here);
	for (const [i, vector] of (await vectorsOf(there)).entries())
		expect(largestDifference(vector, expected[i] as Float32Array)).toBeLessThan(1e-3);
	expect(there.executionProvider.name).toBe('webgpu');
	await Promise.all([there.dispose(), here.dispose()]);
});

test.runIf(isDeviceThere)('the probe finds that WebGPU works', { timeout: 180_000 }, async () => {
	const { manifest, path } = await loadBundle(tinyBundleFolder);
	const found = await probeProvider({
		provider: 'webgpu',
		threads: 1,
		generatorPath: path(manifest.generator.file),
		tokenEmbeddingPath: path(manifest.tokenEmbedding.file),
		generator: manifest.generator,
		timeoutMs: 120_000,
	});
	expect(found).toMatchObject({ works: true });
});

test.skipIf(isDeviceThere)('left out: no Vulkan device for WebGPU (install chromium and libvulkan1, or set VK_ICD_FILENAMES)', () => {});
