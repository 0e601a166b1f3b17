/**
 * Opening an LMDB environment.
 *
 * Guarantees: a full disk is an error, never the end of the process. LMDB opens databases in a write transaction and holds the
 * thread until it gets the lock: others only wait a moment, because nobody has the lock beyond a turn of the event loop.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Database, RootDatabase } from 'lmdb';
import { makeFolder } from '../base/make-folder.ts';
import { assertRoomToBegin } from './room.ts';

/** Its one file for `require` loads in half the time of its modules. */
const { open } = createRequire(import.meta.url)('lmdb') as typeof import('lmdb');

export interface Environment {
	path: string;
	root: RootDatabase<string, string>;
	files: Database<Buffer, Buffer>;
	vectors: Database<Buffer, Buffer>;
}

export const DATA_FILE = 'data.mdb';
const LOCK_FILE = 'lock.mdb';

/** Opens the environment in exactly this folder, or makes one. Throws what LMDB throws. */
export function openEnvironment(path: string, mode: { readOnly?: boolean; noSync?: boolean } = {}): Environment {
	const isNew = !existsSync(join(path, DATA_FILE));
	if (mode.readOnly && isNew) throw new Error('there is no index');
	if (!mode.readOnly) {
		makeFolder(path);
		if (isNew || !existsSync(join(path, LOCK_FILE))) assertRoomToBegin(path);
	}
	const root = open<string, string>({ path, noSubdir: false, maxDbs: 4, encoding: 'string', cache: false, ...mode });
	const binary = { encoding: 'binary', keyEncoding: 'binary', cache: false } as const;
	const databases = () => ({
		files: root.openDB<Buffer, Buffer>({ name: 'files', ...binary }),
		vectors: root.openDB<Buffer, Buffer>({ name: 'vectors', ...binary }),
	});
	// Making each waits for the disk, unless they are made together.
	return { path, root, ...(isNew ? root.transactionSync(databases) : databases()) };
}
