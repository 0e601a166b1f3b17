/** Text that says the same over and over, or says what stands right above or below the cursor already. */
import type { Candidate, Refusal } from './filters.ts';

/** Lines of the text and of the document that are compared, as Tabby does. */
const COMPARED_LINES = 3;
/** Shorter ones, `}` or `else:`, repeat by right. */
const SHORTEST = 8;
/** Edits in proportion to the length up to which two texts say the same. */
const TOLERANCE = 0.05;
/** The same line again and again, ignoring white space at its ends. */
const SAME_LINES = 3;
/** Characters of a block that are looked at on each side of the cursor. */
const BLOCK_CHARS = 20_000;
/** What a block has once: definitions, imports and exports, methods, fields, cases of a switch, entries of an object or of a list. */
const DEFINES: readonly RegExp[] = [
	/^(?:(?:export|default|pub|public|private|protected|static|abstract|final|async) )*(?:def|class|function|func|fn|interface|struct|enum|trait|describe|it|test)\b/,
	/^(?!(?:if|for|while|switch|catch|with|else|return|await|new)\b)(?:[\w$]+ )*\*?#?[\w$]+(?:<[^()]*>)?\((?:(?!=>|\bfunction\b).)*\)(?::[^=]+)? \{$/,
	/^(?:case\b.*:|(?:[\w$]+ )*#?[\w$]+[?!]?: .*;|(?:(?:[\w$?]+|"[^"]*"|'[^']*'): |\w+=).*,)$/,
	/^(?:import|from|export|using|#include) |^(?:module\.)?exports\b.*=/,
	/^(?:(?:\| )?(?:"[^"]*"|'[^']*')[,;]?|(?!undefined\b)[\w$.]+,)$/,
];
/** Of the piece that a text repeats. */
const LONGEST_PIECE = 80;

/** How small models fail: the text is cut where it begins to go in circles, back to its last complete line. */
export function cutRepetition(candidate: Candidate): Candidate | Refusal {
	const { text } = candidate;
	const at = sameLinesIn(text) ?? circleIn(text);
	if (at === undefined) return candidate;
	const kept = text.slice(0, Math.max(0, text.lastIndexOf('\n', at)));
	return kept.trim() === '' ? { refused: 'repeatsItself' } : { ...candidate, text: kept };
}

/** Where the tail begins that is one short piece over and over. */
function circleIn(text: string): number | undefined {
	for (let size = 1; size <= LONGEST_PIECE; size++) {
		const times = size === 1 ? 12 : size < 6 ? 5 : 3;
		const piece = text.slice(-size);
		if (text.length < size * times || !/\w/.test(piece) || !text.endsWith(piece.repeat(times))) continue;
		let start = text.length - size * times;
		while (start >= size && text.startsWith(piece, start - size)) start -= size;
		return start;
	}
	return undefined;
}

/** The end of the first of several equal lines, where they begin. */
function sameLinesIn(text: string): number | undefined {
	const lines = text.split('\n').map((line) => line.trim());
	let offset = 0;
	for (const [i, raw] of text.split('\n').entries()) {
		const line = lines[i] as string;
		offset += raw.length + 1;
		if (
			line.length > SHORTEST &&
			lines.slice(i, i + SAME_LINES).length === SAME_LINES &&
			lines.slice(i, i + SAME_LINES).every((other) => other === line)
		)
			return offset;
	}
	return undefined;
}

/**
 * Whether the cursor's line would read like one that is there: the last one with content above it, the next one of its block, or the
 * beginning of a definition that its block has already.
 */
export function isThereAlready({ text, prefix, linePrefix, suffix, replaces }: Omit<Candidate, 'complete'>): boolean {
	const [first = '', ...others] = text.split('\n');
	// What closes a call stands behind the block that begins in it.
	const rest = others.length > 0 || first.endsWith('{') ? '' : (suffix.slice(replaces).split('\n', 1)[0] ?? '');
	const written = linePrefix + first + rest;
	const line = written.trim();
	if (first.trim() === '' || line.length <= SHORTEST) return false;
	const above = withContent(prefix.slice(0, prefix.length - linePrefix.length).slice(-BLOCK_CHARS)).reverse();
	if (above[0]?.trim() === line) return true;
	const below = withContent(suffix.slice(suffix.indexOf('\n') + 1 || suffix.length).slice(0, BLOCK_CHARS));
	const depth = indentationOf(written);
	const next = siblingsIn(below, depth);
	if (next[0] === line) return true;
	const siblings = DEFINES.some((each) => each.test(line)) ? [...next, ...siblingsIn(above, depth)] : [];
	return siblings.some((each) => withoutMark(each) === withoutMark(line));
}

/** The last entry of a list may end without the comma of the others. */
function withoutMark(line: string): string {
	return line.replace(/[,;]$/, '');
}

function withContent(text: string): string[] {
	return text.split('\n').filter((line) => line.trim() !== '');
}

/** Those that are indented alike, up to where the block ends. */
function siblingsIn(lines: readonly string[], depth: number): string[] {
	const end = lines.findIndex((line) => indentationOf(line) < depth);
	return lines
		.slice(0, end < 0 ? lines.length : end)
		.filter((line) => indentationOf(line) === depth)
		.map((line) => line.trim());
}

function indentationOf(line: string): number {
	return line.length - line.trimStart().length;
}

/** The first lines of the text are, but for a few characters, the next lines of the document. */
export function refuseDuplicate(candidate: Candidate): Candidate | Refusal {
	const lines = linesOf(candidate.text);
	const following = linesOf(candidate.suffix.slice(candidate.suffix.indexOf('\n') + 1 || candidate.suffix.length));
	const count = Math.min(COMPARED_LINES, lines.length, following.length);
	const [said, there] = [lines.slice(0, count).join('\n'), following.slice(0, count).join('\n')];
	if (there.length <= SHORTEST) return candidate;
	// With what was typed already, it is the same to the letter: lines that differ in a character follow each other by right.
	if (
		linesOf(candidate.linePrefix + candidate.text)
			.slice(0, count)
			.join('\n') === there
	)
		return { refused: 'repeatsSuffix' };
	const most = Math.max(1, Math.floor(TOLERANCE * there.length));
	return isWithin(said, there, most) ? { refused: 'repeatsSuffix' } : candidate;
}

/** Those with content, without white space at their ends. */
function linesOf(text: string): string[] {
	const lines: string[] = [];
	for (const line of text.split('\n', 4 * COMPARED_LINES)) if (line.trim() !== '') lines.push(line.trim());
	return lines;
}

/** Whether the Levenshtein distance is at most `most`. */
function isWithin(a: string, b: string, most: number): boolean {
	if (Math.abs(a.length - b.length) > most) return false;
	let row = Array.from({ length: b.length + 1 }, (_, j) => j);
	for (let i = 1; i <= a.length; i++) {
		const next = [i];
		for (let j = 1; j <= b.length; j++) {
			const changed = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
			next.push(Math.min(changed, (row[j] as number) + 1, (next[j - 1] as number) + 1));
		}
		if (Math.min(...next) > most) return false;
		row = next;
	}
	return (row[b.length] as number) <= most;
}
