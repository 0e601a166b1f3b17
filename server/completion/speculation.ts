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
	 * Logits behind a token that was chosen. The copy session, if any, has read the token.
	 * @param nLeft tokens that may still be chosen
	 */
	next(token: number, nLeft: number): Promise<Float32Array>;
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
	/** Positions that are agreed on. */
	let length = positions;
	/** Tokens that were run ahead, and the logits behind each. */
	let ahead: { token: number; logits: Float32Array }[] = [];

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
		async next(token, nLeft) {
			const expected = ahead.shift();
			if (expected?.token === token) {
				length++;
				return expected.logits;
			}
			if (expected) generator.truncate(length);
			const tokens = [token, ...draft(nLeft)];
			const rows = tokens.length === 1 ? [await generator.decode(token)] : await generator.decodeMany(tokens);
			length++;
			ahead = tokens.slice(1).map((drafted, i) => ({ token: drafted, logits: rows[i + 1] as Float32Array }));
			return rows[0] as Float32Array;
		},
	};
}
