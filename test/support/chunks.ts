/** What every chunking test asks of chunks. */
import { expect } from 'vitest';
import type { Chunk } from '../../server/chunking/types.ts';

/** Tokens as words, single signs and line breaks. */
export function countWords(text: string): number {
	return text.match(/\w+|[^\w\s]|\n/gu)?.length ?? 0;
}

export function pieces(text: string, chunks: readonly Chunk[]): string[] {
	return chunks.map(({ startOffset, endOffset }) => text.slice(startOffset, endOffset));
}

/** Chunks cover the text exactly, in order, within the budget, on code-point boundaries, and their lines are right. */
export function checkChunks(text: string, chunks: readonly Chunk[], maxTokens: number, countTokens: (text: string) => number): void {
	let end = 0;
	for (const chunk of chunks) {
		expect(chunk.startOffset).toBe(end);
		expect(chunk.endOffset).toBeGreaterThan(chunk.startOffset);
		end = chunk.endOffset;
		expect(chunk.startLine).toBe(lineOf(text, chunk.startOffset));
		expect(chunk.endLine).toBe(lineOf(text, chunk.endOffset - 1));
		expect(/[\ud800-\udbff]$/.test(text.slice(0, end)) && /^[\udc00-\udfff]/.test(text.slice(end))).toBe(false);
		const piece = text.slice(chunk.startOffset, chunk.endOffset);
		if ([...piece].length > 1) expect(countTokens(piece)).toBeLessThanOrEqual(maxTokens);
	}
	expect(end).toBe(text.length);
}

function lineOf(text: string, offset: number): number {
	return (text.slice(0, offset).match(/\r\n|\r|\n/g)?.length ?? 0) - (text[offset - 1] === '\r' && text[offset] === '\n' ? 1 : 0);
}
