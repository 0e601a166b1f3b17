/**
 * What probes of execution providers found, kept in a file: trying a GPU takes seconds, and nothing changes from one start to
 * the next.
 *
 * Guarantees: a finding holds for a day at most, and only for the same runtime, driver, machine and model; a probe that got no
 * answer in time is tried again at the next start, for it says as much about the load as about the provider. A file that cannot
 * be read or written is no findings.
 */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { arch, cpus, platform, release } from 'node:os';
import { dirname } from 'node:path';
import { hashText } from '../base/ids.ts';
import { makeFolder } from '../base/make-folder.ts';
import type { ProbeResult } from './execution-providers.ts';
import type { ProviderName } from './session.ts';

export interface ProbeMemory {
	/** What is known, or what the probe finds now. */
	recall(provider: ProviderName, probe: () => Promise<ProbeResult>): Promise<ProbeResult>;
	/** A provider failed in use, so what was found about it does not hold. */
	forget(provider: string): Promise<void>;
}

export interface ProbeMemoryOptions {
	/** Absolute path. */
	file: string;
	/** All that a finding depends on. */
	key: string;
	/** Milliseconds since the epoch. */
	now(): number;
}

interface Finding {
	key: string;
	at: number;
	result: ProbeResult;
}

const VALID_MS = 24 * 3600 * 1000;
/** Where Linux says which NVIDIA driver is loaded. */
const DRIVER_FILE = '/proc/driver/nvidia/version';

export function createProbeMemory({ file, key, now }: ProbeMemoryOptions): ProbeMemory {
	const read = async (): Promise<Record<string, Finding>> => {
		try {
			return (JSON.parse(await readFile(file, 'utf8')) as Record<string, Finding> | null) ?? {};
		} catch {
			return {};
		}
	};
	const write = async (findings: Record<string, Finding>): Promise<void> => {
		const part = `${file}.${process.pid}`;
		try {
			makeFolder(dirname(file));
			await writeFile(part, JSON.stringify(findings, undefined, '\t'));
			await rename(part, file);
		} catch {
			// The next start probes again.
		}
	};

	return {
		async recall(provider, probe) {
			const known = (await read())[provider];
			if (known?.key === key && Math.abs(now() - known.at) < VALID_MS) return known.result;
			const result = await probe();
			if (result.works || !result.transient) await write({ ...(await read()), [provider]: { key, at: now(), result } });
			return result;
		},
		async forget(provider) {
			const { [provider]: gone, ...others } = await read();
			if (gone) await write(others);
		},
	};
}

/**
 * The runtime, the machine with its driver, and the model, as one key.
 * @param model names the generator's content
 * @param versions of whatever else matters
 */
export async function probeKey(model: string, versions: readonly string[]): Promise<string> {
	const driver = await readFile(DRIVER_FILE, 'utf8').catch(() => '');
	const drivers = ['VK_ICD_FILENAMES', 'VK_DRIVER_FILES', 'CUDA_VISIBLE_DEVICES'].map((name) => process.env[name] ?? '');
	const machine = [platform(), arch(), release(), cpus()[0]?.model ?? '', cpus().length.toString()];
	return hashText([model, ...versions, ...machine, driver, ...drivers].join('\n'));
}
