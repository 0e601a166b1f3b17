/**
 * What comes next where a text lists names: behind `width`, where that stands behind `name`, comes `height` in
 * `(name: string, width: number, height: number)`. Code that treats one after the other goes through such a list.
 *
 * Guarantees: pure. Deliberately lacks: any grammar. A list is a row of names at equal distances with the same between them, names and
 * numbers left out.
 */
import { isName, piecesOf, shapeOf } from './line-shape.ts';

/** Pieces from one name to the next, at most. */
const WIDEST = 16;

interface Pieces {
	pieces: readonly string[];
	/** Indices of each name. */
	placesOf: ReadonlyMap<string, readonly number[]>;
}

export class NameLists {
	readonly #text: string;
	/** Once it is asked. */
	#read: Pieces | undefined;

	/** Of equal lists the last one in the text counts. */
	constructor(text: string) {
		this.#text = text;
	}

	/** Undefined where no list has the first name right before the second, and another one behind it. */
	next(first: string, second: string): string | undefined {
		this.#read ??= read(this.#text);
		const { pieces, placesOf } = this.#read;
		const places = placesOf.get(second) ?? [];
		for (let i = places.length - 1; i >= 0; i--) {
			const at = places[i] as number;
			let width = 2;
			while (width <= WIDEST && pieces[at - width] !== first) width++;
			const name = width > WIDEST ? undefined : pieces[at + width];
			if (name === undefined || !isName(name) || name === first || name === second) continue;
			if (shapeBetween(pieces, at - width, at) === shapeBetween(pieces, at, at + width)) return name;
		}
		return undefined;
	}
}

function shapeBetween(pieces: readonly string[], from: number, to: number): number {
	return shapeOf(pieces.slice(from + 1, to).join(''));
}

function read(text: string): Pieces {
	const pieces = piecesOf(text);
	const placesOf = new Map<string, number[]>();
	for (const [i, piece] of pieces.entries()) {
		if (!isName(piece)) continue;
		const places = placesOf.get(piece);
		if (places) places.push(i);
		else placesOf.set(piece, [i]);
	}
	return { pieces, placesOf };
}
