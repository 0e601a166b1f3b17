/**
 * Greedy decoding from the generator, mixed with the copy model where there is one, with a forced beginning (token healing)
 * and stop rules.
 *
 * Guarantees: cancellation is seen within one decode step; the same prompt gives the same text.
 * Deliberately lacks: sampling, and any rule about what is worth showing.
 */
import type { Cancellation } from '../base/cancellation.ts';
import type { CopySession } from '../copying/copy-model.ts';
import type { CopyWeights } from '../inference/manifest.ts';
import { logProbability } from '../inference/sampling.ts';
import type { Generator, Tokenizer } from '../inference/types.ts';
import { chooseToken, modelDistribution, restricted } from './mixing.ts';
import { createLogitReader } from './speculation.ts';
import { TextAfter } from './text-after.ts';

export type StopReason = 'stopToken' | 'stopRule' | 'length' | 'time' | 'hopeless' | 'cancelled';

export interface DecodeOptions {
	generator: Generator;
	tokenizer: Tokenizer;
	/** Logits after the prompt. */
	logits: Float32Array;
	/** Its length. */
	positions: number;
	/** Where to copy from, standing behind the prompt; afterwards behind what was decoded. */
	copy?: CopySource | undefined;
	/** Text that must be produced first; not part of the answer. */
	forced: string;
	maxNewTokens: number;
	/** Asked after every token with the text behind the forced part; a number is the length to keep. */
	stop(text: string): number | undefined;
	/** Asked after every token with what was decoded so far: whether its rest would be in vain. Default never. */
	isHopeless?(decoded: Omit<Decoded, 'text' | 'reason'>): boolean;
	/** Whether it stops before the first line break. Default false. */
	singleLine?: boolean;
	cancellation: Cancellation;
	/** After this many milliseconds what is there is returned. */
	timeBudgetMs: number;
	now(): number;
}

export interface CopySource {
	session: CopySession;
	weights: CopyWeights;
	/** Whether what it predicts is decoded ahead. */
	speculate: boolean;
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
	/** Mean share of the copy model in the probability of a token, 0–1. */
	copied: number;
	reason: StopReason;
}

export async function decodeGreedily(options: DecodeOptions): Promise<Decoded> {
	const { generator, tokenizer, cancellation, copy } = options;
	const deadline = options.now() + options.timeBudgetMs;
	const output = new TextAfter(options.forced, tokenizer);
	const reader = createLogitReader(options);
	const trail = new Trail();
	let { logits } = options;
	let nTokens = 0;
	const result = (reason: StopReason, keep?: number): Decoded => ({
		text: keep === undefined ? output.text : output.text.slice(0, keep),
		nTokens,
		...trail.summary(),
		reason,
	});
	while (nTokens < options.maxNewTokens) {
		const forced = output.forcedBytes.length > 0;
		const model = modelDistribution(logits, forced ? tokenizer.tokensCompatibleWith(output.forcedBytes) : undefined);
		const found = copy?.session.predict();
		const choice = chooseToken(model, forced ? restricted(found, (token) => output.allows(token)) : found, copy?.weights);
		const { token } = choice;
		trail.add(choice);
		// The last line is complete now, so that the rules decide about it too.
		if (generator.stopTokens.has(token)) return result('stopToken', options.stop(`${output.text}\n`));
		output.push(token);
		copy?.session.push(token);
		nTokens++;
		const keep = output.forcedBytes.length > 0 ? undefined : options.stop(output.text);
		if (keep !== undefined) return result('stopRule', keep);
		if (options.isHopeless?.({ nTokens, ...trail.summary() })) return result('hopeless');
		if (cancellation.aborted) return result('cancelled');
		if (options.now() > deadline) return result('time');
		if (nTokens < options.maxNewTokens) logits = await reader.next(token, options.maxNewTokens - nTokens);
	}
	return result('length');
}

/** What the chosen tokens say about the whole. */
export class Trail {
	readonly #logProbs: number[] = [];
	#copied = 0;

	add({ logProb, copied }: { logProb: number; copied: number }): void {
		this.#logProbs.push(logProb);
		this.#copied += copied;
	}

	summary(): Pick<Decoded, 'sumLogProb' | 'minLogProb' | 'firstLogProb' | 'copied'> {
		return {
			sumLogProb: this.#logProbs.reduce((sum, each) => sum + each, 0),
			minLogProb: Math.min(0, ...this.#logProbs),
			firstLogProb: this.#logProbs[0] ?? 0,
			copied: this.#copied / Math.max(1, this.#logProbs.length),
		};
	}
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
