/**
 * Places in texts that are like a cursor's: the lines before them have the shapes of those before the cursor, or the lines behind
 * them the shapes of those behind it.
 *
 * Guarantees: pure. Of equally good places those are kept that came last in a text, and the texts that were searched first.
 * Deliberately lacks: words. Who writes the places out compares those.
 */
import { NO_SHAPE } from './line-shape.ts';

/** Lines of one text that are not blank. */
export interface Lines {
	length: number;
	shapes: ArrayLike<number>;
	hashes: ArrayLike<number>;
	/** Of the lines from `from` on, up to but without `to`. */
	text(from: number, to: number): string;
	/** White space between the line before and this one; empty before the first. */
	gap(at: number): string;
	inOpenFile: boolean;
}

/** Nearest lines on one side of a place that are like those on that side of the cursor. */
export interface Alike {
	/** Lines of the same shapes, 0 to {@link MOST_LINES}. */
	shaped: number;
	/** Of these the nearest ones that are word for word the same. */
	literal: number;
}

export interface Place {
	lines: Lines;
	/** Index of the line that stands where the cursor's would. */
	at: number;
	before: Alike;
	behind: Alike;
	/** What speaks for it, in nats. */
	score: number;
}

/** Lines on each side whose shapes are compared. */
const MOST_LINES = 8;
/** Places that are kept. */
const MOST_PLACES = 24;
/** What speaks for a place, in nats; chosen on validation lines, as what its words count (models/training/LOG.md). */
const OPEN_FILE = 1.2;
const ON_BOTH_SIDES = 2.5;
const BEFORE: Alike = { shaped: 0.5, literal: 1.1 };
const BEHIND: Alike = { shaped: 0.05, literal: 0.5 };

export class AlikePlaces {
	/** The best first. */
	readonly best: Place[] = [];
	readonly #before: Lines;
	readonly #behind: Lines;

	/** @param before lines before the cursor's, and those behind it that count */
	constructor(before: Lines, behind: Lines) {
		this.#before = before;
		this.#behind = behind;
	}

	search(lines: Lines): void {
		const { shapes, length } = lines;
		const last = this.#before.length > 0 ? this.#before.shapes[this.#before.length - 1] : NO_SHAPE;
		const next = this.#behind.length > 0 ? this.#behind.shapes[0] : NO_SHAPE;
		for (let at = length - 1; at >= 0; at--) {
			const isBehindAlike = at > 0 && shapes[at - 1] === last && last !== NO_SHAPE;
			const isBeforeAlike = at + 1 < length && shapes[at + 1] === next && next !== NO_SHAPE;
			if ((isBehindAlike || isBeforeAlike) && shapes[at] !== NO_SHAPE) this.#consider(lines, at);
		}
	}

	#consider(lines: Lines, at: number): void {
		const before = alike(lines, at - 1, this.#before, this.#before.length - 1, -1);
		const behind = alike(lines, at + 1, this.#behind, 0, 1);
		const score =
			(lines.inOpenFile ? OPEN_FILE : 0) +
			(before.shaped > 0 && behind.shaped > 0 ? ON_BOTH_SIDES : 0) +
			(BEFORE.shaped * before.shaped + BEFORE.literal * before.literal) +
			(BEHIND.shaped * behind.shaped + BEHIND.literal * behind.literal);
		const { best } = this;
		if (best.length === MOST_PLACES && score <= (best.at(-1) as Place).score) return;
		const index = best.findIndex((each) => each.score < score);
		best.splice(index < 0 ? best.length : index, 0, { lines, at, before, behind, score });
		best.length = Math.min(best.length, MOST_PLACES);
	}
}

/** How many lines are alike from `at` and `ownAt` on, going by `step`. */
function alike(lines: Lines, at: number, own: Lines, ownAt: number, step: 1 | -1): Alike {
	const most = Math.min(MOST_LINES, step > 0 ? lines.length - at : at + 1, step > 0 ? own.length - ownAt : ownAt + 1);
	let shaped = 0;
	while (shaped < most) {
		const shape = own.shapes[ownAt + step * shaped];
		if (shape === NO_SHAPE || lines.shapes[at + step * shaped] !== shape) break;
		shaped++;
	}
	let literal = 0;
	while (literal < shaped && lines.hashes[at + step * literal] === own.hashes[ownAt + step * literal]) literal++;
	return { shaped, literal };
}
