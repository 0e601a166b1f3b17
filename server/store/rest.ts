/**
 * Whether a data file is at rest: its last write came to an end, and nothing has touched the file since. A note beside the file
 * says so: it is made blank before each write and written again after it, with the size, time and inode that the file has then.
 *
 * Guarantees: a process that is killed between two writes leaves a file at rest, one that is killed or crashes in a write does
 * not, and neither does whatever changes the file from outside. Of a file that {@link UNCLOSED_LIMIT} processes in a row did
 * not close, nothing is believed: one that its pages bring down would begin with them again.
 *
 * Deliberately lacks: protection from a disk that changes bytes behind the back of its own time stamps, but for that limit.
 */
import { readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { writeInPlace } from './room.ts';

const DATA_FILE = 'data.mdb';
const NOTE_FILE = 'at-rest.json';
const UNCLOSED_LIMIT = 3;

interface Note {
	size: string;
	mtimeNs: string;
	ino: string;
	/** Processes that opened the file for writing since one last closed it. */
	unclosed: number;
}

/** Notes that the file at `path` is at rest; `unclosed` is 0 when it was closed. */
export function noteRest(path: string, unclosed: number): void {
	try {
		writeInPlace(join(path, NOTE_FILE), JSON.stringify({ ...fingerprint(path), unclosed }));
	} catch {
		// Without the note the next start reads the file through.
	}
}

/** Notes that the file is about to change, or cannot be believed. */
export function noteUnrest(path: string): void {
	try {
		writeInPlace(join(path, NOTE_FILE), '');
	} catch {
		rmSync(join(path, NOTE_FILE), { force: true });
	}
}

export function isAtRest(path: string): boolean {
	const note = readNote(path);
	if (!note || note.unclosed >= UNCLOSED_LIMIT) return false;
	const { size, mtimeNs, ino } = fingerprint(path);
	return note.size === size && note.mtimeNs === mtimeNs && note.ino === ino;
}

/** Counts this process among those that opened the file. Returns their number. */
export function noteOpened(path: string): number {
	const unclosed = (readNote(path)?.unclosed ?? 0) + 1;
	if (isAtRest(path)) noteRest(path, unclosed);
	return unclosed;
}

function readNote(path: string): Note | undefined {
	try {
		return JSON.parse(readFileSync(join(path, NOTE_FILE), 'utf8')) as Note;
	} catch {
		return undefined;
	}
}

function fingerprint(path: string): Omit<Note, 'unclosed'> {
	const { size, mtimeNs, ino } = statSync(join(path, DATA_FILE), { bigint: true });
	return { size: String(size), mtimeNs: String(mtimeNs), ino: String(ino) };
}
