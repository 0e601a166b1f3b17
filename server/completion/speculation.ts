/**
 * Speculative decoding with the copy model and analogous lines as the draft (prompt lookup): what they predict is run together with
 * the token that was just chosen, and the logits behind it are used as far as decoding agrees.
 *
 * Guarantees: decoding reads the logits that one token at a time would give, to the runtime's rounding (8-bit activations
 * are scaled by the run they are in, as with KV reuse), so it chooses the same tokens; the generator is left with agreed
 * positions only before it runs on. Deliberately lacks: any part in the choice.
 */
import type { CopySession } from '../copying/copy-model.ts';
import { KnownLogits } from '../inference/known-logits.ts';
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
	/** Logits that were read behind the prompt before; those that are read now are added. Default none. */
	known?: KnownLogits | undefined;
	copy?: { session: CopySession; speculate: boolean } | undefined;
	/** Whether decoding ends at the end of the line, so that nothing behind it is worth running. */
	singleLine?: boolean;
}

/** Most tokens run ahead. Each makes a run longer by a tenth to a fifth. */
const MAX_DRAFT = 10;
/** A draft ends where its source gives it less than this: tokens that are less sure are hardly ever the ones that are chosen. */
const MIN_PROBABILITY = 0.6;
/** Analogous lines are followed as long as the text agrees with most of them, by weight. */
const MIN_MASS = 0.5;
const NEWLINE = 10;

export function createLogitReader(options: LogitReaderOptions): LogitReader {
	const { generator, tokenizer, positions, known = new KnownLogits(), copy, singleLine } = options;
	/** Tokens that the generator has read behind the prompt. */
	const read: number[] = [];

	const draft = (nLeft: number): number[] => {
		if (!copy?.speculate) return [];
		const { session } = copy;
		const start = session.length;
		const tokens: number[] = [];
		let probability = 1;
		while (tokens.length < Math.min(MAX_DRAFT, nLeft - 1)) {
			const analogy = session.predictAnalogy();
			const sources = [session.predict(), analogy && analogy.mass >= MIN_MASS ? analogy : undefined];
			const likeliest = sources.flatMap((source) => (source ? mostProbable(source.probabilities) : []));
			if (likeliest.length === 0) break;
			const best = likeliest.reduce((a, b) => (b.probability > a.probability ? b : a));
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
			const before = known.behind(tokens);
			if (before) return before;
			let agreed = 0;
			while (agreed < tokens.length && read[agreed] === tokens[agreed]) agreed++;
			// The last one runs: its logits are the answer.
			const kept = Math.min(agreed, tokens.length - 1);
			if (kept < read.length) generator.truncate(positions + kept);
			const run = [...tokens.slice(kept), ...draft(nLeft)];
			const rows = run.length === 1 ? [await generator.decode(run[0] as number)] : await generator.decodeMany(run);
			read.splice(kept, read.length, ...run);
			// The draft's first: what was asked for is to be kept longest.
			for (let i = rows.length - 1; i >= 0; i--) known.add(read.slice(0, kept + i + 1), rows[i] as Float32Array);
			return rows[tokens.length - kept - 1] as Float32Array;
		},
	};
}
