/**
 * The most probable line instead of the greedy one: a token that is the most probable at its place may lead to a line that is
 * not. Decodes greedily, then goes back to the places where another beginning is still more probable than the best whole line
 * (branch and bound; a longer text is never more probable than its beginning).
 *
 * Guarantees: the line is at least as probable as the greedy one, where that has anything in it; equal prompts give equal lines; cancellation and the time
 * budget hold as in `decode.ts`. A sure line costs nothing: no other beginning is as probable.
 * Deliberately lacks: blocks, whose many lines no few branches cover, and any judgement but probability. Weights for length,
 * for agreement between lines and for where a line was found made no more lines right (models/training/LOG.md).
 */
import { type Branch, createDecoding, type Decoded, type DecodeOptions } from './decode.ts';

/**
 * Beginnings that are decoded to their end at most. Each costs a few runs of the generator; one finds most of the lines and four
 * nearly all that there are to find (models/training/LOG.md).
 */
const MOST_BRANCHES = 2;
/** Least probability of a token at which a branch begins, 0–1. */
const LEAST_PROBABILITY = 0.02;

/** @param options of a single line */
export async function decodeMostProbable(options: DecodeOptions): Promise<Decoded> {
	const decoding = createDecoding(options, LEAST_PROBABILITY);
	const first = await decoding.follow([]);
	let best = first.decoded;
	const branches = first.branches;
	// What a limit ended is not a line, and an empty one is nothing to suggest: any line is better.
	const bound = () => (isLine(best) ? best.sumLogProb : Number.NEGATIVE_INFINITY);
	for (let tried = 0; tried < MOST_BRANCHES && !isInterrupted(best); tried++) {
		const branch = takeMostProbable(branches);
		if (!branch || branch.logProb <= bound()) break;
		const { decoded, branches: more } = await decoding.follow(branch.beginning, bound());
		if (decoded.reason === 'cancelled') return decoded;
		if (decoded.reason === 'time') break;
		if (isLine(decoded)) best = decoded;
		branches.push(...more);
	}
	return best;
}

/** Whether a line with something in it came to its end. One that was decoded behind a bound is then above it. */
function isLine({ reason, text }: Decoded): boolean {
	return (reason === 'stopToken' || reason === 'stopRule') && text.trim() !== '';
}

function isInterrupted({ reason }: Decoded): boolean {
	return reason === 'cancelled' || reason === 'time';
}

/** Removes it; the first of equals. */
function takeMostProbable(branches: Branch[]): Branch | undefined {
	let best = 0;
	for (const [i, { logProb }] of branches.entries()) if (logProb > (branches[best] as Branch).logProb) best = i;
	return branches.splice(best, 1)[0];
}
