/**
 * The language model with the KV caches of its last prompts.
 *
 * Guarantees: positions equal to those of a kept prompt are not computed again; a prompt whose logits are known runs nothing; a long
 * prefill looks at its cancellation between pieces; a failed or cancelled run leaves the cache with exactly the positions that were computed.
 * Deliberately lacks: sampling, stop rules and text (`completion/decode.ts`).
 */
import { HefError, invariant } from '../base/errors.ts';
import { KnownLogits } from './known-logits.ts';
import type { Cell, KvCache } from './kv-cache.ts';
import { KvPool } from './kv-pool.ts';
import type { Manifest } from './manifest.ts';
import { type Feeds, type Fetches, floats, floatsOf, int32s, int64s, type ModelSession, setFirst } from './session.ts';
import type { TokenEmbedding } from './token-embedding.ts';
import type { Generator, PromptPart } from './types.ts';

export interface GeneratorOptions {
	session: ModelSession;
	/** The same model for runs of at most {@link SHORT_RUN} positions. Default `session`. */
	shortRuns?: ModelSession | undefined;
	tokenEmbedding: TokenEmbedding;
	entry: Manifest['generator'];
	/** Most positions of one run, asked before each. */
	pieceSize(): number;
	/** Positions at the end of a prompt that the next keystroke changes whatever it is. Default 0. */
	retyped?: number;
}

/** Positions up to which the new rows of a run are written into tensors that are kept: those of decoding with a draft. */
const FEW_POSITIONS = 16;
/** Of larger runs, besides whole pieces, those of a multiple of it: a prompt that is read while nobody waits has many of them. */
const IDLE_STEP = 32;
/** Most positions of a run in which a small model keeps no second thread busy. */
const SHORT_RUN = 32;

