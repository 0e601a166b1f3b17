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
	return { kind: 'keep', ...joinWithRestOfLine(text, suffix) };
}

/**
 * Fits the text to what already stands right of the cursor. When the text ends as the rest of the line does (`)` that the
 * editor closed by itself), it takes the rest's place; closers of the rest that the text repeats in part are cut.
 */
function joinWithRestOfLine(text: string, suffix: string): { text: string; replaces: number } {
	const rest = (suffix.split(/\r?\n/, 1)[0] ?? '').trimEnd();
	if (rest === '' || text.includes('\n')) return { text, replaces: 0 };
	const firstLine = text;
	if (firstLine.endsWith(rest)) return { text, replaces: rest.length };
	for (let n = rest.length - 1; n > 0; n--) {
		if (firstLine.endsWith(rest.slice(0, n)) && /^[)\]}"'`;,>]+$/.test(rest.slice(0, n))) return { text: text.slice(0, -n), replaces: 0 };
	}
	return { text, replaces: 0 };
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
