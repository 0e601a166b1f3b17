/**
 * Logits behind one prompt and behind tokens that were read there: a word that is typed, a line that was not sure enough to be
 * shown or a branch of the search asks for the same again, and a run takes longer than to keep a row.
 *
 * Guarantees: holds {@link BUDGET_BYTES}, but at least {@link FEWEST} rows; what was asked for last is kept longest.
 * Deliberately lacks: keys and values (`kv-cache.ts`), which a run behind known tokens needs all the same.
 */
import { LRUCache } from 'lru-cache';

/** Of one prompt; a line of usual length with two branches. */
const BUDGET_BYTES = 1 << 20;
const FEWEST = 4;

export class KnownLogits {
	#rows: LRUCache<string, Float32Array> | undefined;

	/** Logits `[vocabSize]` behind these tokens, none for the prompt alone; not to be written to. */
	behind(tokens: readonly number[]): Float32Array | undefined {
		return this.#rows?.get(tokens.join());
	}

	/** Takes the row over. */
	add(tokens: readonly number[], logits: Float32Array): void {
		this.#rows ??= new LRUCache({ max: Math.max(FEWEST, Math.floor(BUDGET_BYTES / logits.byteLength)) });
		this.#rows.set(tokens.join(), logits);
	}
}
