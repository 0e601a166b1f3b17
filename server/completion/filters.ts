/**
 * What becomes of a generated text before it is shown: small steps, each of which may shorten it or refuse it with a
 * reason that the user can read in the status.
 */

export interface Candidate {
	text: string;
	/** Text of the cursor's line up to the cursor. */
	linePrefix: string;
	/** Text from the cursor to the end of the document. */
	suffix: string;
}

export type Verdict =
	| { kind: 'keep'; text: string /** Characters right of the cursor that the text replaces. */; replaces: number }
	| Refusal;

export interface Refusal {
	kind: 'refuse';
	reason: 'empty' | 'repeatsSuffix' | 'repeatsItself';
}

/** Runs all steps. */
export function filterCandidate(candidate: Candidate): Verdict {
	const { linePrefix, suffix } = candidate;
	let text = candidate.text.trimEnd();
	if (linePrefix.trimEnd() !== linePrefix) text = text.replace(/^[ \t]+/, '');
	if (text.trim() === '') return { kind: 'refuse', reason: 'empty' };
	if (repeatsItself(text)) return { kind: 'refuse', reason: 'repeatsItself' };
	if (repeatsSuffix(text, suffix)) return { kind: 'refuse', reason: 'repeatsSuffix' };
	const joined = joinWithRestOfLine(text, suffix);
	if (joined.text.trim() === '' || joined.text.length === joined.replaces) return { kind: 'refuse', reason: 'repeatsSuffix' };
	return { kind: 'keep', ...joined };
}

/**
 * Fits the text to what already stands right of the cursor. When the text ends as the rest of the line does (`)` that the
 * editor closed by itself), it takes the rest's place; closers of the rest that the text repeats in part are cut. Closers
 * that belong to brackets of the text's own repeat nothing.
 */
function joinWithRestOfLine(text: string, suffix: string): { text: string; replaces: number } {
	const rest = (suffix.split(/\r?\n/, 1)[0] ?? '').trimEnd();
	const repeats = (n: number) => text.endsWith(rest.slice(0, n)) && closesNothingBefore(text, text.length - n);
	if (rest === '') return { text, replaces: 0 };
	if (repeats(rest.length)) return { text, replaces: rest.length };
	for (let n = rest.length - 1; n > 0; n--) {
		if (/^[)\]}"'`;,>]+$/.test(rest.slice(0, n)) && repeats(n)) return { text: text.slice(0, -n), replaces: 0 };
	}
	return { text, replaces: 0 };
}

const OPENER_OF: Record<string, string> = { ')': '(', ']': '[', '}': '{' };

/** Whether no bracket or quote from `start` on closes one that the text opens before it. Brackets in strings do not count. */
function closesNothingBefore(text: string, start: number): boolean {
	const open: { character: string; at: number }[] = [];
	for (let at = 0; at < text.length; at++) {
		const character = text.charAt(at);
		const last = open.at(-1);
		const inString = last !== undefined && isQuote(last.character);
		if (inString && character === '\\') at++;
		else if (inString && character === '\n' && last.character !== '`') open.pop();
		else if (last && last.character === (inString ? character : OPENER_OF[character])) {
			if (at >= start && last.at < start) return false;
			open.pop();
		} else if (!inString && (isQuote(character) || '([{'.includes(character))) open.push({ character, at });
	}
	return true;
}

function isQuote(character: string): boolean {
	return character === '"' || character === "'" || character === '`';
}

/** The next line of the document is what the text says. Short lines such as `}` repeat by right. */
function repeatsSuffix(text: string, suffix: string): boolean {
	const [, ...following] = suffix.split(/\r?\n/, 8);
	const next = following.find((line) => line.trim() !== '')?.trim();
	const first = text.split('\n', 1)[0]?.trim() ?? '';
	return next !== undefined && next.length > 8 && first === next;
}

/** A tail of the same piece over and over is how small models fail. */
function repeatsItself(text: string): boolean {
	for (let size = 1; size <= 24; size++) {
		const times = size === 1 ? 12 : size < 6 ? 5 : 3;
		const piece = text.slice(-size);
		if (text.length >= size * times && piece.trim() !== '' && text.endsWith(piece.repeat(times)) && /\w/.test(piece)) return true;
	}
	return false;
}
