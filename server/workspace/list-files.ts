/**
 * Walks a folder. Symbolic links are not followed, neither to files nor to folders: what they name is either listed under its
 * own path or lies outside. Folders that cannot be read are left out with a line in the log; only the top one is an error.
 */
import { type Dirent, lstatSync, readdirSync, type Stats } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { HefError, messageOf } from '../base/errors.ts';
import { type Logger, silentLogger } from '../base/logger.ts';
import type { SourceFile } from './types.ts';

export interface ListOptions {
	/** Absolute. */
	folder: string;
	entersFolder(path: string): boolean;
	includesFile(path: string): boolean;
	logger: Logger;
}

/** Longest time without a look at what else there is to do. */
const TURN_MS = 10;

/** In path order. Throws HefError `workspace-unreadable`. */
export async function listFiles({ folder, entersFolder, includesFile, logger }: ListOptions): Promise<SourceFile[]> {
	const files: SourceFile[] = [];
	const waiting = [''];
	let began = performance.now();
	for (let directory = waiting.pop(); directory !== undefined; directory = waiting.pop()) {
		const names: string[] = [];
		for (const entry of entriesOf(folder, directory, logger)) {
			const path = directory === '' ? entry.name : `${directory}/${entry.name}`;
			if (entry.isDirectory() && entersFolder(path)) waiting.push(path);
			else if (entry.isFile() && includesFile(path)) names.push(path);
		}
		// A call for each file to the thread pool and back would take ten times as long; other work comes in between directories.
		for (const path of names) {
			// The way is plain: joining it anew takes as long as asking for the file.
			const file = sourceFile(path, lstatNow(`${folder}/${path}`));
			if (file) files.push(file);
		}
		if (performance.now() - began < TURN_MS) continue;
		await nextTurn();
		began = performance.now();
	}
	return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** @throws HefError `workspace-unreadable` */
export function assertReadable(folder: string): void {
	entriesOf(folder, '', silentLogger);
}

function entriesOf(folder: string, directory: string, logger: Logger): Dirent[] {
	try {
		return readdirSync(join(folder, directory), { withFileTypes: true });
	} catch (cause) {
		if (directory === '') {
			const message = `cannot read ${folder}: ${messageOf(cause)}. Check that the folder exists and that you may read it.`;
			throw new HefError('workspace-unreadable', message, { cause });
		}
		logger.warn(`left out ${directory}: ${messageOf(cause)}`);
		return [];
	}
}

/** Undefined when the path is gone or no regular file. */
export async function statFile(folder: string, path: string): Promise<SourceFile | undefined> {
	return sourceFile(path, await lstat(join(folder, path)).catch(() => undefined));
}

function sourceFile(path: string, stats: Stats | undefined): SourceFile | undefined {
	return stats?.isFile() ? { path, sizeBytes: stats.size, mtimeMs: stats.mtimeMs } : undefined;
}

function lstatNow(path: string): Stats | undefined {
	try {
		return lstatSync(path);
	} catch {
		return undefined;
	}
}
