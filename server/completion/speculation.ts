/**
 * Speculative decoding with the copy model as the draft (prompt lookup): what it predicts is run together with the token
 * that was just chosen, and the logits behind it are used as far as decoding agrees.
 *
 * Guarantees: decoding reads the logits that one token at a time would give, to the runtime's rounding (8-bit activations
 * are scaled by the run they are in, as with KV reuse), so it chooses the same tokens; the generator is left with agreed
 * positions only before it runs on. Deliberately lacks: any part in the choice.
 */
import type { CopySession } from '../copying/copy-model.ts';
import type { Generator, Tokenizer } from '../inference/types.ts';
import { mostProbable } from './mixing.ts';

export interface LogitReader {
	/**
	 * Logits behind tokens that were chosen, at least one, which the generator has read or reads now. The copy session, if any,
	 * has read them.
	 * @param nLeft tokens that may still be chosen
	 */
	behind(tokens: readonly number[], nLeft: number): Promise<Float32Array>;
}

export interface LogitReaderOptions {
	generator: Generator;
	tokenizer: Pick<Tokenizer, 'tokenBytes'>;
	/** Of the prompt. */
	positions: number;
	copy?: { session: CopySession; speculate: boolean } | undefined;
	/** Whether decoding ends at the end of the line, so that nothing behind it is worth running. */
	singleLine?: boolean;
}

/** Most tokens run ahead. A run of some tokens costs little more than a run of one. */
const MAX_DRAFT = 8;
/** A draft ends where the copy model gives it less than this: a token more in a run costs about a tenth of a run. */
const MIN_PROBABILITY = 0.3;
const NEWLINE = 10;

export function createLogitReader({ generator, tokenizer, positions, copy, singleLine }: LogitReaderOptions): LogitReader {
	/** Tokens that the generator has read behind the prompt. */
	const read: number[] = [];
	/** Logits behind the last of them, as many as were run ahead. */
	let ahead: Float32Array[] = [];

	const draft = (nLeft: number): number[] => {
		if (!copy?.speculate) return [];
		const { session } = copy;
		const start = session.length;
		const tokens: number[] = [];
		let probability = 1;
		while (tokens.length < Math.min(MAX_DRAFT, nLeft - 1)) {
			const prediction = session.predict();
			if (!prediction) break;
			const best = mostProbable(prediction.probabilities);
			probability *= best.probability;
			if (probability < MIN_PROBABILITY) break;
			if (singleLine && tokenizer.tokenBytes(best.token).includes(NEWLINE)) break;
			tokens.push(best.token);
			session.push(best.token);
		}
		session.truncate(start);
		return tokens;
	};

	return {
		async behind(tokens, nLeft) {
			let agreed = 0;
			while (agreed < tokens.length && read[agreed] === tokens[agreed]) agreed++;
			const known = agreed === tokens.length ? ahead[agreed - 1 - (read.length - ahead.length)] : undefined;
			if (known) return known;
			// The last one always runs: its logits are the answer.
			const kept = Math.min(agreed, tokens.length - 1);
			if (kept < read.length) generator.truncate(positions + kept);
			const run = [...tokens.slice(kept), ...draft(nLeft)];
			const rows = run.length === 1 ? [await generator.decode(run[0] as number)] : await generator.decodeMany(run);
			read.splice(kept, read.length, ...run);
			ahead = rows.slice(tokens.length - kept - 1);
			return ahead[0] as Float32Array;
		},
	};
}
