/** A generator whose probabilities are written down. */
import { neverCancelled } from '../../server/base/cancellation.ts';
import type { DecodeOptions } from '../../server/completion/decode.ts';
import { endOfLine } from '../../server/completion/stop-rules.ts';
import { KnownLogits } from '../../server/inference/known-logits.ts';
import { createByteTokenizer, STOP_TOKEN } from './byte-tokenizer.ts';

const tokenizer = createByteTokenizer();
export const END = '\u0003';

/** What follows a text, with probabilities that sum to 1; `END` is the stop token. What is not written down ends there. */
export type Script = Record<string, Record<string, number>>;

/** Options of decoding behind such a generator, and how often it ran. */
export function scripted(script: Script) {
	let written: number[] = [];
	let prompt = 0;
	let runs = 0;
	const logits = (): Float32Array => {
		const row = new Float32Array(tokenizer.vocabSize).fill(-50);
		for (const [next, p] of Object.entries(script[tokenizer.decode(written)] ?? { [END]: 1 })) {
			row[next === END ? STOP_TOKEN : (tokenizer.encode(next)[0] as number)] = Math.log(p);
		}
		return row;
	};
	const read = (tokens: readonly number[]) => {
		runs++;
		return tokens.map((token) => {
			written.push(token);
			return logits();
		});
	};
	const options: DecodeOptions = {
		generator: {
			vocabSize: tokenizer.vocabSize,
			maxPositions: 1024,
			stopTokens: new Set([STOP_TOKEN]),
			async prefill(parts) {
				written = [];
				prompt = parts.reduce((sum, part) => sum + (part.kind === 'tokens' ? part.ids.length : part.keys.length), 0);
				return { logits: logits(), positions: prompt, reused: 0, known: new KnownLogits() };
			},
			decode: async (token) => read([token])[0] as Float32Array,
			decodeMany: async (tokens) => read(tokens),
			truncate(length) {
				written = written.slice(0, length - prompt);
			},
		},
		...{ tokenizer, logits: logits(), positions: 0, forced: '', maxNewTokens: 16, stop: endOfLine, singleLine: true },
		...{ cancellation: neverCancelled, timeBudgetMs: 1000, now: () => 0 },
	};
	return { options, runs: () => runs };
}
