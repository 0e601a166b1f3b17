/**
 * What processes that read an index ask of the one that builds it: one small file for each request, in the workspace's cache
 * folder, deleted when it is taken.
 *
 * Deliberately lacks: answers. Who asked sees them in the store.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Knock {
	/** Relative paths to look at, or the whole folder. */
	paths: readonly string[] | 'all';
	reason: string;
	/** Empty the index first. */
	clear?: boolean;
}

const FOLDER = 'requests';

export function knock(folder: string, request: Knock): void {
	const requests = join(folder, FOLDER);
	mkdirSync(requests, { recursive: true });
	const name = `${process.pid}-${process.hrtime.bigint()}`;
	writeFileSync(join(requests, name), JSON.stringify(request));
	renameSync(join(requests, name), join(requests, `${name}.json`));
}

/** Takes all that was asked, oldest first. */
export function takeKnocks(folder: string): Knock[] {
	const requests = join(folder, FOLDER);
	const taken: Knock[] = [];
	for (const name of namesIn(requests)) {
		try {
			taken.push(JSON.parse(readFileSync(join(requests, name), 'utf8')) as Knock);
		} catch {
			// What cannot be read was not asked by this program.
		}
		rmSync(join(requests, name), { force: true });
	}
	return taken;
}

function namesIn(folder: string): string[] {
	try {
		return readdirSync(folder)
			.filter((name) => name.endsWith('.json'))
			.sort();
	} catch {
		return [];
	}
}
