/**
 * Units without syntax: paragraphs between blank lines, cut at their least indented lines when too long, then lines. And the
 * last resort for a piece that nothing else made small enough: lines, and within a line code points.
 */
import { LineIndex } from '../base/text.ts';
import type { TokenBudget } from './token-budget.ts';
import { mergeUnits, type Span, type Unit } from './units.ts';

interface Line extends Span {
	/** White space before the first character; undefined for a blank line. */
	indent: number | undefined;
}

/** Units that cover the span. */
export function lineUnits(text: string, span: Span, budget: TokenBudget): Unit[] {
	const units: Unit[] = [];
	for (const paragraph of paragraphs(linesOf(text, span))) addParagraph(units, paragraph, budget);
	return units;
}

function linesOf(text: string, span: Span): Line[] {
	const piece = text.slice(span.start, span.end);
	const index = new LineIndex(piece);
	const lines: Line[] = [];
	for (let line = 0; line < index.lineCount; line++) {
		const [start, end] = [index.startOf(line), index.startOf(line + 1)];
		if (start === end) continue;
		const indent = piece.slice(start, end).search(/\S/);
		lines.push({ start: span.start + start, end: span.start + end, indent: indent < 0 ? undefined : indent });
	}
	return lines;
}

/** Blank lines end the paragraph before them. */
function paragraphs(lines: readonly Line[]): Line[][] {
	const result: Line[][] = [];
	let afterBlank = true;
	for (const line of lines) {
		const last = result.at(-1);
		if (last && (line.indent === undefined || !afterBlank)) last.push(line);
		else result.push([line]);
		afterBlank = line.indent === undefined;
	}
	return result;
}

function addParagraph(units: Unit[], lines: readonly Line[], budget: TokenBudget): void {
	const [first, last] = [lines[0], lines.at(-1)];
	if (!first || !last) return;
	if (lines.length === 1 || budget.seemsToFit(first.start, last.end)) {
		units.push(unitOf(lines, true));
		return;
	}
	const least = Math.min(...lines.map((line) => line.indent ?? Number.POSITIVE_INFINITY));
	let block: Line[] = [];
	const flush = (): void => {
		const [start, end] = [block[0], block.at(-1)];
		if (!start || !end) return;
		if (budget.seemsToFit(start.start, end.end)) units.push(unitOf(block, start === first));
		else for (const line of block) units.push(unitOf([line], line === first));
		block = [];
	};
	for (const line of lines) {
		if (line.indent === least) flush();
		block.push(line);
	}
	flush();
}

function unitOf(lines: readonly Line[], blankBefore: boolean): Unit {
	const [first, last] = [lines[0] as Line, lines.at(-1) as Line];
	return { start: first.start, end: last.end, opens: false, closes: false, leading: false, depth: first.indent ?? 0, blankBefore };
}

/** Pieces of a span, each within the budget: the span itself when it is. */
export function cutToBudget(text: string, span: Span, budget: TokenBudget): Span[] {
	if (budget.fits(span.start, span.end)) return [span];
	const lines = lineUnits(text, span, budget);
	if (lines.length < 2) return cutLine(text, span, budget);
	const merged = mergeUnits(text, lines, budget);
	// A merge that came out as one piece too long: lines one by one.
	return (merged.length > 1 ? merged : lines).flatMap((piece) => cutToBudget(text, piece, budget));
}

/** Cuts between code points, halving a piece until it fits. */
function cutLine(text: string, span: Span, budget: TokenBudget): Span[] {
	const pieces: Span[] = [];
	let { start } = span;
	while (start < span.end) {
		let length = Math.min(span.end - start, budget.maxTokens * 4);
		let end = codePointEnd(text, start, start + length);
		while (!budget.fits(start, end) && length > 1) {
			length >>= 1;
			end = codePointEnd(text, start, start + length);
		}
		pieces.push({ start, end });
		start = end;
	}
	return pieces;
}

/** The offset, or the next one where it would split a surrogate pair or CRLF and the previous one would leave nothing. */
function codePointEnd(text: string, start: number, offset: number): number {
	const [before, after] = [text.charCodeAt(offset - 1), text.charCodeAt(offset)];
	const splitsPair = (before & 0xfc00) === 0xd800 && (after & 0xfc00) === 0xdc00;
	if (!splitsPair && !(before === 13 && after === 10)) return offset;
	return offset - 1 > start ? offset - 1 : offset + 1;
}
