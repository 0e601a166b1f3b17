/**
 * Which process builds the index of a workspace, when several editors have it open.
 *
 * Each claim is a file `builder-<n>.json` in the workspace's cache folder, made only where there was none, so that two processes
 * never get the same number; the highest number counts, and the highest file is never deleted, so that no number is given
 * twice. A claim lapses when it was given back, when its process is gone, or when it was not renewed for half a minute, by
 * the watching process's own uninterrupted time: a clock that jumps costs nobody a claim.
 *
 * Guarantees: one builder at a time, but for a process that stood still for half a minute: it learns at its next renewal that
 * another has taken over, and what both wrote is right all the same, because the store is named by content.
 */
import { linkSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { isRunning } from '../base/processes.ts';
import { cacheError, DiskFull } from './environment.ts';
import { writeInPlace } from './room.ts';

/** What a builder says of itself. */
export interface BuilderNote {
	pid: number;
	host: string;
	/** The vector space that it builds, or {@link UNKNOWN_SPACE}. */
	space: string;
	/** {@link OPENING} until the store may be read. */
	state: string;
	/** Files that wait. */
	pending: number;
	released?: boolean;
}

export interface Claim {
	/** Renews the claim. False once another process has taken over. */
	renew(note: Pick<BuilderNote, 'state' | 'pending'>): boolean;
	/** Gives the claim back, so that another process can take it at once. */
	release(): void;
}

export interface Claims {
	/**
	 * The claim, or who has it. Called again and again, it notices when that one is gone.
	 * @throws HefError `cache-unavailable` when it cannot be written
	 */
	take(): { claim: Claim } | { builder: BuilderNote };
	/** Who builds now; undefined when nobody does. Of a claim that cannot be read, that it is {@link OPENING}. */
	builder(): BuilderNote | undefined;
}

export interface ClaimsOptions {
	/** The workspace's cache folder; exists. */
	folder: string;
	space: string;
	/** Default: this process. */
	pid?: number;
	/** Time that no clock setting moves. Default: since the start of the process. */
	monotonicMs?: () => number;
}

/** State of a builder that has yet to find out whether the store can be trusted. */
export const OPENING = 'opening';
/** Space of a builder whose claim cannot be read, because it is being written. */
export const UNKNOWN_SPACE = '';

/** How often a claim has to be renewed, and after how long without it lapses. */
export const RENEW_MS = 5000;
export const LAPSES_MS = 30_000;
const PATTERN = /^builder-(\d+)\.json$/;

/** A claim that somebody has, whoever that is. */
const UNREAD: BuilderNote = { pid: 0, host: '', space: UNKNOWN_SPACE, state: OPENING, pending: 0 };

interface Sighting {
	number: number;
	mtimeMs: number;
	note: BuilderNote | undefined;
	/** When it was first seen like this. */
	sinceMs: number;
}

export function createClaims({ folder, space, pid = process.pid, monotonicMs = () => performance.now() }: ClaimsOptions): Claims {
	const host = hostname();
	let last: Sighting | undefined;
	const pathOf = (number: number) => join(folder, `builder-${number}.json`);

	/** The newest claim, whether it holds or not. */
	const look = (): Sighting | undefined => {
		const number = numbersIn(folder).at(-1);
		if (number === undefined) return undefined;
		const mtimeMs = timeOf(pathOf(number));
		const isSame = last?.number === number && last.mtimeMs === mtimeMs;
		// A file that is being written reads as nothing: what it said before counts.
		const note = readNote(pathOf(number)) ?? (last?.number === number ? last.note : undefined);
		last = { number, mtimeMs, note, sinceMs: isSame && last ? last.sinceMs : monotonicMs() };
		return last;
	};

	const holds = ({ note, mtimeMs, sinceMs }: Sighting): boolean => {
		if (note?.released) return false;
		// Writing takes a moment: one that was left half written is nobody's.
		if (!note && Date.now() - mtimeMs > LAPSES_MS) return false;
		if (note?.host === host && !isRunning(note.pid)) return false;
		return monotonicMs() - sinceMs < LAPSES_MS;
	};

	const claimOf = (number: number): Claim => {
		const write = (note: Partial<BuilderNote>) => {
			try {
				writeInPlace(pathOf(number), JSON.stringify({ pid, host, space, state: OPENING, pending: 0, ...note }));
			} catch {
				// The others take over when the claim lapses, and find the same.
			}
		};
		return {
			renew(note) {
				if ((numbersIn(folder).at(-1) ?? number) > number) return false;
				write(note);
				return true;
			},
			release: () => write({ released: true }),
		};
	};

	/** Makes a claim of the last one, which nobody holds: a full disk has room for that. */
	const succeed = (number: number, note: BuilderNote): boolean => {
		try {
			linkSync(pathOf(number - 1), pathOf(number));
			writeInPlace(pathOf(number), JSON.stringify(note));
			return true;
		} catch {
			return false;
		}
	};

	const holder = (): BuilderNote | undefined => {
		const newest = look();
		return newest && holds(newest) ? (newest.note ?? UNREAD) : undefined;
	};

	return {
		take() {
			const builder = holder();
			if (builder) return { builder };
			const number = (last?.number ?? 0) + 1;
			const note: BuilderNote = { pid, host, space, state: OPENING, pending: 0 };
			try {
				writeFileSync(pathOf(number), JSON.stringify(note), { flag: 'wx' });
			} catch (error) {
				// Another process was quicker.
				if ((error as NodeJS.ErrnoException).code === 'EEXIST') return this.take();
				rmSync(pathOf(number), { force: true });
				const failure = cacheError(folder, error);
				if (!(failure instanceof DiskFull) || !succeed(number, note)) throw failure;
			}
			for (const old of numbersIn(folder)) if (old < number) rmSync(pathOf(old), { force: true });
			return { claim: claimOf(number) };
		},
		builder: holder,
	};
}

/**
 * Runs what one process at a time may do in a folder, with the claim to it.
 * @throws what `refused` makes of the process that has the claim
 */
export async function withClaim<T>(options: ClaimsOptions, task: () => Promise<T>, refused: (pid: number) => Error): Promise<T> {
	const taken = createClaims(options).take();
	if (!('claim' in taken)) throw refused(taken.builder.pid);
	const { claim } = taken;
	const renewing = setInterval(() => claim.renew({ state: OPENING, pending: 0 }), RENEW_MS);
	try {
		return await task();
	} finally {
		clearInterval(renewing);
		claim.release();
	}
}

function numbersIn(folder: string): number[] {
	try {
		return readdirSync(folder)
			.flatMap((name) => PATTERN.exec(name)?.[1] ?? [])
			.map(Number)
			.sort((a, b) => a - b);
	} catch {
		return [];
	}
}

function timeOf(path: string): number {
	return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

function readNote(path: string): BuilderNote | undefined {
	try {
		return JSON.parse(readFileSync(path, 'utf8')) as BuilderNote;
	} catch {
		return undefined;
	}
}
