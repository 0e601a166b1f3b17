/**
 * What the weight of the copy model is fitted from: at every token of a text that should come, what both models say about it.
 * The end of the line is one event, whichever token writes it.
 */
import type { CopyStep } from 'hef-shared';
import type { CopySession } from '../copying/copy-model.ts';
import { type DecodeOptions, lineEndsOf } from './decode.ts';
import { copyFeatures, logProb, modelDistribution, restricted } from './mixing.ts';
import { TextAfter } from './text-after.ts';

export type TraceOptions = Pick<DecodeOptions, 'generator' | 'tokenizer' | 'logits' | 'forced'> & {
	/** The rest of a line. */
	text: string;
	/** Standing behind the prompt. */
	session: CopySession;
};

/** The generator stands behind the prompt, and afterwards behind the text. Tokens without a copy are left out. */
export async function traceCopying({ generator, tokenizer, logits, forced, text, session }: TraceOptions): Promise<CopyStep[]> {
	const tokens = tokenizer.encode(forced + text);
	const rows = [logits, ...(tokens.length === 0 ? [] : await generator.decodeMany(tokens))];
	const output = new TextAfter(forced, tokenizer);
	const lineEnds = [...lineEndsOf({ generator, tokenizer })];
	const steps: CopyStep[] = [];
	for (const [i, row] of rows.entries()) {
		const isForced = output.forcedBytes.length > 0;
		const model = modelDistribution(row, isForced ? tokenizer.tokensCompatibleWith(output.forcedBytes) : undefined);
		const found = session.predict();
		const copy = isForced ? restricted(found, (token) => output.allows(token)) : found;
		const token = tokens[i];
		const wanted = token === undefined ? lineEnds : [token];
		if (copy) {
			steps.push({
				features: copyFeatures(copy, model),
				modelProbability: sum(wanted, (each) => Math.exp(logProb(model, each))),
				copyProbability: sum(wanted, (each) => copy.probabilities.get(each) ?? 0),
			});
		}
		if (token === undefined) break;
		output.push(token);
		session.push(token);
	}
	return steps;
}

function sum(tokens: readonly number[], value: (token: number) => number): number {
	return tokens.reduce((total, token) => total + value(token), 0);
}
