/**
 * The most probable line instead of the greedy one: a token that is the most probable at its place may lead to a line that is
 * not. Decodes greedily, then goes back to the places where another beginning is still more probable than the best whole line
 * (branch and bound; a longer text is never more probable than its beginning).
 *
 * Guarantees: the line is at least as probable as the greedy one, where that is worth suggesting; equal prompts give equal lines; cancellation and the time
 * budget hold as in `decode.ts`. A sure line costs nothing: no other beginning is as probable. A generator that takes long for one
 * line is not asked for others, where somebody types: the line that is there is better than a later one.
 * Deliberately lacks: blocks, whose many lines no few branches cover, and any judgement but probability. Weights for length,
 * for agreement between lines and for where a line was found made no more lines right (models/training/LOG.md).
 */
import { type Branch, createDecoding, type Decoded, type DecodeOptions, type Decoding, type Way } from './decode.ts';

/**
 * Beginnings that are decoded to their end at most. Each costs a few runs of the generator; one finds most of the lines and four
 * nearly all that there are to find (models/training/LOG.md).
 */
const MOST_BRANCHES = 2;
/** Least probability of a token at which a branch begins, 0–1. */
export const LEAST_PROBABILITY = 0.02;

export interface SearchOptions extends DecodeOptions {
	/** Milliseconds after which no other beginning is followed. Default: there is no such limit. */
	searchWithinMs?: number;
}

/** @param options of a single line */
export async function decodeMostProbable(options: SearchOptions): Promise<Decoded> {
	const { now, searchWithinMs = Number.POSITIVE_INFINITY } = options;
	const until = now() + searchWithinMs;
	const mayGoOn = () => now() <= until;
	return (await findMostProbable(createDecoding(options, LEAST_PROBABILITY), { mayGoOn })).best.decoded;
}

/** What a search found besides. */
export interface Found {
	best: Way;
	/** Lines that were followed and are less probable. */
	others: Way[];
	/** Beginnings that were not. */
	branches: Branch[];
}

export interface FindOptions {
	/** Log-probability of what `others` and `branches` are wanted for. Default: they are not. */
	least?: number | undefined;
	/** Asked before another beginning is followed. Default always. */
	mayGoOn?(): boolean;
}

/** @param decoding of a single line, with branches */
export async function findMostProbable(
	decoding: Decoding,
	{ least = Number.POSITIVE_INFINITY, mayGoOn = () => true }: FindOptions = {},
): Promise<Found> {
	const first = await decoding.follow([]);
	const { branches } = first;
	const others: Way[] = [];
	let best = first;
	// What a limit ended is not a line, and an empty one is nothing to suggest: any line is better.
	const bound = () => (best.isLine ? best.decoded.sumLogProb : Number.NEGATIVE_INFINITY);
	for (let tried = 0; tried < MOST_BRANCHES && !isInterrupted(best.decoded) && mayGoOn(); tried++) {
		const branch = takeMostProbable(branches, bound());
		if (!branch) break;
		const way = await decoding.follow(branch.beginning, { bound: Math.min(bound(), least) });
		if (way.decoded.reason === 'cancelled') return { best: way, others, branches };
		if (way.decoded.reason === 'time') break;
		const isBetter = way.isLine && way.decoded.sumLogProb > bound();
		others.push(isBetter ? best : way);
		if (isBetter) best = way;
		branches.push(...way.branches);
	}
	return { best, others, branches };
}

export function isInterrupted({ reason }: Decoded): boolean {
	return reason === 'cancelled' || reason === 'time';
}

/** Removes it, if it is more probable than `bound`; the first of equals. */
export function takeMostProbable(branches: Branch[], bound: number): Branch | undefined {
	let best = 0;
	for (const [i, { logProb }] of branches.entries()) if (logProb > (branches[best] as Branch).logProb) best = i;
	return (branches[best]?.logProb ?? Number.NEGATIVE_INFINITY) > bound ? branches.splice(best, 1)[0] : undefined;
}
