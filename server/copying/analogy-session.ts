/**
 * Analogous lines token by token: what the lines that agree with everything written so far go on with.
 *
 * Guarantees: lines are looked for once, when they are first asked for. Deliberately lacks: anything behind the line's end.
 */
import type { Analogy } from './analogies.ts';
import type { BlockTokenizer } from './block-tokens.ts';

/** What may come next by analogy, with what speaks for it. */
export interface AnalogyPrediction {
	/** Probability of each token, 0–1; they sum to 1. */
	probabilities: ReadonlyMap<number, number>;
	/** Weight of the lines that agree with what is written, of all that were found, 0–1. */
	mass: number;
	/** Of the most likely line behind the most probable token, as {@link Analogy} says them. */
	shaped: number;
	literal: number;
	inOpenFile: boolean;
	likeness: number;
	familiarity: number;
	/** Tokens of the line that it agreed with. */
	agreed: number;
}

export interface AnalogyOptions {
	/** The cursor's line up to the cursor. */
	typed: string;
	/** Its end, which is written again. */
	forced: string;
	tokenizer: Pick<BlockTokenizer, 'encode'>;
	find(): readonly Analogy[];
}

export interface AnalogySession {
	/** @param written tokens behind the prompt; undefined where no line agrees with them */
	predict(written: Uint32Array): AnalogyPrediction | undefined;
}

export function createAnalogySession({ typed, forced, tokenizer, find }: AnalogyOptions): AnalogySession {
	let lines: { analogy: Analogy; ids: Uint32Array }[] | undefined;
	const begun = typed.trimStart();
	const indentation = typed.slice(0, typed.length - begun.length);
	const nTyped = begun === '' ? 0 : tokenizer.encode(begun).length;

	const load = () =>
		find()
			.filter(({ text }) => text.startsWith(begun))
			.map((analogy) => ({ analogy, ids: tokenizer.encode(`${forced}${analogy.text.slice(begun.length)}\n${indentation}`) }));

	return {
		predict(written) {
			lines ??= load();
			const agreeing = lines.filter(({ ids }) => ids.length > written.length && written.every((id, i) => ids[i] === id));
			const [first] = agreeing;
			if (!first) return undefined;
			const mass = agreeing.reduce((sum, { analogy }) => sum + analogy.weight, 0);
			const probabilities = new Map<number, number>();
			for (const { analogy, ids } of agreeing) {
				const next = ids[written.length] as number;
				probabilities.set(next, (probabilities.get(next) ?? 0) + analogy.weight / mass);
			}
			const [top] = [...probabilities].reduce((best, each) => (each[1] > best[1] ? each : best));
			const { analogy } = agreeing.find(({ ids }) => ids[written.length] === top) ?? first;
			const { shaped, literal, inOpenFile, likeness, familiarity } = analogy;
			return { probabilities, mass, shaped, literal, inOpenFile, likeness, familiarity, agreed: nTyped + written.length };
		},
	};
}
