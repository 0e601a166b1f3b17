/** Fits a text to the brackets and quotes that stand right of the cursor. */
import type { Candidate } from './filters.ts';
import { indentationOf } from './stop-rules.ts';

const OPENER_OF: Record<string, string> = { ')': '(', ']': '[', '}': '{' };
/** Characters on both sides of the cursor that are looked at for the bracket around it. */
const REACH = 4000;

/**
 * When the text ends as the rest of the line does (`)` that the editor closed by itself), it takes the rest's place; closers of
 * the rest that the text repeats in part are cut. Closers that belong to brackets of the text's own repeat nothing.
 */
export function joinWithRestOfLine(candidate: Candidate): Candidate {
	const { text, suffix } = candidate;
	const rest = (suffix.split('\n', 1)[0] ?? '').trimEnd();
	const repeats = (n: number) => text.endsWith(rest.slice(0, n)) && closesNothingBefore(text, text.length - n);
	if (rest === '') return candidate;
	if (repeats(rest.length)) return { ...candidate, replaces: rest.length };
	for (let n = rest.length - 1; n > 0; n--) {
		if (/^[)\]}"'`;,>]+$/.test(rest.slice(0, n)) && repeats(n)) return { ...candidate, text: text.slice(0, -n) };
	}
	return candidate;
}

/**
 * A bracket opened before the cursor that the following lines close, at the indentation of the line that opened it, is not
 * closed by the text too: it is cut before that closer.
 */
export function cutClosersThatFollow(candidate: Candidate): Candidate {
	const { text, prefix, suffix, replaces } = candidate;
	const at = replaces > 0 ? undefined : scan(text).unmatched;
	if (at === undefined) return candidate;
	const opener = openerBefore(prefix);
	const following = suffix.slice(0, REACH);
	const closer = scan(following).unmatched;
	if (!opener || closer === undefined || following[closer] !== text[at] || OPENER_OF[text.charAt(at)] !== opener.character)
		return candidate;
	const closingLine = following.slice(following.lastIndexOf('\n', closer) + 1, closer);
	if (!following.slice(0, closer).includes('\n') || closingLine.trim() !== '') return candidate;
	if (indentationOf(`${closingLine}x`) !== opener.indentation) return candidate;
	return { ...candidate, text: text.slice(0, at).trimEnd() };
}

/** The innermost bracket that is open at the end of the text, and the indentation of its line. */
function openerBefore(prefix: string): { character: string; indentation: number } | undefined {
	const near = prefix.slice(prefix.length > REACH ? prefix.indexOf('\n', prefix.length - REACH) + 1 : 0);
	const innermost = scan(near)
		.open.filter(({ character }) => !isQuote(character))
		.at(-1);
	if (!innermost) return undefined;
	return { character: innermost.character, indentation: indentationOf(near.slice(near.lastIndexOf('\n', innermost.at) + 1)) };
}

interface Bracket {
	character: string;
	at: number;
}

/** Brackets that the text leaves open, and where the first closes that the text did not open. Those in strings do not count. */
function scan(text: string): { open: Bracket[]; unmatched: number | undefined } {
	const open: Bracket[] = [];
	let unmatched: number | undefined;
	walk(text, open, (at, opener) => {
		if (!opener) unmatched ??= at;
	});
	return { open, unmatched };
}

/** Whether no bracket or quote from `start` on closes one that the text opens before it. */
function closesNothingBefore(text: string, start: number): boolean {
	let nothing = true;
	walk(text, [], (at, opener) => {
		if (opener && at >= start && opener.at < start) nothing = false;
	});
	return nothing;
}

/** Goes through brackets and quotes. `closed` is told of each closer, with its opener if the text holds it. */
function walk(text: string, open: Bracket[], closed: (at: number, opener: Bracket | undefined) => void): void {
	for (let at = 0; at < text.length; at++) {
		const character = text.charAt(at);
		const last = open.at(-1);
		const inString = last !== undefined && isQuote(last.character);
		if (inString && character === '\\') at++;
		else if (inString && character === '\n' && last.character !== '`') open.pop();
		else if (last && last.character === (inString ? character : OPENER_OF[character])) {
			closed(at, last);
			open.pop();
		} else if (!inString && (isQuote(character) || '([{'.includes(character))) open.push({ character, at });
		else if (!inString && OPENER_OF[character]) closed(at, undefined);
	}
}

function isQuote(character: string): boolean {
	return character === '"' || character === "'" || character === '`';
}
