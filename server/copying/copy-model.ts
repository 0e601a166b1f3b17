/**
 * The copy model: a nested-cache n-gram over the generator's own tokens (Hellendoorn & Devanbu 2017). The longest context
 * that stands somewhere else in the open file or in the repository wins; what followed it there is the prediction.
 *
 * Guarantees: no training, no model run; equal texts give equal predictions; the open file's saved text is not counted
 * beside the text that is open.
 * Deliberately lacks: smoothing over shorter contexts, which made exact matches rarer (the generator is the fallback).
 */
import type { BlockTokenizer } from './block-tokens.ts';
import type { NgramIndex } from './ngram-index.ts';
import { matchingTokens, Tally } from './tally.ts';
import { TokenSequence } from './token-sequence.ts';

/** Weight of a place in the open file; one in another file weighs 1. */
const OPEN_FILE_WEIGHT = 4;
/** Characters of the open file that are searched on each side of the cursor. */
const OPEN_FILE_CHARS = 120_000;
/** The searched text begins at a multiple of it, so that typing does not move every block. */
const OPEN_FILE_STEP = 30_000;

/** What may come next, with what speaks for it. */
export interface CopyPrediction {
	/** Probability of each token that followed the match, 0–1; they sum to 1. */
	probabilities: ReadonlyMap<number, number>;
	/** Length of the match in tokens, 1 to 24. */
	matchLength: number;
	/** Places where it stands. */
	support: number;
	/** Share of the weight that comes from the open file, 0–1. */
	openFileShare: number;
}

/** The copy model at one cursor. It reads what is written there token by token. */
export interface CopySession {
	/** Tokens of the context. */
	readonly length: number;
	/** Undefined where not even the last token stands elsewhere. */
	predict(): CopyPrediction | undefined;
	push(token: number): void;
	/** Forgets all tokens of the context from `length` on. */
	truncate(length: number): void;
}

export interface CopySessionOptions {
	/** Text before the cursor, up to a token boundary; `\n` line ends. */
	prefix: string;
	/** Text after the cursor; empty when it may not be read. */
	suffix: string;
	/** Path of the open file. */
	path: string;
	tokenizer: BlockTokenizer;
	/** The workspace folder's files; undefined outside of any. */
	repository: Pick<NgramIndex, 'offerTo'> | undefined;
}

export function createCopySession({ prefix, suffix, path, tokenizer, repository }: CopySessionOptions): CopySession {
	const start = Math.max(0, Math.ceil((prefix.length - OPEN_FILE_CHARS) / OPEN_FILE_STEP) * OPEN_FILE_STEP);
	const context = new TokenSequence(tokenizer.encode(prefix.slice(start)));
	const after = tokenizer.encode(suffix.slice(0, OPEN_FILE_CHARS));

	return {
		get length() {
			return context.length;
		},
		predict() {
			if (context.length === 0) return undefined;
			const tally = new Tally();
			repository?.offerTo(tally, context, path);
			offerOpenFile(tally, context, context.ids, context.length);
			offerOpenFile(tally, context, after, after.length);
			return tally.matchLength === 0 ? undefined : predictionOf(tally);
		},
		push: (token) => context.push(token),
		truncate: (length) => context.truncate(length),
	};
}

/** Offers what stands in `ids[0, length)` behind matches of the context's end. */
function offerOpenFile(tally: Tally, context: TokenSequence, ids: Uint32Array, length: number): void {
	const last = context.length - 1;
	const token = context.ids[last] as number;
	for (let at = ids.indexOf(token); at >= 0 && at < length - 1; at = ids.indexOf(token, at + 1)) {
		tally.offer(matchingTokens(ids, at, context.ids, last), ids[at + 1] as number, OPEN_FILE_WEIGHT, true);
	}
}

function predictionOf({ weights, total, matchLength, support, fromOpenFile }: Tally): CopyPrediction {
	const probabilities = new Map<number, number>();
	for (const [token, weight] of weights) probabilities.set(token, weight / total);
	return { probabilities, matchLength, support, openFileShare: fromOpenFile / total };
}
