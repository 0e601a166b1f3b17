/**
 * What becomes of a generated text before it is shown: small steps, one after the other, each of which may shorten it or
 * refuse it with a reason that the user can read in the status.
 *
 * Deliberately lacks: confidence, and everything that is decided before a model runs (`engine.ts`).
 */
import { cutClosersThatFollow, cutLooseClosers, cutOpenBrackets, joinWithRestOfLine } from './filter-brackets.ts';
import { adoptIndentation } from './filter-indentation.ts';
import { cutRepetition, refuseDuplicate } from './filter-repetition.ts';

export interface Candidate {
	text: string;
	/** Characters right of the cursor that the text replaces. */
	replaces: number;
	/** Text before the cursor. */
	prefix: string;
	/** The cursor's line up to the cursor. */
	linePrefix: string;
	/** Text from the cursor to the end of the document. */
	suffix: string;
	/** Whether the model or a rule ended the text, not a limit of time or length. */
	complete: boolean;
}

export interface Refusal {
	refused: 'empty' | 'repeatsSuffix' | 'repeatsItself';
}

export type Filter = (candidate: Candidate) => Candidate | Refusal;

export type Verdict = { kind: 'keep'; text: string; replaces: number } | { kind: 'refuse'; reason: Refusal['refused'] };

const FILTERS: readonly Filter[] = [
	cutUnfinished,
	trimEnd,
	dropSecondSpace,
	cutLooseClosers,
	dropSemicolons,
	refuseEmpty,
	cutRepetition,
	cutOpenBrackets,
	refuseDuplicate,
	joinWithRestOfLine,
	cutClosersThatFollow,
	adoptIndentation,
	refuseNothingNew,
];

/** Runs all steps. */
export function filterCandidate(generated: Omit<Candidate, 'replaces'>): Verdict {
	let candidate: Candidate = { ...generated, replaces: 0 };
	for (const filter of FILTERS) {
		const result = filter(candidate);
		if ('refused' in result) return { kind: 'refuse', reason: result.refused };
		candidate = result;
	}
	return { kind: 'keep', text: candidate.text, replaces: candidate.replaces };
}

/** A text that a limit ended is cut back to its last complete line; a single line to its last complete word. */
export function cutUnfinished(candidate: Candidate): Candidate {
	const { text, complete } = candidate;
	if (complete) return candidate;
	const lastBreak = text.lastIndexOf('\n');
	return { ...candidate, text: lastBreak > 0 ? text.slice(0, lastBreak) : text.replace(/[\p{L}\p{N}_$]+$/u, '') };
}

export function trimEnd(candidate: Candidate): Candidate {
	return { ...candidate, text: candidate.text.trimEnd() };
}

/** White space stands before the cursor already. */
export function dropSecondSpace(candidate: Candidate): Candidate {
	return /\s$/.test(candidate.linePrefix) ? { ...candidate, text: candidate.text.replace(/^[ \t]+/, '') } : candidate;
}

/** Characters on each side of the cursor that say how the document ends its lines, and the fewest lines that do. */
const REACH = 4000;
const FEWEST_LINES = 10;

/** Where no line ends with a semicolon, those of the text go, and with them what is no more than an operator (`++;`). */
export function dropSemicolons(candidate: Candidate): Candidate {
	const { text, prefix, suffix } = candidate;
	if (!/;$/m.test(text)) return candidate;
	const lines = (prefix.slice(-REACH) + suffix.slice(0, REACH)).split('\n').filter((line) => line.trim() !== '');
	if (lines.length < FEWEST_LINES || lines.some((line) => /;\s*$/.test(line))) return candidate;
	const without = text.replaceAll(/;$/gm, '');
	return { ...candidate, text: /^\W*[-+*/=<>&|!]$/.test(without) ? '' : without };
}

export function refuseEmpty(candidate: Candidate): Candidate | Refusal {
	return candidate.text.trim() === '' ? { refused: 'empty' } : candidate;
}

/** What is left does no more than repeat what it replaces, or what was cut off. */
export function refuseNothingNew(candidate: Candidate): Candidate | Refusal {
	const { text, replaces, suffix } = candidate;
	return text.trim() === '' || (replaces > 0 && text.trim() === suffix.slice(0, replaces).trim())
		? { refused: 'repeatsSuffix' }
		: candidate;
}
