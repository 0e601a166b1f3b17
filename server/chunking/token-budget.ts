/**
 * Whether a piece of a text fits into a chunk. Counting tokens is the dear part of cutting, so every line is counted once and
 * pieces are judged by sums over lines; a sum is a few percent above the count of the joined text, because tokens can span a line
 * break. A piece is counted as a whole only when its sum comes near the budget.
 */
import type { LineIndex } from '../base/text.ts';

export interface TokenBudget {
	readonly maxTokens: number;
	/** For the pieces that come out. */
	fits(start: number, end: number): boolean;
	/** By sums alone, for decisions under way; what is built on it must be checked by `fits`. */
	seemsToFit(start: number, end: number): boolean;
	/** Tokens by length alone: the same for every tokenizer, untouched by what stands elsewhere. */
	estimate(start: number, end: number): number;
}

const CHARS_PER_TOKEN = 3.5;
/** A longer piece is over the budget whatever it counts. */
const MOST_CHARS_PER_TOKEN = 8;
/** Below this share of the budget, a sum over lines is proof enough: no tokenizer doubles its count by joining lines. */
const SAFE_SHARE = 1 / 2;

export function createTokenBudget(text: string, lines: LineIndex, maxTokens: number, countTokens: (text: string) => number): TokenBudget {
	const maxChars = maxTokens * MOST_CHARS_PER_TOKEN;
	let sums: Float64Array | undefined;

	/** Tokens before an offset; a part of a line counts by its share of the line. */
	const tokensBefore = (offset: number): number => {
		sums ??= sumLines(text, lines, maxChars, countTokens);
		const line = lines.lineAt(offset);
		const [start, end] = [lines.startOf(line), lines.startOf(line + 1)];
		const [before, after] = [sums[line] as number, sums[line + 1] as number];
		return end > start ? before + ((after - before) * (offset - start)) / (end - start) : before;
	};
	const sumOf = (start: number, end: number): number => tokensBefore(end) - tokensBefore(start);
	/** A byte-level token stands for at least one byte. */
	const cannotExceed = (start: number, end: number): boolean => (end - start) * 3 <= maxTokens;

	return {
		maxTokens,
		fits(start, end) {
			if (cannotExceed(start, end)) return true;
			if (end - start > maxChars) return false;
			const linesWhole = isLineStart(lines, start) && isLineStart(lines, end);
			if (linesWhole && sumOf(start, end) <= maxTokens * SAFE_SHARE) return true;
			return countTokens(text.slice(start, end)) <= maxTokens;
		},
		seemsToFit: (start, end) => cannotExceed(start, end) || (end - start <= maxChars && sumOf(start, end) <= maxTokens),
		estimate: (start, end) => (end - start) / CHARS_PER_TOKEN,
	};
}

/** Whether no line is cut at the offset. */
function isLineStart(lines: LineIndex, offset: number): boolean {
	const line = lines.lineAt(offset);
	return offset === lines.startOf(line) || offset === lines.startOf(line + 1);
}

/** Tokens before each line, and in all at the end. Lines that repeat are counted once; hopeless lines by their length. */
function sumLines(text: string, lines: LineIndex, maxChars: number, countTokens: (text: string) => number): Float64Array {
	const sums = new Float64Array(lines.lineCount + 1);
	const counted = new Map<string, number>();
	for (let line = 0; line < lines.lineCount; line++) {
		const content = text.slice(lines.startOf(line), lines.startOf(line + 1));
		let count = content.length > maxChars ? content.length : counted.get(content);
		if (count === undefined) {
			count = content === '' ? 0 : countTokens(content);
			counted.set(content, count);
		}
		sums[line + 1] = (sums[line] as number) + count;
	}
	return sums;
}
