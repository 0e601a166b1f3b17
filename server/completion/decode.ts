/**
 * Greedy decoding with a forced beginning (token healing) and stop rules.
 *
 * Guarantees: cancellation is seen within one decode step; the same prompt gives the same text.
 * Deliberately lacks: sampling, and any rule about what is worth showing.
 */
import type { Cancellation } from '../base/cancellation.ts';
import { argmax, argmaxOf, logProbability } from '../inference/sampling.ts';
import type { Generator, Tokenizer } from '../inference/types.ts';

export type StopReason = 'stopToken' | 'stopRule' | 'length' | 'time' | 'cancelled';

export interface DecodeOptions {
	generator: Generator;
	tokenizer: Tokenizer;
	/** Logits after the prompt. */
	logits: Float32Array;
	/** Text that must be produced first; not part of the answer. */
	forced: string;
	maxNewTokens: number;
	/** Asked after every token with the text behind the forced part; a number is the length to keep. */
	stop(text: string): number | undefined;
	cancellation: Cancellation;
	/** After this many milliseconds what is there is returned. */
	timeBudgetMs: number;
	now(): number;
}

export interface Decoded {
	/** The text behind the forced part. */
	text: string;
	nTokens: number;
	/** Sum over the tokens of log p(token | what came before), natural logarithm; forced bytes condition it. */
	sumLogProb: number;
	/** The smallest of these, and the first. */
	minLogProb: number;
	firstLogProb: number;
	reason: StopReason;
}

export async function decodeGreedily(options: DecodeOptions): Promise<Decoded> {
	const { generator, tokenizer, cancellation } = options;
	const deadline = options.now() + options.timeBudgetMs;
	const output = new TextAfter(options.forced, tokenizer);
	let { logits } = options;
	let nTokens = 0;
	const logProbs: number[] = [];
	const result = (reason: StopReason, keep?: number): Decoded => ({
		text: keep === undefined ? output.text : output.text.slice(0, keep),
		nTokens,
		sumLogProb: logProbs.reduce((sum, each) => sum + each, 0),
		minLogProb: Math.min(0, ...logProbs),
		firstLogProb: logProbs[0] ?? 0,
		reason,
	});
	while (nTokens < options.maxNewTokens) {
		const forced = output.forcedBytes;
		const allowed = forced.length > 0 ? tokenizer.tokensCompatibleWith(forced) : undefined;
		const token = allowed ? argmaxOf(logits, allowed) : argmax(logits);
		logProbs.push(logProbability(logits, token, allowed));
		if (generator.stopTokens.has(token)) return result('stopToken');
		output.push(token);
		nTokens++;
		const keep = output.forcedBytes.length > 0 ? undefined : options.stop(output.text);
		if (keep !== undefined) return result('stopRule', keep);
		if (cancellation.aborted) return result('cancelled');
		if (options.now() > deadline) return result('time');
		if (nTokens < options.maxNewTokens) logits = await generator.decode(token);
	}
	return result('length');
}

/**
 * Teacher forcing: log p(`text` | prompt, forced), natural logarithm, of one tokenisation of the forced beginning and the text.
 * The generator stands behind the prompt, and afterwards behind the text.
 */
export async function scoreText(
	options: Pick<DecodeOptions, 'generator' | 'tokenizer' | 'logits' | 'forced'> & { text: string },
): Promise<{ logProb: number; nTokens: number }> {
	const { generator, tokenizer, logits, forced, text } = options;
	const tokens = tokenizer.encode(forced + text);
	const rows = [logits, ...(tokens.length > 1 ? await generator.decodeMany(tokens.slice(0, -1)) : [])];
	const output = new TextAfter(forced, tokenizer);
	let logProb = 0;
	for (const [i, token] of tokens.entries()) {
		// As in decoding, what is forced is given: only how it goes on is a choice.
		const allowed = output.forcedBytes.length > 0 ? tokenizer.tokensCompatibleWith(output.forcedBytes) : undefined;
		logProb += logProbability(rows[i] as Float32Array, token, allowed);
		output.push(token);
	}
	return { logProb, nTokens: tokens.length };
}

/** Grows a text token by token in bytes, first swallowing the forced beginning. */
class TextAfter {
	readonly #tokenizer: Tokenizer;
	readonly #decoder = new TextDecoder('utf-8');
	/** Bytes of the forced beginning that no token has produced yet. */
	forcedBytes: Uint8Array;
	text = '';

	constructor(forced: string, tokenizer: Tokenizer) {
		this.#tokenizer = tokenizer;
		this.forcedBytes = new TextEncoder().encode(forced);
	}

	push(token: number): void {
		const bytes = this.#tokenizer.tokenBytes(token);
		const swallowed = Math.min(bytes.length, this.forcedBytes.length);
		this.forcedBytes = this.forcedBytes.subarray(swallowed);
		// A character whose bytes are not complete yet waits in the decoder.
		this.text += this.#decoder.decode(bytes.subarray(swallowed), { stream: true });
	}
}
