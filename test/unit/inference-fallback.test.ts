import { expect, test } from 'vitest';
import { neverCancelled } from '../../server/base/cancellation.ts';
import { HefError } from '../../server/base/errors.ts';
import type { Logger } from '../../server/base/logger.ts';
import { argmax } from '../../server/inference/sampling.ts';
import { openSession, type SessionOptions } from '../../server/inference/session.ts';
import type { Generator, Models } from '../../server/inference/types.ts';
import { openModels, tinyBundleFolder, tokens } from '../support/tiny-bundle.ts';

const prompt = [tokens(Array.from({ length: 40 }, (_, i) => 20 + ((i * 37) % 300)))];

/** Opens everything on the CPU, but what is asked of `webgpu` fails from its n-th run on; a negative n fails at loading. */
function failingAfter(nRuns: number) {
	const opened: string[] = [];
	const open = async (options: SessionOptions) => {
		opened.push(options.provider);
		if (options.provider !== 'cpu' && nRuns < 0) throw new HefError('inference-failed', 'no device');
		const session = await openSession({ ...options, provider: 'cpu' });
		if (options.provider === 'cpu') return session;
		let runs = 0;
		return {
			...session,
			run: (...run: Parameters<typeof session.run>) =>
				runs++ >= nRuns ? Promise.reject(new HefError('inference-failed', 'device lost')) : session.run(...run),
		};
	};
	return { open, opened };
}

async function onWebGpu(nRuns: number): Promise<{ models: Models; opened: string[]; warnings: string[] }> {
	const { open, opened } = failingAfter(nRuns);
	const warnings: string[] = [];
	const logger: Logger = { error() {}, warn: (message) => warnings.push(message), info() {}, debug() {} };
	const choose = () => Promise.resolve({ name: 'webgpu' as const, why: 'for this test' });
	return { models: await openModels(tinyBundleFolder, { open, choose, logger }), opened, warnings };
}

async function generate(generator: Generator, nTokens: number): Promise<number[]> {
	let logits = (await generator.prefill(prompt, neverCancelled))?.logits as Float32Array;
	const ids: number[] = [];
	while (ids.length < nTokens) {
		ids.push(argmax(logits));
		logits = await generator.decode(ids.at(-1) as number);
	}
	return ids;
}

test('a provider lost in the middle of a generation costs neither the request nor the KV cache', async () => {
	const cpu = await openModels(tinyBundleFolder);
	const { models, warnings } = await onWebGpu(4);
	expect(await generate(await models.generator(), 10)).toEqual(await generate(await cpu.generator(), 10));
	expect(models.executionProvider).toMatchObject({ name: 'cpu', why: 'webgpu failed in use: device lost' });
	expect(warnings).toHaveLength(1);
	await Promise.all([models.dispose(), cpu.dispose()]);
});

test('a provider that cannot load the model falls back at once', async () => {
	const { models } = await onWebGpu(-1);
	expect(await generate(await models.generator(), 3)).toHaveLength(3);
	expect(models.executionProvider).toMatchObject({ name: 'cpu', why: 'webgpu failed in use: no device' });
	await models.dispose();
});

test('where the CPU cannot take over yet, the next run tries again', async () => {
	const { open } = failingAfter(0);
	let isFull = false;
	const openThere = (options: SessionOptions) =>
		isFull && options.provider === 'cpu' ? Promise.reject(new HefError('inference-failed', 'out of memory')) : open(options);
	const choose = () => Promise.resolve({ name: 'webgpu' as const, why: 'for this test' });
	const models = await openModels(tinyBundleFolder, { open: openThere, choose });
	const generator = await models.generator();
	isFull = true;
	await expect(generate(generator, 3)).rejects.toThrow('out of memory');
	isFull = false;
	expect(await generate(generator, 3)).toHaveLength(3);
	await models.dispose();
});

test('the other models follow to the CPU', async () => {
	const { models, opened, warnings } = await onWebGpu(1);
	const fuser = await models.fuser();
	const family = [Float32Array.from({ length: 32 }, () => 1)];
	await fuser.fuse([family]);
	await generate(await models.generator(), 3);
	expect(models.executionProvider.name).toBe('cpu');
	await fuser.fuse([family]);
	// Fuser and generator there, token embedding here, then generator and fuser here.
	expect(opened).toEqual(['webgpu', 'webgpu', 'cpu', 'cpu', 'cpu']);
	expect(warnings).toHaveLength(1);
	await models.dispose();
});

test('a failure on the CPU is the caller’s, and the cache claims no position of it', async () => {
	let fail = false;
	const open = async (options: SessionOptions) => {
		const session = await openSession(options);
		return {
			...session,
			run: (...run: Parameters<typeof session.run>) =>
				fail ? Promise.reject(new HefError('inference-failed', 'out of memory')) : session.run(...run),
		};
	};
	const models = await openModels(tinyBundleFolder, { open });
	const generator = await models.generator();
	const expected = await generate(generator, 4);
	generator.truncate(20);
	fail = true;
	await expect(generator.prefill(prompt, neverCancelled)).rejects.toMatchObject({ code: 'inference-failed' });
	fail = false;
	expect((await generator.prefill(prompt, neverCancelled))?.reused).toBe(20);
	generator.truncate(0);
	expect(await generate(generator, 4)).toEqual(expected);
	await models.dispose();
});

test('a model is loaded once for all who ask, and again after a failure', async () => {
	let attempts = 0;
	const open = (options: SessionOptions) =>
		++attempts === 1 ? Promise.reject(new HefError('inference-failed', 'busy')) : openSession(options);
	const models = await openModels(tinyBundleFolder, { open });
	await expect(models.embedder()).rejects.toThrow('busy');
	const [a, b] = await Promise.all([models.embedder(), models.embedder()]);
	expect(a).toBe(b);
	expect(attempts).toBe(2);
	await models.dispose();
});

test('a bundle without a projector has none', async () => {
	const models = await openModels(tinyBundleFolder);
	expect(await models.projector('llavacode')).toBeUndefined();
	expect(models.executionProvider.name).toBe('none');
	await models.dispose();
});
