/** Models that write a given text, so that a test of what becomes of a text does not depend on what a bundle has learnt. */
import { KnownLogits } from '../../server/inference/known-logits.ts';
import type { Generator, Models, Tokenizer } from '../../server/inference/types.ts';
import { createByteTokenizer, STOP_TOKEN } from './byte-tokenizer.ts';

/** @param nextText what the generator writes after the prompt, asked at each prefill */
export function createScriptedModels(nextText: () => string): Models {
	const tokenizer = createByteTokenizer();
	let script: number[] = [];
	let at = 0;
	const logits = () => {
		const preferred = new Float32Array(tokenizer.vocabSize);
		preferred[script[at] ?? STOP_TOKEN] = 20;
		return preferred;
	};
	const generator: Generator = {
		vocabSize: tokenizer.vocabSize,
		maxPositions: 4096,
		stopTokens: new Set([STOP_TOKEN]),
		async prefill(prompt) {
			script = tokenizer.encode(nextText());
			at = 0;
			const positions = prompt.reduce((sum, part) => sum + (part.kind === 'tokens' ? part.ids.length : part.keys.length), 0);
			return { logits: logits(), positions, reused: 0, known: new KnownLogits() };
		},
		async decode(token) {
			// Token healing first forces characters that stand in the document; the script begins behind them.
			if (token === script[at]) at++;
			return logits();
		},
		decodeMany: (tokens) => Promise.resolve(tokens.map(() => logits())),
		truncate() {},
	};
	return modelsAround(generator, tokenizer);
}

/** Models of which only the generator has a part in the test. */
export function modelsAround(generator: Generator, tokenizer: Tokenizer): Models {
	const unused = () => Promise.reject(new Error('this model has no part in the test'));
	return {
		tokenizer,
		embedderTokenizer: tokenizer,
		generator: async () => generator,
		embedder: unused,
		fuser: unused,
		projector: unused,
		executionProvider: { name: 'cpu', why: 'scripted' },
		chooseExecutionProvider: async () => ({ name: 'cpu', why: 'scripted' }),
		async dispose() {},
	};
}
