/** Whether the disk has room, which LMDB does not say well and cannot live without; and how to do without it. */
import { closeSync, constants, ftruncateSync, openSync, rmSync, statfsSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** LMDB needs a few pages to begin with. */
const BEGINNING_BYTES = 1 << 16;
/** Less than one write may take. */
const LITTLE_BYTES = 16 << 20;
/** More than the notes that are kept in one place. */
const PLACE_BYTES = 512;

/**
 * To be called before LMDB makes an environment in a folder: it maps a file that has holes as yet, and brings the process down
 * where the disk cannot fill them.
 * @throws the system's error when there is not even room for that
 */
export function assertRoomToBegin(folder: string): void {
	const file = join(folder, 'room');
	try {
		writeFileSync(file, Buffer.alloc(BEGINNING_BYTES));
	} finally {
		rmSync(file, { force: true });
	}
}

/** Whether a folder's disk has room for ordinary writes, and for so many bytes beside them. */
export function hasRoom(folder: string, moreBytes = 0): boolean {
	try {
		const { bavail, bsize } = statfsSync(folder);
		if (bavail * bsize < LITTLE_BYTES + moreBytes) return false;
		// A quota shows in a write alone.
		assertRoomToBegin(folder);
		return true;
	} catch {
		return false;
	}
}

export function areOnOneDisk(one: string, other: string): boolean {
	return deviceOf(one) === deviceOf(other);
}

/** Of the folder, or of the nearest one above it that there is. */
function deviceOf(folder: string): number {
	return statSync(folder, { throwIfNoEntry: false })?.dev ?? deviceOf(dirname(folder));
}

/** Writes a small file where it lies, if there is one: that needs no room. */
export function writeInPlace(path: string, text: string): void {
	const file = openSync(path, constants.O_WRONLY | constants.O_CREAT);
	try {
		ftruncateSync(file, writeSync(file, text.padEnd(PLACE_BYTES), 0));
	} finally {
		closeSync(file);
	}
}

/** Whether what somebody said of a failed write to a folder means that its disk is full. */
export function isForWantOfRoom(complaint: string, folder: string): boolean {
	if (/ENOSPC|EDQUOT|No space left|quota exceeded/i.test(complaint)) return true;
	// What LMDB makes of a write that ends early, as the one does that fills the disk, and of a disk that fails.
	return /Input\/output error/i.test(complaint) && !hasRoom(folder);
}
