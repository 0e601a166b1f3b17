/**
 * Walks a folder. Symbolic links are not followed, neither to files nor to folders: what they name is either listed under its
 * own path or lies outside. Folders that cannot be read are left out with a line in the log; only the top one is an error.
 */
import { type Dirent, lstatSync, type Stats } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { HefError, messageOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { SourceFile } from './types.ts';

export interface ListOptions {
	/** Absolute. */
	folder: string;
	entersFolder(path: string): boolean;
	includesFile(path: string): boolean;
	logger: Logger;
}

/** In path order. Throws HefError `workspace-unreadable`. */
export async function listFiles({ folder, entersFolder, includesFile, logger }: ListOptions): Promise<SourceFile[]> {
	const files: SourceFile[] = [];
	const waiting = [''];
	for (let directory = waiting.pop(); directory !== undefined; directory = waiting.pop()) {
		const names: string[] = [];
		for (const entry of await entriesOf(folder, directory, logger)) {
			const path = directory === '' ? entry.name : `${directory}/${entry.name}`;
			if (entry.isDirectory() && entersFolder(path)) waiting.push(path);
			else if (entry.isFile() && includesFile(path)) names.push(path);
		}
		// A call for each file to the thread pool and back would take ten times as long; other work comes in between directories.
		for (const path of names) {
			const file = sourceFile(path, lstatNow(join(folder, path)));
			if (file) files.push(file);
		}
	}
	return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

async function entriesOf(folder: string, directory: string, logger: Logger): Promise<Dirent[]> {
	try {
		return await readdir(join(folder, directory), { withFileTypes: true });
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
