/**
 * The language model with its KV cache.
 *
 * The cache lies in buffers of fixed capacity that the graph reads in place; a run returns only the new rows, which are
 * written behind the old ones. What each position was made from is kept beside it, and a prompt reuses the longest common
 * prefix. Guarantees: a cancelled or failed run leaves no position in the books that was not computed.
 * Deliberately lacks: any choice of tokens.
 */
import { HefError, invariant } from '../base/errors.ts';
import type { Manifest } from './manifest.ts';
import { floatData, floats, int32, int64, type Session } from './session.ts';
import type { Generator, Prefilled, PromptPart } from './types.ts';

/** Positions of one run of a prefill: cancellation is looked at between them. */
const PIECE = 136;
const FIRST_CAPACITY = 1024;

export interface GeneratorOptions {
	manifest: Manifest['generator'];
	session: Session;
	/** Rows of the token embedding `[ids.length · hiddenSize]`. */
	embedTokens(ids: readonly number[]): Promise<Float32Array>;
}

/** A position's input: a token id, or the key of a vector. */
type Key = number | string;

export function createGenerator({ manifest, session, embedTokens }: GeneratorOptions): Generator {
	const { hiddenSize, vocabSize, maxPositions } = manifest;
	const cache = new KvCache(manifest);
	let keys: Key[] = [];

	/** Runs `count` new positions; logits of those from `logitsFrom` on: `[count − logitsFrom, vocabSize]`. */
	const run = async (embeddings: Float32Array, count: number, logitsFrom: number): Promise<Float32Array> => {
		const past = keys.length;
		if (past + count > maxPositions)
			throw new HefError('inference-failed', `a prompt of ${past + count} positions is longer than the bundle's ${maxPositions}`);
		cache.reserve(past + count, past);
		const outputs = await session.run({
			inputs_embeds: floats(embeddings, [1, count, hiddenSize]),
			seqlens_k: int32([past + count - 1], [1]),
			total_length: int32([past + count], []),
			logits_from: int64([logitsFrom], [1]),
			...cache.feeds(),
		});
		cache.write(outputs, past, count);
		return floatData(outputs, 'logits');
	};

	const decodeMany = async (tokens: readonly number[]): Promise<Float32Array[]> => {
		const logits = await run(await embedTokens(tokens), tokens.length, 0);
		keys.push(...tokens);
		return tokens.map((_, i) => logits.slice(i * vocabSize, (i + 1) * vocabSize));
	};

	return {
		vocabSize,
		maxPositions,
		stopTokens: new Set(manifest.stopTokens),
		async prefill(prompt, cancellation): Promise<Prefilled | undefined> {
			const wanted = prompt.flatMap(keysOf);
			invariant(wanted.length > 0, 'a prompt has at least one position');
			let done = 0;
			while (done < wanted.length && done < keys.length && wanted[done] === keys[done]) done++;
			// The last position is always run: its logits are the answer.
			done = Math.min(done, wanted.length - 1);
			const reused = done;
			keys.length = done;
			let logits = new Float32Array(0);
			while (done < wanted.length) {
				if (cancellation.aborted) return undefined;
				const count = Math.min(PIECE, wanted.length - done);
				const embeddings = await embed(prompt, done, count);
				logits = (await run(embeddings, count, count - 1)) as Float32Array<ArrayBuffer>;
				keys.push(...wanted.slice(done, done + count));
				done += count;
			}
			return { logits: logits.slice(), positions: wanted.length, reused };
		},
		async decode(token) {
			const [logits] = await decodeMany([token]);
			return logits as Float32Array;
		},
		decodeMany,
		truncate(length) {
			invariant(length <= keys.length, 'truncation keeps no more than there is');
			keys = keys.slice(0, length);
		},
	};

	/** Input embeddings of `count` positions of the prompt from `start` on: `[count · hiddenSize]`. */
	async function embed(prompt: readonly PromptPart[], start: number, count: number): Promise<Float32Array> {
		const all = new Float32Array(count * hiddenSize);
		let partStart = 0;
		for (const part of prompt) {
			const length = part.kind === 'tokens' ? part.ids.length : part.keys.length;
			const from = Math.max(start, partStart) - partStart;
			const to = Math.min(start + count, partStart + length) - partStart;
			if (from < to) {
				const rows =
					part.kind === 'tokens' ? await embedTokens(part.ids.slice(from, to)) : part.embeddings.subarray(from * hiddenSize, to * hiddenSize);
				all.set(rows, (partStart + from - start) * hiddenSize);
			}
			partStart += length;
		}
		return all;
	}
}

function keysOf(part: PromptPart): readonly Key[] {
	return part.kind === 'tokens' ? part.ids : part.keys;
}

/** Keys and values of all layers: each `[1, kvHeads, capacity, headDim]` f32. */
class KvCache {
	readonly #manifest: Manifest['generator'];
	readonly #names: string[];
	#capacity = 0;
	#buffers: Float32Array[] = [];

	constructor(manifest: Manifest['generator']) {
		this.#manifest = manifest;
		this.#names = Array.from({ length: manifest.layers }, (_, layer) => [`key_${layer}`, `value_${layer}`]).flat();
	}

	/** Grows the buffers by doubling, keeping the first `used` positions. */
	reserve(positions: number, used: number): void {
		if (positions <= this.#capacity) return;
		const { kvHeads, headDim, maxPositions } = this.#manifest;
		let capacity = Math.max(this.#capacity, FIRST_CAPACITY);
		while (capacity < positions) capacity *= 2;
		capacity = Math.max(positions, Math.min(capacity, maxPositions));
		const old = this.#buffers;
		this.#buffers = this.#names.map((_, i) => {
			const grown = new Float32Array(kvHeads * capacity * headDim);
			for (let head = 0; head < kvHeads; head++) {
				const from = head * this.#capacity * headDim;
				const rows = old[i]?.subarray(from, from + used * headDim);
				if (rows) grown.set(rows, head * capacity * headDim);
			}
			return grown;
		});
		this.#capacity = capacity;
	}

	/** The buffers themselves: ONNX Runtime reads them without a copy. */
	feeds(): Record<string, ReturnType<typeof floats>> {
		const { kvHeads, headDim } = this.#manifest;
		const dims = [1, kvHeads, this.#capacity, headDim];
		return Object.fromEntries(this.#names.map((name, i) => [`past_${name}`, floats(this.#buffers[i] as Float32Array, dims)]));
	}

	/** Puts the new rows `[1, kvHeads, count, headDim]` of a run behind the first `past` positions. */
	write(outputs: Parameters<typeof floatData>[0], past: number, count: number): void {
		const { kvHeads, headDim } = this.#manifest;
		for (const [i, name] of this.#names.entries()) {
			const rows = floatData(outputs, `new_${name}`);
			for (let head = 0; head < kvHeads; head++) {
				const row = rows.subarray(head * count * headDim, (head + 1) * count * headDim);
				this.#buffers[i]?.set(row, (head * this.#capacity + past) * headDim);
			}
		}
	}
}
