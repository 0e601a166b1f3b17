/**
 * Units, the smallest pieces that a cutter names, and how they become chunks.
 *
 * The policy, made so that an edit changes the chunks it touches and no other:
 * 1. A definition of some size (an eighth of the budget) is a chunk of its own, with its comments and decorators. One that is
 *    over the budget was cut into its members before; they follow the same rules.
 * 2. Small neighbours (imports, constants, short functions) merge. Where a merged run ends depends on the run's own text: once it
 *    has a quarter of the budget, it ends before a unit whose hash says so (one in two after a blank line or a closed block, else one
 *    in sixteen). Counting from the start of the file instead would move every later boundary with the first edit.
 * 3. A crumb joins a neighbour if that has room: a closing brace the chunk before it, anything else (a lone constant, the head of a
 *    class) the chunk after it.
 *
 * Guarantees: the pieces that come out cover what the units cover, in order.
 */
import { fnv1a } from '../base/numbers.ts';
import type { TokenBudget } from './token-budget.ts';

export interface Span {
	start: number;
	end: number;
}

/** Units follow each other without a gap: white space between two belongs to the first. */
export interface Unit extends Span {
	/** A chunk starts here. */
	opens: boolean;
	/** A chunk ends here. */
	closes: boolean;
	/** Comments and decorators, which belong to what follows. */
	leading: boolean;
	/** Nesting; only its changes count. */
	depth: number;
	blankBefore: boolean;
}

const OWN_CHUNK_SHARE = 1 / 8;
const RUN_SHARE = 1 / 4;
const CRUMB_SHARE = 1 / 16;
const STRONG_BREAK_ODDS = 2;
const WEAK_BREAK_ODDS = 16;
/** Nothing but closing brackets and `end`. */
const CLOSER = /^[\s)\]};,]*(end)?\s*$/;

/** Whether a definition of this size is a chunk of its own. */
export function isOwnChunk(budget: TokenBudget, start: number, end: number): boolean {
	return budget.estimate(start, end) >= budget.maxTokens * OWN_CHUNK_SHARE;
}

/** Merges units into pieces. Pieces seem to fit the budget unless a single unit does not. */
export function mergeUnits(text: string, units: readonly Unit[], budget: TokenBudget): Span[] {
	const runs: Span[] = [];
	let previous: Unit | undefined;
	for (const unit of units) {
		const run = runs.at(-1);
		if (run && previous && !endsBefore(text, run, previous, unit, budget)) run.end = unit.end;
		else runs.push({ start: unit.start, end: unit.end });
		previous = unit;
	}
	return absorbCrumbs(text, runs, budget);
}

function endsBefore(text: string, run: Span, previous: Unit, unit: Unit, budget: TokenBudget): boolean {
	if (previous.closes || unit.opens || !budget.seemsToFit(run.start, unit.end)) return true;
	if (budget.estimate(run.start, run.end) < budget.maxTokens * RUN_SHARE) return false;
	const strong = unit.blankBefore || unit.depth < previous.depth;
	return hash(text.slice(unit.start, unit.end).trim()) % (strong ? STRONG_BREAK_ODDS : WEAK_BREAK_ODDS) === 0;
}

function absorbCrumbs(text: string, runs: readonly Span[], budget: TokenBudget): Span[] {
	const pieces: Span[] = [];
	let crumb: Span | undefined;
	for (const run of runs) {
		const piece = { ...run };
		if (crumb) {
			if (budget.seemsToFit(crumb.start, piece.end)) piece.start = crumb.start;
			else pieces.push(crumb);
			crumb = undefined;
		}
		if (budget.estimate(piece.start, piece.end) >= budget.maxTokens * CRUMB_SHARE) pieces.push(piece);
		else if (CLOSER.test(text.slice(piece.start, piece.end))) pushOrAppend(pieces, piece, budget);
		else crumb = piece;
	}
	if (crumb) pushOrAppend(pieces, crumb, budget);
	return pieces;
}

function pushOrAppend(pieces: Span[], piece: Span, budget: TokenBudget): void {
	const last = pieces.at(-1);
	if (last && budget.seemsToFit(last.start, piece.end)) last.end = piece.end;
	else pieces.push(piece);
}

/** With a final mix: the low bits decide. */
function hash(text: string): number {
	let value = fnv1a(text);
	value = Math.imul(value ^ (value >>> 15), 0x2c1b3c6d);
	return (value ^ (value >>> 13)) >>> 0;
}
