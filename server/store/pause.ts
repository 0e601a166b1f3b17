/**
 * Whether indexing of a workspace is paused: a file in its cache folder for each editor that paused, so that whoever builds
 * stops, in whatever editor the user asked, and whoever takes over does not begin.
 *
 * Guarantees: it lasts until any editor resumes, or all that paused are gone. As of a claim, an editor counts as gone when its
 * process is, or when its file stood still for half a minute of the watching process's own time: so no pause outlives its
 * editor because another process got its number, or because it ran on another machine.
 */
import { readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { isRunning } from '../base/processes.ts';
import { LAPSES_MS, RENEW_MS } from './claim.ts';

export interface Pause {
	set(): void;
	/** Whoever set it. */
	lift(): void;
	/** A process that paused; undefined while nothing is paused. */
	by(): number | undefined;
	/** This editor ends: its pause ends with it. */
	release(): void;
}

interface Note {
	pid: number;
	host: string;
}

interface Sighting {
	mtimeMs: number;
	/** When it was first seen with that time. */
	sinceMs: number;
}

const PATTERN = /^paused-.+\.json$/;

/** @param folder the workspace's cache folder */
export function createPause({ folder, clock }: { folder: string; clock: Pick<Clock, 'elapsed' | 'schedule'> }): Pause {
	const own: Note = { pid: process.pid, host: hostname() };
	// The time tells two editors of one process apart.
	const ownName = `paused-${process.pid}-${process.hrtime.bigint()}.json`;
	const ownPath = join(folder, ownName);
	const sightings = new Map<string, Sighting>();
	/** The folder cannot be written: the pause is this editor's alone. */
	let isUnwritten = false;
	let stopRenewing = () => {};

	const keepRenewing = () => {
		stopRenewing = clock.schedule(RENEW_MS, () => {
			// Once another editor has resumed, there is nothing to renew.
			if (touch(ownPath)) keepRenewing();
		});
	};
	const isLive = (name: string, note: Note | undefined): boolean => {
		const mtimeMs = statSync(join(folder, name), { throwIfNoEntry: false })?.mtimeMs;
		if (name === ownName) return mtimeMs !== undefined;
		if (mtimeMs === undefined || (note?.host === own.host && !isRunning(note.pid))) return false;
		const last = sightings.get(name);
		if (last?.mtimeMs !== mtimeMs) sightings.set(name, { mtimeMs, sinceMs: clock.elapsed() });
		return last?.mtimeMs !== mtimeMs || clock.elapsed() - last.sinceMs < LAPSES_MS;
	};
	const release = () => {
		isUnwritten = false;
		stopRenewing();
		removeQuietly(ownPath);
	};
	return {
		set() {
			release();
			try {
				writeFileSync(ownPath, JSON.stringify(own));
				keepRenewing();
			} catch {
				removeQuietly(ownPath);
				isUnwritten = true;
			}
		},
		lift() {
			release();
			for (const name of namesIn(folder)) removeQuietly(join(folder, name));
		},
		by() {
			if (isUnwritten) return own.pid;
			for (const name of namesIn(folder)) {
				const note = readNote(join(folder, name));
				if (isLive(name, note)) return note?.pid ?? 0;
				removeQuietly(join(folder, name));
			}
			return undefined;
		},
		release,
	};
}

function namesIn(folder: string): string[] {
	try {
		return readdirSync(folder).filter((name) => PATTERN.test(name));
	} catch {
		return [];
	}
}

/** Undefined while it is being written. */
function readNote(path: string): Note | undefined {
	try {
		return JSON.parse(readFileSync(path, 'utf8')) as Note;
	} catch {
		return undefined;
	}
}

/** In a folder that cannot be written it stays, until it lapses. */
function removeQuietly(path: string): void {
	try {
		rmSync(path, { force: true });
	} catch {}
}

/** Whether it is there. */
function touch(path: string): boolean {
	const now = new Date();
	try {
		utimesSync(path, now, now);
	} catch (error) {
		return (error as NodeJS.ErrnoException).code !== 'ENOENT';
	}
	return true;
}
