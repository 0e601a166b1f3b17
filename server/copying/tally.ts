/**
 * What followed the longest match: weights of next tokens, kept for the longest match length that was offered. A shorter
 * match says nothing once there is a longer one (nested-cache n-gram, Hellendoorn & Devanbu 2017).
 */
export class Tally {
	/** Tokens of the longest match so far; 0 before any. */
	matchLength = 0;
	/** Places that match at that length. */
	support = 0;
	/** Their weight. */
	total = 0;
	/** Of it, from the open file. */
	fromOpenFile = 0;
	readonly weights = new Map<number, number>();

	/** One place: `next` stands behind a match of `matchLength` tokens. */
	offer(matchLength: number, next: number, weight: number, inOpenFile: boolean): void {
		if (matchLength < this.matchLength) return;
		if (matchLength > this.matchLength) {
			this.matchLength = matchLength;
			this.support = 0;
			this.total = 0;
			this.fromOpenFile = 0;
			this.weights.clear();
		}
		this.support++;
		this.total += weight;
		if (inOpenFile) this.fromOpenFile += weight;
		this.weights.set(next, (this.weights.get(next) ?? 0) + weight);
	}
}

/** Tokens up to which matches are told apart by length. */
export const LONGEST_MATCH = 24;

/** Equal tokens that end at `a[aEnd]` and at `b[bEnd]`, at most {@link LONGEST_MATCH}; neither reaches below index 0. */
export function matchingTokens(a: Uint32Array, aEnd: number, b: Uint32Array, bEnd: number): number {
	const most = Math.min(LONGEST_MATCH, aEnd + 1, bEnd + 1);
	let length = 0;
	while (length < most && a[aEnd - length] === b[bEnd - length]) length++;
	return length;
}
