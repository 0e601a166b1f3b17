/** How many positions a generator reads for one answer: what the answer cost, whatever was known before. */
import type { Generator } from '../inference/types.ts';

export interface CountedGenerator extends Generator {
	/** Positions that were run behind prompts since it was made; prompts do not count. */
	readonly positionsRead: number;
}

export function countPositions(generator: Generator): CountedGenerator {
	let positionsRead = 0;
	return {
		...generator,
		decode(token) {
			positionsRead++;
			return generator.decode(token);
		},
		decodeMany(tokens) {
			positionsRead += tokens.length;
			return generator.decodeMany(tokens);
		},
		get positionsRead() {
			return positionsRead;
		},
	};
}
