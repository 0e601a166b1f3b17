/**
 * Where contexts of a repository's files stand, and what follows them: the repository's part of the copy model.
 *
 * Every position is chained to the last one with the same tokens before it, for a long and for a short context, as LZ77
 * coders do. A query walks the newest positions of a chain and compares backwards, so matches of any length are found
 * with two words a position.
 *
 * Guarantees: at most `maxTokens` tokens (12 bytes each) and their lines (16 bytes each) plus 2 MB, the files added first make room for new ones; files
 * change in slices of well under a millisecond, and a query between two slices sees whole matches only; no match spans two
 * files.
 * Deliberately lacks: text, and any weighing of what it finds.
 */
import { invariant } from '../base/errors.ts';
import type { LineTable } from './line-table.ts';
import { GAP, type Matches, matchingTokens } from './matches.ts';
import type { TokenSequence } from './token-sequence.ts';

export interface NgramIndex {
	/** Tokens of files that are there. */
	readonly tokens: number;
	/** Most tokens that can be there. */
	readonly maxTokens: number;
	/** Memory of the arrays. */
	readonly sizeBytes: number;
	/** Another number whenever files have changed. */
	readonly version: number;
	has(file: string): boolean;
	/**
	 * Puts the file's tokens in place of those it had; without tokens the file is removed. Run to its end before the next
	 * call; every step is one slice. A file of more than half of the index is left out.
	 * @param lines of the tokens, for {@link files}
	 * @param mayGo which files may make room for it; all by default
	 * @returns false where these would not make enough room: then none of them is removed
	 */
	put(file: string, tokens: Uint32Array | undefined, lines?: LineTable, mayGo?: (file: string) => boolean): Generator<void, boolean>;
	/** Files count as if those of the least worth had been added first; not while files change. */
	arrange(worth: (file: string) => number): void;
	/** Tokens and lines of the files that were put in with lines, the last ones first. Valid until the next step of a change. */
	files(except: string): Iterable<{ tokens: Uint32Array; lines: LineTable }>;
	/**
	 * Offers the places in every file but `except` that match the context's end: those of a long context, or of a short one
	 * where there are none.
	 */
	offerTo(matches: Pick<Matches, 'offer'>, context: TokenSequence, except: string): void;
}

/** Some 8 MB of source text. */
const MAX_TOKENS = 2_000_000;
const INITIAL_TOKENS = 1 << 14;
/** Lengths of the contexts that are chained. Contexts of one token are everywhere; the open file alone is searched for them. */
const LONG = 6;
const SHORT = 2;
/** Newest positions of a chain that a query looks at. */
const WALK = 512;
const HEADS = 1 << 18;
const SLICE = 2048;
const BYTES_PER_LINE = 16;
/** Share of the bound that is filled after room had to be made. */
const FILLED = 7 / 8;

interface Range {
	start: number;
	end: number;
}

interface File extends Range {
	lines: LineTable | undefined;
}

export function createNgramIndex({ maxTokens = MAX_TOKENS }: { maxTokens?: number } = {}): NgramIndex {
	let chains = new Chains(INITIAL_TOKENS);
	/** In the order in which they were added. */
	let files = new Map<string, File>();
	let live = 0;
	let nLines = 0;
	let version = 0;

	const remove = (file: string): void => {
		const range = files.get(file);
		if (!range) return;
		chains.erase(range);
		files.delete(file);
		live -= range.end - range.start;
		nLines -= range.lines?.starts.length ?? 0;
	};

	/** Files that were erased still fill their places; the rest moves together. */
	function* compact(capacity: number): Generator<void> {
		const fresh = new Chains(capacity);
		const moved = new Map<string, File>();
		for (const [file, { start, end, lines }] of files)
			moved.set(file, { ...(yield* fresh.append(chains.ids.subarray(start, end))), lines });
		for (const [file, range] of moved) files.set(file, range);
		chains = fresh;
	}

	function* makeRoom(nTokens: number, mayGo: (file: string) => boolean): Generator<void, boolean> {
		// Moving everything together costs: it must not be for the room of one file.
		const most = chains.length + nTokens + 1 > maxTokens ? maxTokens * FILLED : maxTokens;
		let lacking = live + files.size + nTokens + 1 - most;
		const going: string[] = [];
		for (const [file, { start, end }] of files) {
			if (lacking <= 0) break;
			if (!mayGo(file)) continue;
			going.push(file);
			lacking -= end - start + 1;
		}
		if (lacking > 0) return false;
		going.forEach(remove);
		const wasted = chains.length - live - files.size;
		const needed = chains.length + nTokens + 1;
		const wanted = Math.min(maxTokens, 2 * (needed - wasted));
		if (needed > maxTokens || wasted > Math.max(INITIAL_TOKENS, chains.length) / 2) yield* compact(Math.max(INITIAL_TOKENS, wanted));
		else if (needed > chains.capacity) chains.grow(wanted);
		return true;
	}

	return {
		maxTokens,
		get tokens() {
			return live;
		},
		get sizeBytes() {
			return chains.sizeBytes + BYTES_PER_LINE * nLines;
		},
		get version() {
			return version;
		},
		has: (file) => files.has(file),
		*put(file, tokens, lines, mayGo = () => true) {
			version++;
			remove(file);
			if (!tokens || tokens.length === 0 || tokens.length > maxTokens / 2) return true;
			if (!(yield* makeRoom(tokens.length, mayGo))) return false;
			const range = yield* chains.append(tokens);
			files.set(file, { ...range, lines });
			live += tokens.length;
			nLines += lines?.starts.length ?? 0;
			version++;
			return true;
		},
		arrange(worth) {
			version++;
			files = new Map([...files].sort(([a], [b]) => worth(a) - worth(b)));
		},
		*files(except) {
			for (const [file, { start, end, lines }] of [...files].reverse()) {
				if (lines && file !== except) yield { tokens: chains.ids.subarray(start, end), lines };
			}
		},
		offerTo(matches, context, except) {
			chains.offerTo(matches, context, files.get(except));
		},
	};
}

