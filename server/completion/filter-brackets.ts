/** Fits a text to the brackets and quotes that stand right of the cursor. */
import type { Candidate } from './filters.ts';
import { indentationOf } from './stop-rules.ts';

const OPENER_OF: Record<string, string> = { ')': '(', ']': '[', '}': '{' };
/** Characters on both sides of the cursor that are looked at for the bracket around it. */
const REACH = 4000;

/**
 * Editors close brackets and quotes by themselves, and the text closes them too. What it closes of the cursor's line takes the
 * place of the rest's closers, one by one; where it closes more than that, or goes on as the rest cannot, it is cut. Closers that
 * belong to brackets of the text's own repeat nothing.
 */
export function joinWithRestOfLine(candidate: Candidate): Candidate {
	const { text, linePrefix, suffix } = candidate;
	const rest = (suffix.split('\n', 1)[0] ?? '').trimEnd();
	if (rest === '') return candidate;
	const there = leading(rest, outerClosers(rest, linePrefix));
	if (there.length === 0) return joinWithWords(candidate, rest);
	const all = outerClosers(text, linePrefix);
	// What the line opened and the rest does not close is the text's alone to close, before it comes to the rest's closers.
	const first = all.findIndex(({ at, opener }) => !opener || text[at] === rest[(there[0] as Closer).at]);
	const said = all.slice(Math.max(0, first));
	let n = 0;
	while (n < there.length && said[n] && text[(said[n] as Closer).at] === rest[(there[n] as Closer).at]) n++;
	const extra = said.slice(n).find(({ opener }) => !opener)?.at;
	const kept = extra === undefined ? text : text.slice(0, extra).trimEnd();
	if (n > 0) return { ...candidate, ...takePlace(candidate, kept, (said[n - 1] as Closer).at, there.slice(0, n)) };
	// No statement ends before what closes a bracket that holds no statements.
	const holdsNone = there[0]?.opener !== undefined && /^[)\]]/.test(rest) && !/\bfor\b/.test(linePrefix);
	if (holdsNone && kept.endsWith(';')) return { ...candidate, text: kept.replace(/[;\s]+$/, '') };
	// A block that begins on the next line is not closed on its last, unless the text closes there what the line opened.
	const isClosed = all.some(({ at, opener }) => opener && at === kept.length - 1);
	const indentation = /^[ \t]*\n/.test(kept) && !isClosed ? `\n${/^[ \t]*/.exec(linePrefix)?.[0] ?? ''}` : '';
	return { ...candidate, text: kept + indentation };
}

