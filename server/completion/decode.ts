/**
 * Greedy decoding from the generator, mixed with the copy model where there is one, with a forced beginning (token healing)
 * and stop rules. It can be asked for the ways that it did not take (`search.ts`).
 *
 * Guarantees: cancellation is seen within one decode step; the same prompt gives the same text.
 * Deliberately lacks: sampling, and any rule about what is worth showing.
 */
import type { Cancellation } from '../base/cancellation.ts';
import type { CopySession } from '../copying/copy-model.ts';
import type { AnalogyWeights, CopyWeights } from '../inference/copy-weights.ts';
import type { KnownLogits } from '../inference/known-logits.ts';
import { logProbability } from '../inference/sampling.ts';
import type { Generator, Tokenizer } from '../inference/types.ts';
import { type Choice, likelyTokens, modelDistribution, restricted } from './mixing.ts';
import { createLogitReader } from './speculation.ts';
import { TextAfter } from './text-after.ts';

export type StopReason = 'stopToken' | 'stopRule' | 'length' | 'time' | 'hopeless' | 'beaten' | 'cancelled';

export interface DecodeOptions {
	generator: Generator;
	tokenizer: Tokenizer;
	/** Logits after the prompt. */
	logits: Float32Array;
	/** Its length. */
	positions: number;
	/** What is known behind it ({@link KnownLogits}). Default nothing. */
	known?: KnownLogits | undefined;
	/** Where to copy from, standing behind the prompt; afterwards behind what was decoded. */
	copy?: CopySource | undefined;
	/** Text that must be produced first; not part of the answer. */
	forced: string;
	maxNewTokens: number;
	/** Asked after every token with the text behind the forced part; a number is the length to keep. */
	stop(text: string): number | undefined;
	/** Asked after every token with what was decoded so far: whether its rest would be in vain. Default never. */
	isHopeless?(decoded: Omit<Decoded, 'text' | 'reason'>): boolean;
	/** Asked of a text that came to its end: whether any other is better to suggest. Default never. */
	isWorthless?(text: string): boolean;
	/** Whether it stops before the first line break. The end of the line is then one event, whichever token writes it. Default false. */
	singleLine?: boolean;
	cancellation: Cancellation;
	/** After this many milliseconds what is there is returned. */
	timeBudgetMs: number;
	now(): number;
}

export interface CopySource {
	session: CopySession;
	weights: CopyWeights;
	/** Of analogous lines; absent: they count nothing. */
	analogyWeights?: AnalogyWeights | undefined;
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
	/** Of a block that was found by its first line: that line. */
	line?: Decoded;
}

export async function decodeGreedily(options: DecodeOptions): Promise<Decoded> {
	return (await createDecoding(options).follow([])).decoded;
}

/** A way that was not taken. */
export interface Branch {
	/** Choices up to the one that differs, and that one. */
	beginning: readonly Choice[];
	/** Sum of theirs. */
	logProb: number;
}

/** A way that was taken. */
export interface Way {
	decoded: Decoded;
	/** Whether it came to its end with something in it that is worth suggesting. */
	isLine: boolean;
	/** What it is made of, with what ended it. */
	choices: readonly Choice[];
	branches: Branch[];
}

export interface FollowOptions {
	/** What is no more probable than this is given up as `beaten`, and is no branch. Default none. */
	bound?: number;
	/** Time after which what is there is returned, where that is before the end of the budget. */
	until?: number;
	/** How far to go, in place of what the decoding was made with. The end of a line is no event then. */
	extent?: Pick<DecodeOptions, 'stop' | 'maxNewTokens'>;
}

export interface Decoding {
	/** Decodes greedily behind choices that were made already. */
	follow(beginning: readonly Choice[], options?: FollowOptions): Promise<Way>;
}

/**
 * Decodes one way after the other behind one prompt, within one time budget.
 * @param least probability of the token at which a branch begins, 0–1. Default 1: there are no branches
 */
