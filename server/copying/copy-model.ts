/**
 * The copy model: a nested-cache n-gram over the generator's own tokens (Hellendoorn & Devanbu 2017). What followed the end of
 * the context elsewhere in the open file or in the repository is the prediction; long matches and like places count most.
 *
 * Guarantees: no training, no model run; equal texts give equal predictions; the open file's saved text is not counted
 * beside the text that is open.
 * Deliberately lacks: smoothing over much shorter contexts, which made exact matches rarer (the generator is the fallback), and
 * weight for the files that retrieval found, which changed nothing once places are told apart by their text.
 */
import type { AnalogyPrediction, AnalogySession } from './analogy-session.ts';
import type { BlockTokenizer } from './block-tokens.ts';
import { type Followers, Likeness, Matches, matchingTokens } from './matches.ts';
import type { NgramIndex } from './ngram-index.ts';
import { TokenSequence } from './token-sequence.ts';

/** Characters of the open file that are searched on each side of the cursor. */
const OPEN_FILE_CHARS = 120_000;
/** The searched text begins at a multiple of it, so that typing does not move every block. */
const OPEN_FILE_STEP = 30_000;

/** What may come next, with what speaks for it. */
export interface CopyPrediction {
	/** Probability of each token that followed the match, 0–1; they sum to 1. */
	probabilities: ReadonlyMap<number, number>;
	/** Length of the longest match in tokens, 1 to 24. */
	matchLength: number;
	/** Places where it stands at its full length. */
	support: number;
	/** How much the text before the places that the most probable token stands behind is like the text here, 0–1. */
	likeness: number;
	/** Share of the weight that comes from the open file, 0–1. */
	openFileShare: number;
}

/** The copy model at one cursor. It reads what is written there token by token. */
export interface CopySession {
	/** Tokens of the context. */
	readonly length: number;
	/** Undefined where not even the last token stands elsewhere. */
	predict(): CopyPrediction | undefined;
	/** Undefined where no analogous line agrees with what was pushed, or none was to be looked for. */
	predictAnalogy(): AnalogyPrediction | undefined;
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
	/** Lines that may come by analogy. Default none. */
	analogies?: AnalogySession | undefined;
	/** Tables that one session after the other may use; those of its own by default. */
	likeness?: Likeness;
}

export function createCopySession(options: CopySessionOptions): CopySession {
	const { prefix, suffix, path, tokenizer, repository, analogies, likeness = new Likeness() } = options;
	const start = Math.max(0, Math.ceil((prefix.length - OPEN_FILE_CHARS) / OPEN_FILE_STEP) * OPEN_FILE_STEP);
	const context = new TokenSequence(tokenizer.encode(prefix.slice(start)));
	const origin = context.length;
	const after = tokenizer.encode(suffix.slice(0, OPEN_FILE_CHARS));
	/** Where the ways begin along which predictions are kept: a draft asks first, then decoding, a branch, and the next request. */
	let root = context.length;
	/** The context's end, and its places back to the root. */
	let way: [Place, ...Place[]] = [{ next: new Map() }];

	const predict = (): CopyPrediction | undefined => {
		if (context.length === 0) return undefined;
		const matches = new Matches();
		repository?.offerTo(matches, context, path);
		offerOpenFile(matches, context, context.ids, context.length);
		offerOpenFile(matches, context, after, after.length);
		const found = matches.followers(context, likeness);
		return found && predictionOf(found, matches.longest);
	};

	return {
		get length() {
			return context.length;
		},
		predict() {
			const here = way.at(-1) as Place;
			here.predicted ??= { prediction: predict() };
			return here.predicted.prediction;
		},
		predictAnalogy: () => analogies?.predict(context.ids.subarray(origin, context.length)),
		push(token) {
			const { next } = way.at(-1) as Place;
			const place = next.get(token) ?? { next: new Map() };
			next.set(token, place);
			way.push(place);
			context.push(token);
		},
		truncate(length) {
			context.truncate(length);
			if (context.length >= root) way.length = context.length - root + 1;
			else {
				root = context.length;
				way = [{ next: new Map() }];
			}
		},
	};
}

/** A place behind the context, by the tokens that lead there. */
interface Place {
	predicted?: { prediction: CopyPrediction | undefined };
	next: Map<number, Place>;
}

/** Offers the places in `ids[0, length)` that match the context's end, the last ones first. */
function offerOpenFile(matches: Matches, context: TokenSequence, ids: Uint32Array, length: number): void {
	if (length < 2) return;
	const last = context.length - 1;
	const token = context.ids[last] as number;
	for (let at = ids.lastIndexOf(token, length - 2); at >= 0; at = at === 0 ? -1 : ids.lastIndexOf(token, at - 1)) {
		matches.offer(ids, at, matchingTokens(ids, at, context.ids, last), true);
	}
}

function predictionOf({ weights, total, support, fromOpenFile, likeness }: Followers, matchLength: number): CopyPrediction {
	const probabilities = new Map<number, number>();
	for (const [token, weight] of weights) probabilities.set(token, weight / total);
	return { probabilities, matchLength, support, likeness, openFileShare: fromOpenFile / total };
}
