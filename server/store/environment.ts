/**
 * Finding, checking and opening LMDB environments. A workspace's cache folder holds one environment, in a folder
 * `index-<n>`; clearing begins `index-<n+1>`, so that a reader which still maps the old file is never cut off from it.
 *
 * Guarantees: a file that LMDB refuses, that was cut short, or whose pages are not in order is moved aside (`damaged`, one
 * kept) and reported, never opened: LMDB maps the file, and following a damaged page would end the process.
 */
import { appendFileSync, closeSync, existsSync, mkdirSync, openSync, readdirSync, readSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Database, open, type RootDatabase } from 'lmdb';
import { HefError, messageOf } from '../base/errors.ts';
import { findDamage, suspicion, wasClosedInOrder } from './checkup.ts';

export interface Environment {
	path: string;
	root: RootDatabase<string, string>;
	files: Database<Buffer, Buffer>;
	vectors: Database<Buffer, Buffer>;
}

const FOLDER_PATTERN = /^index-(\d+)$/;
const DAMAGED = 'damaged';
const MAKING = 'compacting';
const DATA_FILE = 'data.mdb';
/** Of the vector index; it stays true to the content. */
const SNAPSHOT = 'hnsw';

/** Opens the newest environment below `folder`, or makes one. `recovered` gets a sentence for each repair. */
export async function openNewest(folder: string, recovered: string[]): Promise<Environment> {
	const generations = generationsIn(folder);
	const newest = generations.at(-1) ?? 1;
	for (const old of generations.slice(0, -1)) removeQuietly(join(folder, `index-${old}`));
	removeQuietly(join(folder, MAKING));
	const path = join(folder, `index-${newest}`);
	const problem = await problemWith(path);
	if (problem === undefined) {
		try {
			return openEnvironment(path);
		} catch (error) {
			if (!isDamage(error)) throw error;
			setAside(folder, path, messageOf(error), recovered);
		}
	} else setAside(folder, path, problem, recovered);
	return openEnvironment(join(folder, `index-${newest + 1}`));
}

/** What is wrong with the environment at `path`, which nobody writes now; undefined when it may be opened. */
export async function problemWith(path: string): Promise<string | undefined> {
	const file = join(path, DATA_FILE);
	if (!existsSync(file)) return undefined;
	return suspicion(path) ?? checkFile(file) ?? (wasClosedInOrder(path) ? undefined : await findDamage(path));
}

/** The environment that {@link openNewest} would open; undefined when there is none. */
export function newestEnvironment(folder: string): string | undefined {
	const newest = generationsIn(folder).at(-1);
	const path = newest === undefined ? undefined : join(folder, `index-${newest}`);
	return path && existsSync(join(path, DATA_FILE)) ? path : undefined;
}

/** An empty environment beside the one at `path`, which is deleted once closed. */
export async function replaceByEmpty(folder: string, environment: Environment): Promise<Environment> {
	const newest = generationsIn(folder).at(-1) ?? 0;
	await environment.root.close();
	removeQuietly(environment.path);
	removeQuietly(join(folder, DAMAGED));
	return openEnvironment(join(folder, `index-${newest + 1}`));
}

/** A copy without the pages that deletions left free; the one at `path` is deleted. Everything beside the data goes along. */
export async function replaceByCompact(folder: string, environment: Environment): Promise<Environment> {
	const newest = generationsIn(folder).at(-1) ?? 0;
	const path = join(folder, `index-${newest + 1}`);
	// Made under a name that no reader looks for, so that half a copy is never taken for an index.
	const making = join(folder, MAKING);
	removeQuietly(making);
	mkdirSync(making, { recursive: true });
	try {
		await environment.root.backup(making, true);
	} catch (error) {
		removeQuietly(making);
		throw error;
	}
	await environment.root.close();
	if (existsSync(join(environment.path, SNAPSHOT))) renameSync(join(environment.path, SNAPSHOT), join(making, SNAPSHOT));
	renameSync(making, path);
	removeQuietly(environment.path);
	return openEnvironment(path);
}