export function createDecoding(options: DecodeOptions, least = 1): Decoding {
	const { generator, tokenizer, cancellation, copy, forced } = options;
	const deadline = options.now() + options.timeBudgetMs;
	const reader = createLogitReader(options);
	const sessionStart = copy?.session.length ?? 0;
	const lineEnds = options.singleLine || least < 1 ? lineEndsOf(options) : new Set<number>();
	/** Of several tokens that end the line none is another way. One that is forced ends no line. */
	const isOther = (best: Choice, { token }: Choice, { forcedBytes }: TextAfter) =>
		forcedBytes.length > 0 || !lineEnds.has(best.token) || !lineEnds.has(token);

	const likely = (logits: Float32Array, output: TextAfter, singleLine: boolean) => {
		const isForced = output.forcedBytes.length > 0;
		const allows = (token: number) => output.allows(token);
		const held = <T extends { probabilities: ReadonlyMap<number, number> }>(found: T | undefined) =>
			isForced ? restricted(found, allows) : found;
		const model = modelDistribution(logits, isForced ? tokenizer.tokensCompatibleWith(output.forcedBytes) : undefined);
		const weights = copy?.analogyWeights;
		const prediction = weights && held(copy?.session.predictAnalogy());
		return likelyTokens(model, held(copy?.session.predict()), copy?.weights, {
			least,
			...(singleLine && !isForced ? { lineEnds } : {}),
			analogy: weights && prediction ? { prediction, weights } : undefined,
		});
	};

	const follow = async (
		beginning: readonly Choice[],
		{ bound = Number.NEGATIVE_INFINITY, until = deadline, extent }: FollowOptions = {},
	): Promise<Way> => {
		const { stop, maxNewTokens } = extent ?? options;
		const singleLine = options.singleLine === true && !extent;
		const output = new TextAfter(forced, tokenizer);
		const trail = new Trail();
		const tokens: number[] = [];
		const branches: Branch[] = [];
		const result = (reason: StopReason, keep?: number) => {
			const text = keep === undefined ? output.text : output.text.slice(0, keep);
			const isWhole = reason === 'stopToken' || reason === 'stopRule';
			const isLine = isWhole && text.trim() !== '' && !options.isWorthless?.(text);
			return { decoded: { text, nTokens: tokens.length, ...trail.summary(), reason }, isLine, choices: trail.choices, branches };
		};
		copy?.session.truncate(sessionStart);
		while (tokens.length < maxNewTokens) {
			let choice = beginning[tokens.length];
			if (!choice) {
				const logits = tokens.length === 0 ? options.logits : await reader.behind(tokens, maxNewTokens - tokens.length);
				const [best, ...others] = likely(logits, output, singleLine);
				choice = best;
				for (const other of others) {
					const logProb = trail.sumLogProb + other.logProb;
					if (logProb > bound && isOther(best, other, output)) branches.push({ beginning: [...trail.choices, other], logProb });
				}
			}
			const { token } = choice;
			trail.add(choice);
			if (trail.sumLogProb <= bound) return result('beaten');
			// The last line is complete now, so that the rules decide about it too.
			if (generator.stopTokens.has(token)) return result('stopToken', stop(`${output.text}\n`));
			output.push(token);
			copy?.session.push(token);
			tokens.push(token);
			const keep = output.forcedBytes.length > 0 ? undefined : stop(output.text);
			if (keep !== undefined) return result('stopRule', keep);
			if (options.isHopeless?.({ nTokens: tokens.length, ...trail.summary() })) return result('hopeless');
			if (cancellation.aborted) return result('cancelled');
			if (options.now() > Math.min(deadline, until)) return result('time');
		}
		return result('length');
	};
	return { follow };
}

const NEWLINE = 10;

/** Tokens that begin with a line break, and those that end the text. */
export function lineEndsOf({ generator, tokenizer }: Pick<DecodeOptions, 'generator' | 'tokenizer'>): Set<number> {
	return new Set([...generator.stopTokens, ...tokenizer.tokensCompatibleWith(Uint8Array.of(NEWLINE))]);
}

/** What the chosen tokens say about the whole. */
export class Trail {
	readonly choices: Choice[] = [];
	sumLogProb = 0;
	#minLogProb = 0;
	#copied = 0;

	add(choice: Choice): void {
		this.choices.push(choice);
		this.sumLogProb += choice.logProb;
		this.#minLogProb = Math.min(this.#minLogProb, choice.logProb);
		this.#copied += choice.copied;
	}

	summary(): Pick<Decoded, 'sumLogProb' | 'minLogProb' | 'firstLogProb' | 'copied'> {
		const { choices, sumLogProb } = this;
		return {
			sumLogProb,
			minLogProb: this.#minLogProb,
			firstLogProb: choices[0]?.logProb ?? 0,
			copied: this.#copied / Math.max(1, choices.length),
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
