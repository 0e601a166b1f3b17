/**
 * Chooses where models run, and says why.
 *
 * Guarantees: a provider is chosen only after a short generation in a process of its own gave the CPU's result, so that a
 * driver that crashes, hangs or computes rubbish costs a sentence in the status and nothing else; the CPU is always there.
 * Where there is no device nothing is started. Deliberately lacks: what happens when a provider fails later
 * (`fallback-session.ts`).
 */
import { existsSync } from 'node:fs';
import type { ExecutionProviderSetting } from 'hef-shared';
import type { ProviderName } from './session.ts';

/** What `auto` tries on each platform before the CPU, the first first. */
const CANDIDATES: Partial<Record<NodeJS.Platform, readonly ProviderName[]>> = {
	linux: ['cuda', 'webgpu'],
	win32: ['dml', 'webgpu'],
	darwin: ['coreml', 'webgpu'],
};
const NVIDIA_DEVICES = ['/dev/nvidia0', '/dev/nvidiactl', '/dev/dxg'];
const LINUX_GPU_DEVICES = ['/dev/dri', ...NVIDIA_DEVICES];
/** Variables by which a user names a Vulkan driver, e.g. a software one. */
const VULKAN_VARIABLES = ['VK_ICD_FILENAMES', 'VK_DRIVER_FILES'];

/** What a probe found. `speedup`: the CPU's time by the provider's, for the same short generation. */
export type ProbeResult =
	| { works: true; speedup: number }
	| { works: false; why: string /** It may work another time: there was no answer. */; transient?: true };

export interface Machine {
	platform: NodeJS.Platform;
	env: Readonly<Record<string, string | undefined>>;
	/** Providers that this build of ONNX Runtime knows. */
	backends: readonly string[];
	exists(path: string): boolean;
}

export interface ExecutionProviderChoice {
	name: ProviderName;
	/** One sentence a reason, those for the providers that were passed over first. */
	why: string;
}

export interface ChooseOptions {
	setting: ExecutionProviderSetting;
	machine: Machine;
	/** Tries a provider without endangering this process; never rejects. */
	probe(provider: ProviderName): Promise<ProbeResult>;
}

export function thisMachine(backends: readonly string[]): Machine {
	return { platform: process.platform, env: process.env, backends, exists: existsSync };
}

/** The provider to use. Never fails: whatever goes wrong is a reason for the CPU. */
export async function chooseExecutionProvider({ setting, machine, probe }: ChooseOptions): Promise<ExecutionProviderChoice> {
	if (setting === 'cpu') return { name: 'cpu', why: 'chosen in the settings' };
	if (setting !== 'auto') return chooseExplicit(setting, machine, probe);
	const passedOver: string[] = [];
	for (const name of CANDIDATES[machine.platform] ?? []) {
		const obstacle = missingBackend(name, machine) ?? missingDevice(name, machine);
		const result: ProbeResult = obstacle ? { works: false, why: obstacle } : await probe(name);
		if (result.works && result.speedup >= 1) {
			return { name, why: [...passedOver, `${name}: gives the CPU's result ${result.speedup.toFixed(1)} times as fast`].join('; ') };
		}
		passedOver.push(
			`${name}: ${result.works ? `works, but takes ${(1 / result.speedup).toFixed(1)} times as long as the CPU` : result.why}`,
		);
	}
	return { name: 'cpu', why: [...passedOver, 'cpu: always works'].join('; ') };
}

async function chooseExplicit(name: ProviderName, machine: Machine, probe: ChooseOptions['probe']): Promise<ExecutionProviderChoice> {
	const obstacle = missingBackend(name, machine);
	const result: ProbeResult = obstacle ? { works: false, why: obstacle } : await probe(name);
	return result.works
		? { name, why: "chosen in the settings, gives the CPU's result" }
		: { name: 'cpu', why: `${name} is chosen in the settings, but does not work: ${result.why}` };
}

function missingBackend(name: ProviderName, { backends, platform }: Machine): string | undefined {
	return backends.includes(name) ? undefined : `not in this build of ONNX Runtime for ${platform}`;
}

/** Why it is known, without starting anything, that no device is there. Elsewhere than on Linux only a probe can tell. */
function missingDevice(name: ProviderName, { platform, env, exists }: Machine): string | undefined {
	if (platform !== 'linux') return undefined;
	if (name === 'cuda') return NVIDIA_DEVICES.some(exists) ? undefined : 'no NVIDIA device (/dev/nvidia0)';
	const isThere = LINUX_GPU_DEVICES.some(exists) || VULKAN_VARIABLES.some((variable) => env[variable]);
	return isThere ? undefined : 'no graphics device (/dev/dri) and no Vulkan driver named (VK_ICD_FILENAMES)';
}
