/**
 * What the weight of the copy model is fitted from: at every token of a text that should come, what both models say about it.
 * The end of the line is one event, whichever token writes it.
 */
import type { CopyStep } from 'hef-shared';
import type { CopySession } from '../copying/copy-model.ts';
import { type DecodeOptions, lineEndsOf } from './decode.ts';
import { analogyFeatures, copyFeatures, logProb, modelDistribution, restricted } from './mixing.ts';
import { TextAfter } from './text-after.ts';

export type TraceOptions = Pick<DecodeOptions, 'generator' | 'tokenizer' | 'logits' | 'forced'> & {
	/** The rest of a line. */
	text: string;
	/** Standing behind the prompt. */
	session: CopySession;
};

/** The generator stands behind the prompt, and afterwards behind the text. Tokens without any copy are left out. */
export async function traceCopying({ generator, tokenizer, logits, forced, text, session }: TraceOptions): Promise<CopyStep[]> {
	const tokens = tokenizer.encode(forced + text);
	const rows = [logits, ...(tokens.length === 0 ? [] : await generator.decodeMany(tokens))];
	const output = new TextAfter(forced, tokenizer);
	const lineEnds = [...lineEndsOf({ generator, tokenizer })];
	const steps: CopyStep[] = [];
	for (const [i, row] of rows.entries()) {
		const isForced = output.forcedBytes.length > 0;
		const model = modelDistribution(row, isForced ? tokenizer.tokensCompatibleWith(output.forcedBytes) : undefined);
		const allows = (each: number) => !isForced || output.allows(each);
		const copy = restricted(session.predict(), allows);
		const analogy = restricted(session.predictAnalogy(), allows);
		const token = tokens[i];
		const wanted = token === undefined ? lineEnds : [token];
		if (copy || analogy) {
			const under = (source: { probabilities: ReadonlyMap<number, number> } | undefined) =>
				sum(wanted, (each) => source?.probabilities.get(each) ?? 0);
			steps.push({
				...(copy ? { features: copyFeatures(copy, model) } : {}),
				modelProbability: sum(wanted, (each) => Math.exp(logProb(model, each))),
				copyProbability: under(copy),
				...(analogy ? { analogy: { features: analogyFeatures(analogy, model, copy), probability: under(analogy) } } : {}),
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
