/**
 * Reading an environment that is not at rest. LMDB trusts the pages that it maps: a flipped bit in one can end the process that
 * follows it, or make a write wait for ever. So such a file is read, and what is intact of it copied, by a child process.
 *
 * Guarantees: the file itself is opened for reading only, and in the child only, which may crash or hang, and
 * which ends even when this process does not live to end it. Every entry that is
 * copied passed the checksum that ties it to its key.
 */
import { execFile } from 'node:child_process';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { messageOf } from '../base/errors.ts';

const LEAST_TIME_MS = 20_000;
/** Far slower than any disk, for a file that is not in memory. */
const BYTES_PER_MS = 10_000;
/** How much longer a child lives whose parent is gone. */
const ORPHAN_MS = 5000;
const LONGEST_COMPLAINT = 200;

/** Exit code of the child for a file that it cannot read at all. */
export const UNREADABLE_EXIT_CODE = 3;

/** What the child found. */
export interface Findings {
	/** Entries that pass their checksum. */
	intact: number;
	/** Entries that do not. */
	damaged: number;
	/** Why not everything could be read. */
	disorder?: string;
}

export type Checkup = Findings | { unreadable: string };

/**
 * Reads the environment at `path`, which nobody writes now.
 * @param target a folder in which what is intact becomes an environment of its own, on disk when this resolves
 * @param leastMs time that a small file is given
 * @throws Error when the child did not come up, or could not write
 */
export function checkUp(path: string, target?: string, leastMs = LEAST_TIME_MS): Promise<Checkup> {
	const timeout = Math.round(leastMs + statSync(join(path, 'data.mdb')).size / BYTES_PER_MS);
	const ownDeadline = String(timeout + ORPHAN_MS);
	const options = { timeout, killSignal: 'SIGKILL', maxBuffer: 1 << 20 } as const;
	return new Promise((resolve, reject) => {
		execFile(process.execPath, [childScript(), path, ownDeadline, ...(target ? [target] : [])], options, (error, stdout, stderr) => {
			const complaint = stderr.trim().replaceAll(/\s+/g, ' ').slice(-LONGEST_COMPLAINT);
			if (!error) resolve(JSON.parse(stdout) as Findings);
			else if (error.killed) resolve({ unreadable: `it could not be read within ${Math.round(timeout / 1000)} s` });
			else if (error.signal) resolve({ unreadable: `reading it ends in ${error.signal}` });
			else if (error.code === UNREADABLE_EXIT_CODE) resolve({ unreadable: complaint || messageOf(error) });
			else reject(new Error(`it could not be checked: ${complaint || messageOf(error)}`));
		});
	});
}

/** The compiled program, also when this module itself runs from its source, as it does in tests. */
function childScript(): string {
	const fromSource = import.meta.url.endsWith('.ts');
	return fileURLToPath(new URL(fromSource ? '../dist/store/checkup-child.js' : './checkup-child.js', import.meta.url));
}
