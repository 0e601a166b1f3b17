/**
 * Folders for stores that live as long as their process. What a killed process left behind is deleted by the next one that
 * needs such a folder.
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isRunning } from '../base/processes.ts';
import { areOnOneDisk } from './room.ts';

const PATTERN = /^hef-index-(\d+)-/;

/** A new folder of this process; the caller deletes it. */
export function makeTemporaryFolder(parent = tmpdir()): string {
	for (const name of readdirSync(parent)) {
		const pid = PATTERN.exec(name)?.[1];
		if (pid !== undefined && !isRunning(Number(pid))) removeQuietly(join(parent, name));
	}
	return mkdtempSync(join(parent, `hef-index-${process.pid}-`));
}

/** Whether such a folder has no more room than another one. */
export function isOnTemporaryDisk(folder: string): boolean {
	return areOnOneDisk(folder, tmpdir());
}

/** It may be another user's. */
function removeQuietly(path: string): void {
	try {
		rmSync(path, { recursive: true, force: true });
	} catch {}
}