/** What ends a line behind which the body of a function stands that is part of an expression. */
const FUNCTION_BODY = /(?:=>|\bfunction\b[^{]*\))\s*\{$/;

/** The text up to `said`, its last closer that the rest has too, up to the last of `closers`, which are the rest's; both may go on. */
function takePlace({ linePrefix, suffix }: Candidate, text: string, said: number, closers: readonly Closer[]) {
	const rest = (suffix.split('\n', 1)[0] ?? '').trimEnd();
	const endOf = (closer: Closer | undefined) => (closer ? closer.at + 1 : 0);
	const end = endOf(closers.at(-1));
	const [behind, left] = [text.slice(said + 1), rest.slice(end).trim()];
	const line = (behind.split('\n', 1)[0] ?? '').trim();
	if (left === '') return { text, replaces: end };
	if (line.startsWith(left) || behind.endsWith(left)) return { text, replaces: rest.length };
	// The body of a function that is an argument stands before what closes the call.
	if (/^[)\]]+[;,]?$/.test(left) && FUNCTION_BODY.test(linePrefix + text)) return { text, replaces: end };
	// A statement that is over cannot go on with the rest, nor can a block begin behind it.
	const isOver = behind.trim() === '' || /[;:{,]$/.test(line) || /^[:{]/.test(left);
	return isOver ? { text: text.slice(0, said), replaces: endOf(closers.at(-2)) } : { text, replaces: end };
}

/** A rest that closes nothing: a text that ends like it takes its place; what of it the text repeats in part is cut. */
function joinWithWords(candidate: Candidate, rest: string): Candidate {
	const { text } = candidate;
	const repeats = (n: number) => text.endsWith(rest.slice(0, n)) && closesNothingBefore(text, text.length - n);
	const firstLine = (text.split('\n', 1)[0] ?? '').trimEnd();
	if (repeats(rest.length) || (/^[:{;,]$/.test(rest) && firstLine.endsWith(rest))) return { ...candidate, replaces: rest.length };
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
	const unmatched = replaces > 0 ? [] : scan(text).unmatched;
	if (unmatched.length === 0) return candidate;
	const opener = openerBefore(prefix);
	// A closer of another kind is the model's mistake, and closes nothing.
	const at = unmatched.find((each) => OPENER_OF[text.charAt(each)] === opener?.character);
	const following = suffix.slice(0, REACH);
	const [closer] = scan(following).unmatched;
	if (!opener || at === undefined || closer === undefined || following[closer] !== text[at]) return candidate;
	const closingLine = following.slice(following.lastIndexOf('\n', closer) + 1, closer);
	if (!following.slice(0, closer).includes('\n') || closingLine.trim() !== '') return candidate;
	if (indentationOf(`${closingLine}x`) !== opener.indentation) return candidate;
	return { ...candidate, text: text.slice(0, at).trimEnd() };
}

/**
 * A round or square bracket that is not the innermost one open is closed by mistake: the text is cut before it. Where such closers stand
 * in the document already (`a)` in a list, or in a `case` of the shell), they are no mistake.
 */
export function cutLooseClosers(candidate: Candidate): Candidate {
	const { text, prefix, linePrefix } = candidate;
	if (!outerClosers(text, linePrefix).some(({ opener }) => !opener)) return candidate;
	const near = nearEnd(prefix);
	const { open, unmatched } = scan(near);
	if (open.some(({ character }) => character === '`')) return candidate;
	let loose: number | undefined;
	walk(text, open, (at, opener) => {
		const closer = text.charAt(at);
		if (!opener && closer !== '}' && !unmatched.some((each) => near[each] === closer)) loose ??= at;
	});
	return loose === undefined ? candidate : { ...candidate, text: text.slice(0, loose).trimEnd() };
}

/** Lines that end inside of a bracket that they opened go, back to where all are closed; where that is nowhere, all but the first. */
export function cutOpenBrackets(candidate: Candidate): Candidate {
	const { text, linePrefix } = candidate;
	const first = text.indexOf('\n', /^\s*/.exec(text)?.[0].length);
	if (first === -1) return candidate;
	let end = text.length;
	while (end > first && leavesOpen(text.slice(0, end), linePrefix)) end = text.lastIndexOf('\n', end - 1);
	return { ...candidate, text: text.slice(0, end) };
}

/** Whether lines behind `linePrefix` open a bracket, or a string of several lines, that they do not close. */
function leavesOpen(lines: string, linePrefix: string): boolean {
	const open = openersOf(linePrefix);
	walk(`${lines}\n`, open, () => {});
	return open.some(({ at }) => at >= 0);
}

/** The last lines, of {@link REACH} characters at most. */
function nearEnd(prefix: string): string {
	return prefix.slice(prefix.length > REACH ? prefix.indexOf('\n', prefix.length - REACH) + 1 : 0);
}

/** The innermost bracket that is open at the end of the text, and the indentation of its line. */
function openerBefore(prefix: string): { character: string; indentation: number } | undefined {
	const near = nearEnd(prefix);
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

interface Closer {
	at: number;
	/** Undefined where nothing on the line is open that it could close. */
	opener: Bracket | undefined;
}

/** The closers of a text behind `linePrefix` that do not belong to openers of its own. */
function outerClosers(text: string, linePrefix: string): Closer[] {
	const closers: Closer[] = [];
	walk(text, openersOf(linePrefix), (at, opener) => {
		if (!opener || opener.at < 0) closers.push({ at, opener });
	});
	return closers;
}

/** What is open before a text, in front of its first character. */
function openersOf(linePrefix: string): Bracket[] {
	return scan(linePrefix.slice(-REACH)).open.map(({ character }) => ({ character, at: -1 }));
}

/** Those that nothing but white space stands before. */
function leading(text: string, closers: readonly Closer[]): Closer[] {
	let end = 0;
	const first = closers.findIndex(({ at }) => {
		const isBehind = text.slice(end, at).trim() !== '';
		end = at + 1;
		return isBehind;
	});
	return closers.slice(0, first === -1 ? closers.length : first);
}

/** Brackets that the text leaves open, and where those close that the text did not open. Those in strings do not count. */
function scan(text: string): { open: Bracket[]; unmatched: number[] } {
	const open: Bracket[] = [];
	const unmatched: number[] = [];
	walk(text, open, (at, opener) => {
		if (!opener) unmatched.push(at);
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
		else if (inString && last.character === '`' && text.startsWith('${', at)) open.push({ character: '{', at: at++ });
		else if (inString && character === '\n' && last.character !== '`') open.pop();
		else if (last && last.character === (inString ? character : OPENER_OF[character])) {
			closed(at, last);
			open.pop();
		} else if (!inString && ((isQuote(character) && !isLifetime(text, at)) || '([{'.includes(character))) open.push({ character, at });
		else if (!inString && OPENER_OF[character]) closed(at, undefined);
	}
}

/** Rust's `&'a` and `<'a`: a name, and no quote behind it. */
const LIFETIME = /(?<=[&<])'[A-Za-z_]\w*(?![\w'])/y;

function isLifetime(text: string, at: number): boolean {
	LIFETIME.lastIndex = at;
	return LIFETIME.test(text);
}

function isQuote(character: string): boolean {
	return character === '"' || character === "'" || character === '`';
}
