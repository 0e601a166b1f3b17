/** Where the lines of a tokenised text stand, and what they are like: 16 bytes a line that is not blank. */
import type { BlockTokenizer } from './block-tokens.ts';
import { hashOf, shapeOf } from './line-shape.ts';

export interface LineTable {
	/** Index of each line's first token, and the one behind its last, the line break among them. */
	starts: Uint32Array;
	ends: Uint32Array;
	/** {@link shapeOf} and {@link hashOf} each line without the white space around it. */
	shapes: Int32Array;
	hashes: Int32Array;
}

/** Lines between two yields. */
const SLICE = 64;

export function* lineTable(ids: Uint32Array, tokenizer: Pick<BlockTokenizer, 'decode' | 'breaksLine'>): Generator<void, LineTable> {
	const starts: number[] = [];
	const ends: number[] = [];
	const shapes: number[] = [];
	const hashes: number[] = [];
	let start = 0;
	for (let at = 0; at < ids.length; at++) {
		if (at + 1 < ids.length && !tokenizer.breaksLine(ids[at] as number)) continue;
		const line = tokenizer.decode(ids.subarray(start, at + 1)).trim();
		if (line !== '') {
			starts.push(start);
			ends.push(at + 1);
			shapes.push(shapeOf(line));
			hashes.push(hashOf(line));
		}
		start = at + 1;
		if (starts.length % SLICE === 0) yield;
	}
	return {
		starts: Uint32Array.from(starts),
		ends: Uint32Array.from(ends),
		shapes: Int32Array.from(shapes),
		hashes: Int32Array.from(hashes),
	};
}
