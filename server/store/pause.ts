/**
 * Whether indexing of a workspace is paused: a file in its cache folder, so that whoever builds stops, in whatever editor the
 * user asked, and whoever takes over does not begin. It lasts until any editor resumes or the one that paused is gone.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { isRunning } from '../base/processes.ts';

export interface Pause {
	set(): void;
	/** Whoever set it. */
	lift(): void;
	/** The process that paused; undefined while nothing is paused. */
	by(): number | undefined;
	/** This editor ends: its pause ends with it. */
	release(): void;
}

interface Note {
	pid: number;
	host: string;
	/** Tells two editors of one process apart. */
	token: string;
}

/** @param folder the workspace's cache folder */
export function createPause(folder: string): Pause {
	const path = join(folder, 'paused.json');
	const own: Note = { pid: process.pid, host: hostname(), token: `${process.pid}-${process.hrtime.bigint()}` };
	/** The folder cannot be written: the pause is this editor's alone. */
	let isUnwritten = false;
	const note = (): Note | undefined => {
		if (isUnwritten) return own;
		try {
			return JSON.parse(readFileSync(path, 'utf8')) as Note;
		} catch {
			return undefined;
		}
	};
	const lift = () => {
		isUnwritten = false;
		rmSync(path, { force: true });
	};
	return {
		set() {
			try {
				writeFileSync(path, JSON.stringify(own));
			} catch {
				isUnwritten = true;
			}
		},
		lift,
		by() {
			const found = note();
			return found && (found.host !== own.host || isRunning(found.pid)) ? found.pid : undefined;
		},
		release() {
			if (note()?.token === own.token) lift();
		},
	};
}
