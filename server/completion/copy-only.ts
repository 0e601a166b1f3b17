/**
 * The copy model alone, without any model run: the baseline that says what repetition is worth, and so what the generator
 * adds to it. Guarantees and rules are those of `decode.ts`.
 */
import type { CopySession } from '../copying/copy-model.ts';
import type { Tokenizer } from '../inference/types.ts';
import { type Decoded, type DecodeOptions, type StopReason, Trail } from './decode.ts';
import { mostProbable, restricted } from './mixing.ts';
import { TextAfter } from './text-after.ts';

export type CopyOnlyOptions = Pick<DecodeOptions, 'tokenizer' | 'forced' | 'maxNewTokens' | 'stop' | 'cancellation'> & {
	session: CopySession;
};

export function decodeCopies({ session, tokenizer, forced, maxNewTokens, stop, cancellation }: CopyOnlyOptions): Decoded {
	const output = new TextAfter(forced, tokenizer);
	const trail = new Trail();
	let nTokens = 0;
	const result = (reason: StopReason, keep?: number): Decoded => ({
		text: keep === undefined ? output.text : output.text.slice(0, keep),
		nTokens,
		...trail.summary(),
		reason,
	});
	while (nTokens < maxNewTokens) {
		if (cancellation.aborted) return result('cancelled');
		const isForced = output.forcedBytes.length > 0;
		const prediction = session.predict();
		const allowed = isForced ? restricted(prediction, (token) => output.allows(token)) : prediction;
		if (!allowed && !isForced) return result('stopToken');
		const { token, probability } = allowed
			? mostProbable(allowed.probabilities)
			: { token: longestWithin(output, tokenizer), probability: 1 };
		trail.add({ token, logProb: Math.log(probability), copied: 1 });
		output.push(token);
		session.push(token);
		nTokens++;
		const keep = output.forcedBytes.length > 0 ? undefined : stop(output.text);
		if (keep !== undefined) return result('stopRule', keep);
	}
	return result('length');
}

/** The token that writes most of what is forced, and nothing else. */
function longestWithin(output: TextAfter, tokenizer: Tokenizer): number {
	let best = -1;
	let length = 0;
	for (const token of tokenizer.tokensCompatibleWith(output.forcedBytes)) {
		const n = tokenizer.tokenBytes(token).length;
		if (n <= output.forcedBytes.length && n > length) {
			best = token;
			length = n;
		}
	}
	return best;
}