/** The arrays. Positions are chained from the newest to the oldest. */
class Chains {
	ids: Uint32Array;
	#long: Int32Array;
	#short: Int32Array;
	readonly #longHeads = new Int32Array(HEADS).fill(-1);
	readonly #shortHeads = new Int32Array(HEADS).fill(-1);
	length = 0;

	constructor(capacity: number) {
		this.ids = new Uint32Array(capacity);
		this.#long = new Int32Array(capacity);
		this.#short = new Int32Array(capacity);
	}

	get capacity(): number {
		return this.ids.length;
	}

	get sizeBytes(): number {
		return 12 * this.capacity + 8 * HEADS;
	}

	grow(capacity: number): void {
		const grown = <T extends Uint32Array | Int32Array>(array: T, larger: T): T => {
			larger.set(array);
			return larger;
		};
		this.ids = grown(this.ids, new Uint32Array(capacity));
		this.#long = grown(this.#long, new Int32Array(capacity));
		this.#short = grown(this.#short, new Int32Array(capacity));
	}

	erase({ start, end }: Range): void {
		this.ids.fill(GAP, start, end);
	}

	/** A file's tokens and a gap behind them; there is room. */
	*append(tokens: Uint32Array): Generator<void, Range> {
		invariant(this.length + tokens.length < this.capacity, 'room was made for the file');
		const start = this.length;
		const end = start + tokens.length;
		this.ids.set(tokens, start);
		this.ids[end] = GAP;
		this.length = end + 1;
		for (let at = start + SHORT - 1; at < end - 1; at++) {
			this.#link(this.#shortHeads, this.#short, hashOf(this.ids, at, SHORT), at);
			if (at >= start + LONG - 1) this.#link(this.#longHeads, this.#long, hashOf(this.ids, at, LONG), at);
			if (at % SLICE === 0) yield;
		}
		return { start, end };
	}

	#link(heads: Int32Array, previous: Int32Array, hash: number, at: number): void {
		previous[at] = heads[hash] as number;
		heads[hash] = at;
	}

	offerTo(matches: Pick<Matches, 'offer'>, context: TokenSequence, except: Range | undefined): void {
		if (context.length < SHORT) return;
		const found = context.length >= LONG && this.#walk(matches, context, except, this.#longHeads, this.#long, LONG);
		if (!found) this.#walk(matches, context, except, this.#shortHeads, this.#short, SHORT);
	}

	/** Whether anything matched. */
	#walk(
		matches: Pick<Matches, 'offer'>,
		context: TokenSequence,
		except: Range | undefined,
		heads: Int32Array,
		previous: Int32Array,
		order: number,
	): boolean {
		const last = context.length - 1;
		const { ids } = this;
		let found = false;
		let at = heads[hashOf(context.ids, last, order)] as number;
		for (let steps = 0; at >= 0 && steps < WALK; steps++, at = previous[at] as number) {
			if (except && at >= except.start && at < except.end) continue;
			const length = matchingTokens(ids, at, context.ids, last);
			// Unequal contexts can share a chain; a file that is being erased may end here.
			if (length < order || ids[at + 1] === GAP) continue;
			matches.offer(ids, at, length, false);
			found = true;
		}
		return found;
	}
}

/** Of the `order` ids that end at `at`: an index into the heads. */
function hashOf(ids: Uint32Array, at: number, order: number): number {
	let hash = order;
	for (let i = at - order + 1; i <= at; i++) {
		hash = Math.imul(hash ^ (ids[i] as number), 0x9e37_79b1);
		hash ^= hash >>> 15;
	}
	return (hash >>> 0) & (HEADS - 1);
}
