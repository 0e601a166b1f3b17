/**
 * Finding, recovering and replacing LMDB environments. A workspace's cache folder holds one environment, in a folder
 * `index-<n>`; clearing, compacting and recovering begin `index-<n+1>`, so that a reader which still maps the old file is never
 * cut off from it.
 *
 * Guarantees: a file that is not at rest is never opened in this process and never written to. What is intact in it is copied
 * into a new environment by a child process, and that takes its place whole; where nothing can be read, an empty one does. What
 * was lost is reported, and the file moved aside (`damaged`, one kept).
 */
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { HefError, messageOf } from '../base/errors.ts';
import type { Checkup } from './checkup.ts';
import { DATA_FILE, type Environment, openEnvironment } from './open-environment.ts';
import { isAtRest } from './rest.ts';
import { isForWantOfRoom } from './room.ts';

const FOLDER_PATTERN = /^index-(\d+)$/;
const DAMAGED = 'damaged';
const MAKING = 'making';
/** Of the vector index; it stays true to the content. */
const SNAPSHOT = 'hnsw';

/** Opens the newest environment below `folder`, or makes one. `recovered` gets a sentence for each loss. */
export async function openNewest(folder: string, recovered: string[]): Promise<Environment> {
	const generations = generationsIn(folder);
	const newest = generations.at(-1) ?? 1;
	for (const old of generations.slice(0, -1)) removeQuietly(join(folder, `index-${old}`));
	const [path, next] = [newest, newest + 1].map((number) => join(folder, `index-${number}`)) as [string, string];
	const making = join(folder, MAKING);
	removeQuietly(making);
	if (!existsSync(join(path, DATA_FILE)) || isAtRest(path)) {
		try {
			return openEnvironment(path);
		} catch (error) {
			if (!isDamage(error)) throw error;
		}
	}
	// The child makes it, or nothing.
	mkdirSync(making);
	const { checkUp } = await import('./checkup.ts');
	const checkup = await checkUp(path, making).catch((error: unknown) => {
		removeQuietly(making);
		throw error;
	});
	const loss = lossOf(checkup);
	if ('unreadable' in checkup) removeQuietly(making);
	else putInPlace(making, next, path);
	if (loss === undefined) removeQuietly(path);
	else recovered.push(`The index was damaged (${loss}); it was moved to ${setAside(folder, path)} and ${successOf(checkup)}.`);
	return openEnvironment(next);
}

/** What is wrong with the environment at `path`, which nobody writes now; undefined when it may be opened for reading. */
export async function problemWith(path: string): Promise<string | undefined> {
	if (isAtRest(path)) return undefined;
	const { checkUp } = await import('./checkup.ts');
	const checkup = await checkUp(path);
	return 'unreadable' in checkup ? checkup.unreadable : checkup.disorder;
}

function lossOf(checkup: Checkup): string | undefined {
	if ('unreadable' in checkup) return checkup.unreadable;
	return checkup.disorder ?? (checkup.damaged > 0 ? `entries that fail their checksum: ${checkup.damaged}` : undefined);
}

function successOf(checkup: Checkup): string {
	const intact = 'unreadable' in checkup ? 0 : checkup.intact;
	return intact > 0 ? `its ${intact} intact entries were kept; what is missing is being rebuilt` : 'is being rebuilt';
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
		syncData(making);
		// Then there is room to open it, too.
		await openEnvironment(making).root.close();
	} catch (error) {
		removeQuietly(making);
		throw error;
	}
	await environment.root.close();
	putInPlace(making, path, environment.path);
	removeQuietly(environment.path);
	return openEnvironment(path);
}

/** Puts a finished environment where readers look for it, with the graphs of the one that it comes from. */
function putInPlace(made: string, path: string, from: string): void {
	if (existsSync(join(from, SNAPSHOT))) renameSync(join(from, SNAPSHOT), join(made, SNAPSHOT));
	renameSync(made, path);
}

/** Waits until the disk has the data of an environment that nobody writes. */
export function syncData(path: string): void {
	const file = openSync(join(path, DATA_FILE), 'r+');
	try {
		fsyncSync(file);
	} finally {
		closeSync(file);
	}
}

/** There was no room for a write, and no other reason for it to fail: what was written before stays good. */
export class DiskFull extends HefError {}

/** A failure to open or write, as an error that says what to do. */
export function cacheError(folder: string, cause: unknown): HefError {
	const complaint = messageOf(cause);
	const remedy = 'free it, or choose another with the setting hef.cacheFolder or --cache';
	if (isForWantOfRoom(complaint, folder))
		return new DiskFull('cache-unavailable', `Cache folder ${folder}: the disk is full: ${remedy}.`, { cause });
	const hint = /Input\/output error/i.test(complaint) ? 'The disk is full or failing' : 'The folder cannot be used';
	return new HefError('cache-unavailable', `Cache folder ${folder}: ${complaint}. ${hint}: ${remedy}.`, { cause });
}

/** LMDB's codes for pages that are not in order: PAGE_NOTFOUND to INVALID, INCOMPATIBLE, BAD_TXN, BAD_VALSIZE, BAD_DBI. */
const DAMAGE_CODES: ReadonlySet<unknown> = new Set([-30797, -30796, -30795, -30794, -30793, -30784, -30782, -30781, -30780]);

function isDamage(error: unknown): boolean {
	if (DAMAGE_CODES.has((error as { code?: unknown }).code)) return true;
	return /MDB_(INVALID|CORRUPTED|VERSION_MISMATCH|PAGE_NOTFOUND|PANIC|INCOMPATIBLE|BAD_TXN)|not an LMDB file|corrupt/i.test(
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

/** Returns where it went. */
function setAside(folder: string, path: string): string {
	const aside = join(folder, DAMAGED);
	removeQuietly(aside);
	try {
		renameSync(path, aside);
	} catch {
		removeQuietly(path);
	}
	return aside;
}

/** Another process may hold the files; they go at a later start then. */
function removeQuietly(path: string): void {
	try {
		rmSync(path, { recursive: true, force: true });
	} catch {}
}