/** Opens the environment in exactly this folder. Throws what LMDB throws. */
export function openEnvironment(path: string): Environment {
	mkdirSync(path, { recursive: true });
	const root = open<string, string>({ path, noSubdir: false, maxDbs: 4, encoding: 'string', cache: false });
	const binary = { encoding: 'binary', keyEncoding: 'binary', cache: false } as const;
	return {
		path,
		root,
		files: root.openDB<Buffer, Buffer>({ name: 'files', ...binary }),
		vectors: root.openDB<Buffer, Buffer>({ name: 'vectors', ...binary }),
	};
}

/** A failure to open or write, as an error that says what to do. */
export function cacheError(folder: string, cause: unknown): HefError {
	const hint = /MDB_MAP_FULL|ENOSPC|No space/i.test(messageOf(cause)) ? 'The disk is full' : 'The folder cannot be used';
	return new HefError(
		'cache-unavailable',
		`Cache folder ${folder}: ${messageOf(cause)}. ${hint}: free it, or choose another with the setting hef.cacheFolder or --cache.`,
		{ cause },
	);
}

/** LMDB's codes for pages that are not in order: PAGE_NOTFOUND to INVALID, INCOMPATIBLE, BAD_TXN, BAD_VALSIZE, BAD_DBI. */
const DAMAGE_CODES: ReadonlySet<unknown> = new Set([-30797, -30796, -30795, -30794, -30793, -30784, -30782, -30781, -30780]);

export function isDamage(error: unknown): boolean {
	if (DAMAGE_CODES.has((error as { code?: unknown }).code)) return true;
	return /Commit failed|MDB_(INVALID|CORRUPTED|VERSION_MISMATCH|PAGE_NOTFOUND|PANIC|INCOMPATIBLE|BAD_TXN)|not an LMDB file|corrupt/i.test(
		messageOf(error),
	);
}

function generationsIn(folder: string): number[] {
	if (!existsSync(folder)) return [];
	return readdirSync(folder)
		.flatMap((name) => FOLDER_PATTERN.exec(name)?.[1] ?? [])
		.map(Number)
		.sort((a, b) => a - b);
}

function setAside(folder: string, path: string, why: string, recovered: string[]): void {
	const aside = join(folder, DAMAGED);
	removeQuietly(aside);
	try {
		renameSync(path, aside);
	} catch {
		removeQuietly(path);
	}
	recovered.push(`The index was damaged (${why}); it was moved to ${aside} and is being rebuilt.`);
}

/** Another process may hold the files; they go at a later start then. */
function removeQuietly(path: string): void {
	try {
		rmSync(path, { recursive: true, force: true });
	} catch {}
}

const MAGIC = 0xbeefc0de;
const MAGIC_OFFSET = 24;
const HEADER_BYTES = 200;
/** LMDB may leave its very last pages unwritten when they were freed in the transaction that allocated them. */
const TOLERATED_MISSING_PAGES = 64;

/**
 * What is wrong with a data file, judged by its two meta pages. A few missing pages at the end are filled with zeros, which
 * LMDB then reports as errors instead of faulting.
 */
function checkFile(file: string): string | undefined {
	const size = statSync(file).size;
	if (size === 0) return 'the data file is empty';
	const metas = [0, readMeta(file, 0)?.pageBytes ?? 4096].map((offset) => readMeta(file, offset));
	if (metas.some((meta) => meta === undefined)) return 'the header of the data file is not readable';
	const expected = Math.max(...metas.map((meta) => (meta ? (meta.lastPage + 1) * meta.pageBytes : 0)));
	const pageBytes = metas[0]?.pageBytes ?? 4096;
	if (size >= expected) return undefined;
	if (expected - size > TOLERATED_MISSING_PAGES * pageBytes) return `${expected - size} bytes are missing at the end`;
	appendFileSync(file, Buffer.alloc(expected - size));
	return undefined;
}

function readMeta(file: string, offset: number): { pageBytes: number; lastPage: number } | undefined {
	const bytes = Buffer.alloc(HEADER_BYTES);
	const descriptor = openSync(file, 'r');
	try {
		if (readSync(descriptor, bytes, 0, HEADER_BYTES, offset) < HEADER_BYTES) return undefined;
	} finally {
		closeSync(descriptor);
	}
	if (bytes.readUInt32LE(MAGIC_OFFSET) !== MAGIC) return undefined;
	const pageBytes = bytes.readUInt32LE(MAGIC_OFFSET + 24);
	return { pageBytes, lastPage: Number(bytes.readBigUInt64LE(MAGIC_OFFSET + 120)) };
}