export function createGenerator({ session, shortRuns = session, tokenEmbedding, entry, pieceSize, retyped }: GeneratorOptions): Generator {
	const { hiddenSize, layers, kvHeads, headDim, vocabSize, maxPositions } = entry;
	const pool = new KvPool(entry, { retyped });
	const names = Array.from({ length: layers }, (_, layer) => [`key_${layer}`, `value_${layer}`]).flat();
	const newRows = names.map((name) => `new_${name}`);
	let running = false;
	/** The prompt's last tokens where the logits behind them were known but their rows are gone: the next run reads them with its own. */
	let unread: readonly number[] = [];
	/** Tensors over the buffers of a cache, as long as it has these: making them takes longer than filling a position. */
	const pastFeeds = new WeakMap<readonly Float32Array[], Feeds>();
	const lengths = { seqlens_k: int32s([0], [1]), total_length: int32s([0], []), logits_from: int64s([0], [1]) };
	/** Where runs of so many positions write their new rows. */
	const rowTensors = new Map<number, Fetches>();

	const pastOf = (cache: KvCache): Feeds => {
		const known = pastFeeds.get(cache.buffers);
		if (known) return known;
		const shape = [1, kvHeads, cache.capacity, headDim];
		const past = Object.fromEntries(cache.buffers.map((buffer, i) => [`past_${names[i]}`, floats(buffer, shape)]));
		const feeds: Feeds = { ...past, ...lengths };
		pastFeeds.set(cache.buffers, feeds);
		return feeds;
	};

	/** The runtime makes, copies and frees a buffer for each output that it is given none for. Logits are the caller's to keep. */
	const fetchesFor = (size: number): Fetches | undefined => {
		if (size > FEW_POSITIONS && size !== pieceSize() && size % IDLE_STEP !== 0) return undefined;
		const known = rowTensors.get(size);
		if (known) return known;
		const rows = newRows.map((name) => [name, floats(new Float32Array(kvHeads * size * headDim), [1, kvHeads, size, headDim])]);
		const fetches: Fetches = { logits: null, ...Object.fromEntries(rows) };
		rowTensors.set(size, fetches);
		return fetches;
	};

	/** Reads `cells` at the end of the cache; logits `[cells.length - logitsFrom, vocabSize]`. */
	const extend = async (cells: readonly Cell[], embeddings: Float32Array, logitsFrom: number): Promise<Float32Array> => {
		const cache = pool.current;
		const past = cache.length;
		const size = cells.length;
		cache.reserve(past + size);
		const feeds = pastOf(cache);
		feeds.inputs_embeds = floats(embeddings, [1, size, hiddenSize]);
		setFirst(lengths.seqlens_k, past + size - 1);
		setFirst(lengths.total_length, past + size);
		setFirst(lengths.logits_from, logitsFrom);
		const outputs = await (size <= SHORT_RUN ? shortRuns : session).run(feeds, fetchesFor(size));
		const logits = floatsOf(outputs, 'logits');
		invariant(logits.length === (size - logitsFrom) * vocabSize, `logits are [${size - logitsFrom}, ${vocabSize}], got ${logits.length}`);
		cache.append(
			cells,
			newRows.map((name) => floatsOf(outputs, name)),
		);
		return logits;
	};

	/** Runs a task alone: overlapping ones would write over each other's positions. */
	const alone = async <T>(nPositions: number, task: () => Promise<T>): Promise<T> => {
		invariant(!running, 'runs of a generator do not overlap');
		if (nPositions > maxPositions) {
			throw new HefError('inference-failed', `${nPositions} positions are more than the ${maxPositions} that the model can read`);
		}
		running = true;
		try {
			return await task();
		} finally {
			running = false;
		}
	};

	/** Logits after each token. */
	const append = (tokens: readonly number[]): Promise<Float32Array[]> => {
		const all = [...unread, ...tokens];
		return alone(pool.current.length + all.length, async () => {
			unread = [];
			const rows: Float32Array[] = [];
			while (rows.length < all.length) {
				const piece = all.slice(rows.length, rows.length + pieceSize());
				const logits = await extend(piece, await tokenEmbedding.embed(piece), 0);
				for (let i = 0; i < piece.length; i++) rows.push(logits.subarray(i * vocabSize, (i + 1) * vocabSize));
			}
			return rows.slice(all.length - tokens.length);
		});
	};

	return {
		vocabSize,
		maxPositions,
		stopTokens: new Set(entry.stopTokens),
		async prefill(prompt, cancellation, most = Number.POSITIVE_INFINITY) {
			const cells = prompt.flatMap(cellsOf);
			invariant(cells.length > 0, 'a prompt has at least one position');
			return alone(cells.length, async () => {
				if (cancellation.aborted) return undefined;
				const held = pool.select(cells);
				const cache = pool.current;
				unread = [];
				const read = cache.known?.below(cells.slice(held));
				const before = read?.behind([]);
				if (read && before) {
					// What is kept is kept behind a prompt, and behind that stand tokens.
					unread = cells.slice(held) as number[];
					return { logits: before, positions: cells.length, reused: cells.length, known: read };
				}
				// The last position runs: its logits are the answer.
				const reused = Math.min(held, cells.length - 1);
				cache.truncate(reused);
				for (let start = reused; ; ) {
					const end = Math.min(start + Math.min(pieceSize(), most), cells.length);
					const embeddings = await embeddingsOf(prompt, start, end, hiddenSize, tokenEmbedding);
					const logits = await extend(cells.slice(start, end), embeddings, end - start - 1);
					if (end === cells.length) {
						const known = cache.known ?? new KnownLogits();
						known.add([], logits);
						cache.keep(known);
						return { logits, positions: end, reused, known };
					}
					if (cancellation.aborted) return undefined;
					start = end;
				}
			});
		},
		async decode(token) {
			const [logits] = await append([token]);
			return logits as Float32Array;
		},
		decodeMany: append,
		truncate(length) {
			unread = unread.slice(0, Math.max(0, length - pool.current.length));
			if (length === 0) pool.clear();
			else pool.current.truncate(length);
		},
	};
}

function cellsOf(part: PromptPart): readonly Cell[] {
	return part.kind === 'tokens' ? part.ids : part.keys;
}

/** Input embeddings `[end - start, hiddenSize]` of the prompt's positions from `start` to before `end`. */
async function embeddingsOf(
	prompt: readonly PromptPart[],
	start: number,
	end: number,
	hiddenSize: number,
	tokenEmbedding: TokenEmbedding,
): Promise<Float32Array> {
	const rows = new Float32Array((end - start) * hiddenSize);
	let partStart = 0;
	for (const part of prompt) {
		const length = cellsOf(part).length;
		const from = Math.max(start, partStart) - partStart;
		const to = Math.min(end, partStart + length) - partStart;
		if (from < to) {
			const values =
				part.kind === 'tokens'
					? await tokenEmbedding.embed(part.ids.slice(from, to))
					: part.embeddings.subarray(from * hiddenSize, to * hiddenSize);
			rows.set(values, (partStart + from - start) * hiddenSize);
		}
		partStart += length;
	}
	return rows;
}
