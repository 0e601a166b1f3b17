import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadBundle } from '../../server/inference/bundle.ts';
import { chooseExecutionProvider, type Machine, type ProbeResult } from '../../server/inference/execution-providers.ts';
import { probeProvider } from '../../server/inference/probe.ts';
import { tinyBundleFolder } from '../support/tiny-bundle.ts';

const linux: Machine = { platform: 'linux', env: {}, backends: ['cpu', 'webgpu', 'cuda'], exists: () => false };
const withGpu: Machine = { ...linux, exists: (path) => path === '/dev/dri' || path === '/dev/nvidia0' };

/** A probe with given findings, and the providers it was asked about. */
function probing(findings: Record<string, ProbeResult>) {
	const asked: string[] = [];
	const probe = (provider: string) => {
		asked.push(provider);
		return Promise.resolve(findings[provider] ?? { works: false as const, why: 'not expected' });
	};
	return { asked, probe };
}

describe('auto', () => {
	test('starts nothing where there is no device', async () => {
		const { asked, probe } = probing({});
		const choice = await chooseExecutionProvider({ setting: 'auto', machine: linux, probe });
		expect(choice.name).toBe('cpu');
		expect(choice.why).toBe(
			'cuda: no NVIDIA device (/dev/nvidia0); webgpu: no graphics device (/dev/dri) and no Vulkan driver named (VK_ICD_FILENAMES); cpu: always works',
		);
		expect(asked).toEqual([]);
	});

	test('takes the first that works, and keeps the reasons of those before it', async () => {
		const { probe } = probing({ cuda: { works: false, why: 'the driver crashed (SIGSEGV)' }, webgpu: { works: true, speedup: 3 } });
		const choice = await chooseExecutionProvider({ setting: 'auto', machine: withGpu, probe });
		expect(choice).toEqual({
			name: 'webgpu',
			why: "cuda: the driver crashed (SIGSEGV); webgpu: gives the CPU's result 3.0 times as fast",
		});
	});

	test('passes over what is slower than the CPU', async () => {
		const { probe } = probing({ webgpu: { works: true, speedup: 0.25 } });
		const choice = await chooseExecutionProvider({ setting: 'auto', machine: { ...withGpu, backends: ['cpu', 'webgpu'] }, probe });
		expect(choice.name).toBe('cpu');
		expect(choice.why).toBe(
			'cuda: not in this build of ONNX Runtime for linux; webgpu: works, but takes 4.0 times as long as the CPU; cpu: always works',
		);
	});

	test('a Vulkan driver that the user names is probed', async () => {
		const { asked, probe } = probing({ webgpu: { works: true, speedup: 2 } });
		await chooseExecutionProvider({ setting: 'auto', machine: { ...linux, env: { VK_ICD_FILENAMES: '/a.json' } }, probe });
		expect(asked).toEqual(['webgpu']);
	});

	test.each([
		['win32', ['dml', 'webgpu']],
		['darwin', ['coreml', 'webgpu']],
		['freebsd', []],
	] as const)('on %s it asks %s', async (platform, expected) => {
		const { asked, probe } = probing({});
		await chooseExecutionProvider({
			setting: 'auto',
			machine: { ...linux, platform, backends: ['dml', 'coreml', 'webgpu', 'cpu'] },
			probe,
		});
		expect(asked).toEqual(expected);
	});
});

describe('an explicit provider', () => {
	test('cpu is taken without a look at anything', async () => {
		const { asked, probe } = probing({});
		expect((await chooseExecutionProvider({ setting: 'cpu', machine: withGpu, probe })).name).toBe('cpu');
		expect(asked).toEqual([]);
	});

	test('is taken even when it is slower', async () => {
		const { probe } = probing({ webgpu: { works: true, speedup: 0.1 } });
		expect((await chooseExecutionProvider({ setting: 'webgpu', machine: withGpu, probe })).name).toBe('webgpu');
	});

	test('that fails falls back to the CPU with the reason', async () => {
		const { probe } = probing({ cuda: { works: false, why: 'no answer within 30 s' } });
		expect(await chooseExecutionProvider({ setting: 'cuda', machine: withGpu, probe })).toEqual({
			name: 'cpu',
			why: 'cuda is chosen in the settings, but does not work: no answer within 30 s',
		});
		const elsewhere = await chooseExecutionProvider({ setting: 'dml', machine: withGpu, probe });
		expect(elsewhere.why).toContain('not in this build of ONNX Runtime');
	});
});

test('the probe program finds that the CPU computes what the CPU computes', async () => {
	const { manifest, path } = await loadBundle(tinyBundleFolder);
	const task = { generatorPath: path(manifest.generator.file), tokenEmbeddingPath: path(manifest.tokenEmbedding.file) };
	const found = await probeProvider({ ...task, provider: 'cpu', threads: 1, generator: manifest.generator, timeoutMs: 30_000 });
	expect(found).toEqual({ works: true, speedup: expect.any(Number) });
});

test('the probe program says which file it could not load', async () => {
	const { manifest } = await loadBundle(tinyBundleFolder);
	const task = { generatorPath: '/nowhere/generator.onnx', tokenEmbeddingPath: '' };
	const found = await probeProvider({ ...task, provider: 'cpu', threads: 1, generator: manifest.generator, timeoutMs: 30_000 });
	expect(found).toMatchObject({ works: false, why: expect.stringContaining('generator.onnx cannot be loaded on cpu') });
});

describe('the probe survives', () => {
	/** What is found when the child is this program. */
	async function probeWith(program: string, timeoutMs = 20_000): Promise<ProbeResult> {
		const folder = await mkdtemp(join(tmpdir(), 'hef-probe-'));
		try {
			const script = join(folder, 'child.mjs');
			await writeFile(script, program);
			const generator = {
				file: '',
				precision: '',
				hiddenSize: 1,
				layers: 1,
				kvHeads: 1,
				headDim: 1,
				vocabSize: 1,
				maxPositions: 1,
				stopTokens: [],
			};
			return await probeProvider({
				provider: 'webgpu',
				threads: 1,
				generatorPath: '',
				tokenEmbeddingPath: '',
				generator,
				timeoutMs,
				script,
			});
		} finally {
			await rm(folder, { recursive: true });
		}
	}

	test('a driver that crashes', async () => {
		expect(await probeWith("process.kill(process.pid, 'SIGSEGV'); setInterval(() => {}, 1000);")).toEqual({
			works: false,
			why: 'the driver crashed (SIGSEGV)',
		});
	});

	test('a driver that hangs', async () => {
		expect(await probeWith('for (;;);', 300)).toEqual({ works: false, why: 'no answer within 0.3 s', transient: true });
	});

	test('a program that fails, or says nothing that can be read', async () => {
		expect(await probeWith("console.error('no such\\n library'); process.exit(3)")).toEqual({ works: false, why: 'no such library' });
		expect(await probeWith("console.log('hello')")).toMatchObject({ works: false, why: 'the probe gave no answer: hello' });
	});

	test('a driver that prints before the answer', async () => {
		expect(await probeWith('console.log(\'driver 1.0\'); console.log(\'{"works":true,"speedup":2}\')')).toEqual({
			works: true,
			speedup: 2,
		});
	});
});
