/**
 * Tokens of long texts in blocks, so that a text that changed a little is tokenised a little: blocks are cut where their
 * content says so, and the tokens of a block are remembered.
 *
 * Guarantees: equal blocks give equal tokens; a block ends behind a line break, before a line that is not indented where
 * there is one, so that no byte-level tokenizer merges across it; blocks are at most {@link MAX_BLOCK} characters long.
 * Deliberately lacks: exactness where an indented or endless line had to be cut. Copying tolerates one token off.
 */
import { LRUCache } from 'lru-cache';
import { ownCopy } from '../base/text.ts';
import type { Tokenizer } from '../inference/types.ts';

const MIN_BLOCK = 200;
const MAX_BLOCK = 3000;
/** Characters of all blocks that are remembered. */
const REMEMBERED = 1_000_000;

export interface BlockTokenizer {
	encode(text: string): Uint32Array;
	/** The same with a turn of work between two yields, and nothing remembered. */
	encodeInTurns(text: string): Generator<void, Uint32Array>;
	decode(ids: Uint32Array): string;
	/** Whether a line ends in this token. */
	breaksLine(id: number): boolean;
}

const NEWLINE = 10;

export function createBlockTokenizer(tokenizer: Pick<Tokenizer, 'encode' | 'decode' | 'tokenBytes'>): BlockTokenizer {
	const known = new LRUCache<string, readonly number[]>({ maxSize: REMEMBERED, sizeCalculation: (_, block) => block.length });

	const idsOf = (block: string): readonly number[] => {
		const remembered = known.get(block);
		if (remembered) return remembered;
		const ids = tokenizer.encode(block);
		known.set(ownCopy(block), ids);
		return ids;
	};

	return {
		encode: (text) => joined([...blocksOf(text)].map(idsOf)),
		*encodeInTurns(text) {
			const lists: number[][] = [];
			for (const block of blocksOf(text)) {
				lists.push(tokenizer.encode(block));
				yield;
			}
			return joined(lists);
		},
		decode: (ids) => tokenizer.decode([...ids]),
		breaksLine: (id) => tokenizer.tokenBytes(id).includes(NEWLINE),
	};
}

/** The text in pieces, in order. */
export function* blocksOf(text: string): Generator<string> {
	let start = 0;
	let lineEnd = 0;
	while (start < text.length) {
		const newline = text.indexOf('\n', Math.max(lineEnd, start));
		lineEnd = newline < 0 ? text.length : newline + 1;
		while (lineEnd - start > MAX_BLOCK) {
			// Between the halves of a character neither would be one.
			const end = start + MAX_BLOCK - Number((text.codePointAt(start + MAX_BLOCK - 1) ?? 0) > 0xffff);
			yield text.slice(start, end);
			start = end;
		}
		const length = lineEnd - start;
		if (newline >= 0 && lineEnd < text.length && !(length >= MIN_BLOCK && !isSpace(text.charCodeAt(lineEnd))) && length < MAX_BLOCK / 2)
			continue;
		if (length > 0) yield text.slice(start, lineEnd);
		start = lineEnd;
	}
}

function isSpace(code: number): boolean {
	return code === 0x20 || code === 0x09 || code === 0x0a || code === 0x0d;
}

function joined(lists: readonly (readonly number[])[]): Uint32Array {
	const ids = new Uint32Array(lists.reduce((sum, list) => sum + list.length, 0));
	let at = 0;
	for (const list of lists) {
		ids.set(list, at);
		at += list.length;
	}
	return ids;
}
