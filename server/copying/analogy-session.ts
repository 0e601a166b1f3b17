/**
 * Analogous lines token by token: what the lines that agree with everything written so far go on with.
 *
 * Guarantees: lines are looked for once, when they are first asked for. Deliberately lacks: a second search further down; what the
 * place of a line goes on with is taken as it is.
 */
import type { Analogy } from './analogies.ts';
import type { BlockTokenizer } from './block-tokens.ts';

/** What may come next by analogy, with what speaks for it. */
export interface AnalogyPrediction {
	/** Probability of each token, 0–1; they sum to 1. */
	probabilities: ReadonlyMap<number, number>;
	/** Weight of the lines that agree with what is written, of all that were found, 0–1. */
	mass: number;
	/** Of the most likely line behind the most probable token. */
	analogy: Pick<Analogy, 'before' | 'behind' | 'inOpenFile'>;
	/** Tokens of the line that it agreed with. */
	agreed: number;
}

export interface AnalogyOptions {
	/** The cursor's line up to the cursor. */
	typed: string;
	/** Its end, which is written again. */
	forced: string;
	/** Lines behind the first that may be written. Default none: the line ends. */
	linesBehind?: number;
	tokenizer: Pick<BlockTokenizer, 'encode'>;
	/** Lines that may be the cursor's. */
	find(): readonly Analogy[];
	/** Lines that may come behind it, should none be like it: it is taken for whole. Default none. */
	findNext?: (() => readonly Analogy[]) | undefined;
}

export interface AnalogySession {
	/** @param written tokens behind the prompt; undefined where no line agrees with them */
	predict(written: Uint32Array): AnalogyPrediction | undefined;
}

export function createAnalogySession({ typed, forced, linesBehind = 0, tokenizer, find, findNext }: AnalogyOptions): AnalogySession {
	let lines: { analogy: Analogy; ids: Uint32Array }[] | undefined;
	const begun = typed.trimStart();
	const indentation = typed.slice(0, typed.length - begun.length);
	const nTyped = begun === '' ? 0 : tokenizer.encode(begun).length;

	const encoded = (analogy: Analogy, text: string) => ({ analogy, ids: tokenizer.encode(forced + text) });
	const load = () => {
		const own = find()
			.filter(({ text }) => text.startsWith(begun))
			.map((analogy) => {
				const behind = linesBehind > 0 ? analogy.following(indentation, linesBehind) : `\n${indentation}`;
				return encoded(analogy, analogy.text.slice(begun.length) + behind);
			});
		if (own.length > 0 || !findNext) return own;
		return findNext().map((analogy) => encoded(analogy, analogy.withFollowing(indentation, linesBehind)));
	};

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
			return { probabilities, mass, analogy, agreed: nTyped + written.length };
		},
	};
}
