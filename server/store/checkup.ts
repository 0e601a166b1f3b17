/**
 * Whether an environment may be opened in this process. LMDB trusts the pages that it maps: a flipped bit in one can end the
 * process that follows it. So a data file that did not come to rest here is first read from end to end in a child process.
 *
 * Guarantees: a file that was closed in order and not touched since is taken as it is, at the cost of one `stat`; anything
 * else, also what a killed process left, is read by a child, which may crash or hang.
 *
 * Deliberately lacks: repair, and protection from a disk that changes bytes behind the back of its own time stamps; the crash
 * which that may cost is found by the next start.
 */
import { execFile } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { messageOf } from '../base/errors.ts';

const DATA_FILE = 'data.mdb';
const MARKER_FILE = 'closed.json';
const SUSPECT_FILE = 'suspect.txt';
const LEAST_TIME_MS = 20_000;
/** Far slower than any disk, for a file that is not in memory. */
const BYTES_PER_MS = 10_000;
const LONGEST_COMPLAINT = 200;

/** Exit code of the child for a file whose pages are not in order. */
export const DAMAGED_EXIT_CODE = 3;

/** Notes that the environment at `path` was closed in order. */
export function markClosed(path: string): void {
	try {
		writeFileSync(join(path, MARKER_FILE), JSON.stringify(fingerprint(path)));
	} catch {
		// Without the note the next start reads the file.
	}
}

/** Notes what went wrong in a write: the next opening begins anew. */
export function markSuspect(path: string, why: string): void {
	try {
		writeFileSync(join(path, SUSPECT_FILE), why);
	} catch {
		// A disk that is full besides: reading through the file has to find it.
	}
}

/** What {@link markSuspect} noted. */
export function suspicion(path: string): string | undefined {
	try {
		return readFileSync(join(path, SUSPECT_FILE), 'utf8');
	} catch {
		return undefined;
	}
}

/** Whether the data file is as it was when it was last closed in order. */
export function wasClosedInOrder(path: string): boolean {
	try {
		return readFileSync(join(path, MARKER_FILE), 'utf8') === JSON.stringify(fingerprint(path));
	} catch {
		return false;
	}
}

function fingerprint(path: string): { size: string; mtimeNs: string; ino: string } {
	const { size, mtimeNs, ino } = statSync(join(path, DATA_FILE), { bigint: true });
	return { size: String(size), mtimeNs: String(mtimeNs), ino: String(ino) };
}

/** What is wrong with the pages of the environment at `path`, which nobody else writes now; undefined when nothing is. */
export function findDamage(path: string): Promise<string | undefined> {
	const timeout = Math.round(LEAST_TIME_MS + statSync(join(path, DATA_FILE)).size / BYTES_PER_MS);
	const options = { timeout, killSignal: 'SIGKILL', maxBuffer: 1 << 20 } as const;
	return new Promise((resolve) => {
		execFile(process.execPath, [childScript(), path], options, (error, _stdout, stderr) => {
			if (!error) return resolve(undefined);
			if (error.killed) return resolve(`it could not be read within ${Math.round(timeout / 1000)} s`);
			if (error.signal) return resolve(`reading it ends in ${error.signal}`);
			if (error.code === DAMAGED_EXIT_CODE)
				return resolve(stderr.trim().replaceAll(/\s+/g, ' ').slice(-LONGEST_COMPLAINT) || messageOf(error));
			// The child itself did not come up: nothing is known, and opening goes on.
			resolve(undefined);
		});
	});
}

/** The compiled program, also when this module itself runs from its source, as it does in tests. */
function childScript(): string {
	const fromSource = import.meta.url.endsWith('.ts');
	return fileURLToPath(new URL(fromSource ? '../dist/store/checkup-child.js' : './checkup-child.js', import.meta.url));
}
