/**
 * Places whose text ends like the context does, and what follows them, weighed: a longer match counts more, and so does a
 * place whose text *before* the match is like the context's (a nested-cache n-gram that tells its matches apart as kNN-LM
 * does, with shared tokens in the place of a model's states).
 *
 * Guarantees: equal offers give equal weights; at most {@link MOST} places are weighed, the longest matches and of those the
 * first offered.
 * Deliberately lacks: probabilities of what no match is followed by.
 */
import type { TokenSequence } from './token-sequence.ts';

/** Tokens up to which matches are told apart by length. */
export const LONGEST_MATCH = 24;
/** Matches that are shorter than the longest by more than this are left out. */
const SLACK = 4;
/** A match that is longer by one token weighs e^2 times as much. Chosen on validation lines, as the other weights (models/training/LOG.md). */
const PER_TOKEN = 2;
/** A place all of whose text before the match is the context's weighs e^6 times as much as one that shares nothing. */
const PER_LIKENESS = 6;
/** Tokens before a match that are compared. */
const COMPARED = 64;
/** A place in the open file, against one elsewhere. */
const OPEN_FILE_WEIGHT = 4;
const MOST = 768;
/** Token ids are told apart by their lowest bits. */
const SLOTS = 1 << 16;
/** No token has this id: stands behind every file of an index, and where a file was. */
export const GAP = 0xffff_ffff;

interface Place {
	ids: Uint32Array;
	/** Index of the last token of the match. */
	end: number;
	length: number;
	inOpenFile: boolean;
}

/** What stands behind the places, by weight. */
export interface Followers {
	/** Weight by token. */
	weights: ReadonlyMap<number, number>;
	total: number;
	/** Of it, from the open file. */
	fromOpenFile: number;
	/** Places that match at the longest length. */
	support: number;
	/** Likeness of the text before the places that the heaviest token stands behind: mean by weight, 0–1. */
	likeness: number;
}

export class Matches {
	/** Tokens of the longest match so far; 0 before any. */
	longest = 0;
	#places: Place[] = [];

	/** One place: `ids[end − length + 1 … end]` are the context's last tokens, and `ids[end + 1]` follows them. */
	offer(ids: Uint32Array, end: number, length: number, inOpenFile: boolean): void {
		if (length < this.longest - SLACK) return;
		this.longest = Math.max(this.longest, length);
		this.#places.push({ ids, end, length, inOpenFile });
	}

	/** Undefined where nothing was offered. */
	followers(context: TokenSequence, likeness: Likeness): Followers | undefined {
		if (this.longest === 0) return undefined;
		likeness.begin(context.ids, context.length - this.longest);
		const weights = new Map<number, number>();
		const likenesses = new Map<number, number>();
		let total = 0;
		let fromOpenFile = 0;
		let support = 0;
		for (const { ids, end, length, inOpenFile } of this.#kept()) {
			const alike = likeness.of(ids, end - length);
			const weight = (inOpenFile ? OPEN_FILE_WEIGHT : 1) * Math.exp(PER_TOKEN * (length - this.longest) + PER_LIKENESS * alike);
			const next = ids[end + 1] as number;
			weights.set(next, (weights.get(next) ?? 0) + weight);
			likenesses.set(next, (likenesses.get(next) ?? 0) + weight * alike);
			total += weight;
			if (inOpenFile) fromOpenFile += weight;
			if (length === this.longest) support++;
		}
		const [heaviest, most] = [...weights].reduce((best, each) => (each[1] > best[1] ? each : best));
		return { weights, total, fromOpenFile, support, likeness: (likenesses.get(heaviest) as number) / most };
	}

	#kept(): Place[] {
		const kept: Place[] = [];
		for (let length = this.longest; length >= Math.max(1, this.longest - SLACK) && kept.length < MOST; length--) {
			for (const place of this.#places) if (place.length === length) kept.push(place);
		}
		return kept.slice(0, MOST);
	}
}

/** Compares the text before places with the text before a match. Its tables are reused; one match is compared at a time. */
export class Likeness {
	readonly #recent = new Uint8Array(SLOTS);
	readonly #seenBy = new Uint32Array(SLOTS);
	#compared = 0;
	#distinct = 0;

	/** What follows is compared with `ids[end − COMPARED, end)`. */
	begin(ids: Uint32Array, end: number): void {
		this.#recent.fill(0);
		this.#distinct = 0;
		for (let i = Math.max(0, end - COMPARED); i < end; i++) {
			const slot = (ids[i] as number) & (SLOTS - 1);
			if (this.#recent[slot] === 0) this.#distinct++;
			this.#recent[slot] = 1;
		}
	}

	/** Share of those tokens that stand in `ids(last − COMPARED, last]` too, 0–1. */
	of(ids: Uint32Array, last: number): number {
		const compared = ++this.#compared;
		let shared = 0;
		for (let i = last; i > last - COMPARED && i >= 0 && ids[i] !== GAP; i--) {
			const slot = (ids[i] as number) & (SLOTS - 1);
			if (this.#recent[slot] === 0 || this.#seenBy[slot] === compared) continue;
			this.#seenBy[slot] = compared;
			shared++;
		}
		return this.#distinct === 0 ? 0 : shared / this.#distinct;
	}
}

/** Equal tokens that end at `a[aEnd]` and at `b[bEnd]`, at most {@link LONGEST_MATCH}; neither reaches below index 0. */
export function matchingTokens(a: Uint32Array, aEnd: number, b: Uint32Array, bEnd: number): number {
	const most = Math.min(LONGEST_MATCH, aEnd + 1, bEnd + 1);
	let length = 0;
	while (length < most && a[aEnd - length] === b[bEnd - length]) length++;
	return length;
}
