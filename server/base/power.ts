/**
 * Whether the machine runs on its battery, where the system says so in files (Linux). Elsewhere, and where there is no battery,
 * it does not.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from './clock.ts';

export interface PowerSource {
	/** Looked up at most every half minute. */
	onBattery(): boolean;
}

const LOOK_AGAIN_MS = 30_000;

/** @param options.folder where the kernel lists power supplies; replaced in tests */
export function createPowerSource({ clock, folder = '/sys/class/power_supply' }: { clock: Clock; folder?: string }): PowerSource {
	let lookedAt: number | undefined;
	let onBattery = false;
	return {
		onBattery() {
			const now = clock.elapsed();
			if (lookedAt !== undefined && now - lookedAt < LOOK_AGAIN_MS) return onBattery;
			lookedAt = now;
			onBattery = isDischarging(folder);
			return onBattery;
		},
	};
}

/** A battery of the machine itself is being emptied, and no mains supply is on. Mice and headsets have batteries of their own. */
function isDischarging(folder: string): boolean {
	let discharging = false;
	for (const name of namesIn(folder)) {
		const read = (file: string) => readLine(join(folder, name, file));
		const type = read('type');
		if (type === 'Mains' && read('online') === '1') return false;
		if (type === 'Battery' && read('scope') !== 'Device' && read('status') === 'Discharging') discharging = true;
	}
	return discharging;
}

function namesIn(folder: string): string[] {
	try {
		return readdirSync(folder);
	} catch {
		return [];
	}
}

function readLine(path: string): string {
	try {
		return readFileSync(path, 'utf8').trim();
	} catch {
		return '';
	}
}
