/**
 * Opening an LMDB environment.
 *
 * Guarantees: a thread opens a file once, and whoever opens it again shares what is open, until the last one closes it. LMDB opens
 * databases in a write transaction and holds the thread until it gets the lock. Had it the lock for a write of this very thread,
 * which waits for the thread to say what is written, neither would ever go on. Other threads and processes only wait a moment.
 */
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Database, RootDatabase } from 'lmdb';

/** Its one file for `require` loads in half the time of its modules. */
const { open } = createRequire(import.meta.url)('lmdb') as typeof import('lmdb');

export interface Environment {
	path: string;
	root: RootDatabase<string, string>;
	files: Database<Buffer, Buffer>;
	vectors: Database<Buffer, Buffer>;
	/** Others of this thread may go on with the same `root`, so that it is not to be closed itself. */
	close(): Promise<void>;
}

export const DATA_FILE = 'data.mdb';

type Databases = Pick<Environment, 'root' | 'files' | 'vectors'>;

/** What is open in this thread, by {@link fileKey}. */
const shared = new Map<string, { databases: Databases; users: number }>();

/** Opens the environment in exactly this folder, or makes one. Throws what LMDB throws. */
export function openEnvironment(path: string): Environment {
	const known = shared.get(fileKey(path) ?? '');
	const opened = known ?? { databases: openDatabases(path), users: 0 };
	const key = fileKey(path);
	if (!known && key !== undefined) shared.set(key, opened);
	opened.users++;
	let closed: Promise<void> | undefined;
	const letGo = async () => {
		if (--opened.users > 0) return;
		if (key !== undefined) shared.delete(key);
		await opened.databases.root.close();
	};
	return { path, ...opened.databases, close: () => (closed ??= letGo()) };
}

/** For a process that does nothing else with the file. */
export function openAlone(path: string, mode: { readOnly?: boolean; noSync?: boolean }): Environment {
	if (mode.readOnly && !existsSync(join(path, DATA_FILE))) throw new Error('there is no index');
	const databases = openDatabases(path, mode);
	return { path, ...databases, close: () => databases.root.close() };
}

/** Which file it is, as LMDB tells them apart; undefined when there is none. */
function fileKey(path: string): string | undefined {
	const stats = statSync(join(path, DATA_FILE), { bigint: true, throwIfNoEntry: false });
	return stats && `${stats.dev} ${stats.ino}`;
}

function openDatabases(path: string, mode: { readOnly?: boolean; noSync?: boolean } = {}): Databases {
	if (!mode.readOnly) mkdirSync(path, { recursive: true });
	const isNew = !existsSync(join(path, DATA_FILE));
	const root = open<string, string>({ path, noSubdir: false, maxDbs: 4, encoding: 'string', cache: false, ...mode });
	const binary = { encoding: 'binary', keyEncoding: 'binary', cache: false } as const;
	const databases = () => ({
		files: root.openDB<Buffer, Buffer>({ name: 'files', ...binary }),
		vectors: root.openDB<Buffer, Buffer>({ name: 'vectors', ...binary }),
	});
	// Making each waits for the disk, unless they are made together.
	return { root, ...(isNew ? root.transactionSync(databases) : databases()) };
}
