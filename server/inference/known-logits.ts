/**
 * Logits behind one prompt and behind tokens that were read there: a word that is typed, a line that was not sure enough to be
 * shown or a branch of the search asks for the same again, and a run takes longer than to keep a row.
 *
 * Guarantees: holds {@link BUDGET_BYTES}, but at least {@link FEWEST} rows; what was asked for last is kept longest, and that of the prompt
 * longer than what stands behind it. A prompt that goes on as something that was read ({@link KnownLogits.below}) knows what was known there.
 * Deliberately lacks: keys and values (`kv-cache.ts`), which a run behind known tokens needs all the same.
 */
import { LRUCache } from 'lru-cache';

/** A line of usual length with two branches. */
const BUDGET_BYTES = 1 << 20;
const FEWEST = 4;

interface Kept {
	/** By the path to them; made with the first row, which says how many there is room for. */
	rows?: LRUCache<string, Float32Array>;
}

export class KnownLogits {
	readonly #kept: Kept;
	/** Tokens of this prompt behind the one that the rows were first kept for. */
	readonly #path: string;

	/** Nothing is known; the parameters are for {@link below}. */
	constructor(kept: Kept = {}, path = '') {
		this.#kept = kept;
		this.#path = path;
	}

	/** Logits `[vocabSize]` behind these tokens, none for the prompt alone; not to be written to. */
	behind(tokens: readonly number[]): Float32Array | undefined {
		return this.#kept.rows?.get(this.#path + pathOf(tokens));
	}

	/** Takes the row over, or a copy of one that stands among others and would keep these. */
	add(tokens: readonly number[], row: Float32Array): void {
		const logits = row.byteLength < row.buffer.byteLength ? row.slice() : row;
		this.#kept.rows ??= new LRUCache({ max: Math.max(FEWEST, Math.floor(BUDGET_BYTES / logits.byteLength)) });
		this.#kept.rows.set(this.#path + pathOf(tokens), logits);
		// The next key asks for the prompt's own first.
		this.#kept.rows.get(this.#path);
	}

	/** The same rows, as they stand behind a prompt that is longer by this. */
	below(cells: readonly (number | string)[]): KnownLogits {
		return new KnownLogits(this.#kept, this.#path + pathOf(cells));
	}
}

function pathOf(cells: readonly (number | string)[]): string {
	return cells.map((cell) => `${cell},`).join('');
}
