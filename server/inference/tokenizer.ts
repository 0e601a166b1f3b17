/**
 * Byte-level BPE from a Hugging Face `tokenizer.json`.
 *
 * Guarantees: the ids of the reference implementation for the same text; no text encodes to a special token, not even one
 * that spells it (`<|fim_middle|>` in a user's file); decoding goes through bytes, so any list of ids decodes.
 * Deliberately lacks: added tokens, post-processing, and every kind of tokenizer but byte-level BPE.
 *
 * The library merges, and says how a text is split; about ten times its speed comes from remembering the ids of the pieces, since
 * the same words make up most of any repository, and from splitting by its patterns without its detours.
 */
import { readFile } from 'node:fs/promises';
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { HefError, messageOf } from '../base/errors.ts';
import { ownCopy } from '../base/text.ts';
import type { Tokenizer } from './types.ts';
import { byteAlphabet, createVocabulary, type Vocabulary } from './vocabulary.ts';

/** Pieces whose ids are remembered, those used lately among them; at most twice as many. */
const PIECES_KEPT = 25_000;
/** UTF-16 length; longer pieces (data, banners) hardly ever come again. */
const LONGEST_PIECE_KEPT = 64;
/** What GPT-2's tokenizer does where a byte-level pre-tokenizer splits by itself. */
const GPT2_SPLIT = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

interface PreTokenizerJson {
	type: string;
	pretokenizers?: PreTokenizerJson[];
	behavior?: string;
	add_prefix_space?: boolean;
	use_regex?: boolean;
	pattern?: { Regex?: string; String?: string };
	invert?: boolean;
}

interface TokenizerJson {
	model: { type?: string; vocab: Record<string, number> };
	normalizer: unknown;
	pre_tokenizer: PreTokenizerJson | null;
	added_tokens: { content: string; id: number }[];
}

/**
 * @param path of a `tokenizer.json`
 * @param vocabSize ids are below it
 * @throws HefError `bundle-invalid` when the file is no byte-level BPE tokenizer with at most `vocabSize` ids
 */
export async function loadTokenizer(path: string, vocabSize: number): Promise<Tokenizer> {
	try {
		return createTokenizer(JSON.parse(await readFile(path, 'utf8')) as TokenizerJson, vocabSize);
	} catch (cause) {
		throw new HefError('bundle-invalid', `${path} is not a byte-level BPE tokenizer that this server reads: ${messageOf(cause)}`, {
			cause,
		});
	}
}

function createTokenizer(json: TokenizerJson, vocabSize: number): Tokenizer {
	const textTokens = textTokensOf(json, vocabSize);
	const library = withoutSpecialTokens(json, textTokens);
	/** Made when a generator asks for it: what only encodes needs none. */
	let made: Vocabulary | undefined;
	const vocabulary = (): Vocabulary => {
		made ??= createVocabulary(textTokens);
		return made;
	};
	const alphabet = byteAlphabet();
	const utf8 = new TextEncoder();
	let pieces = new Map<string, readonly number[]>();
	/** What was remembered before there were too many; a piece that is used again moves over. */
	let olderPieces = pieces;

	const split = splitterOf(library);
	const normalized = (text: string): string => (library.normalizer ? library.normalizer(text) : text);

	const merge = (piece: string): number[] => {
		let word = '';
		for (const byte of utf8.encode(piece)) word += alphabet[byte];
		return (library.model?.encode([word]) ?? []).map((token: string) => textTokens.get(token) as number);
	};
	const idsOf = (piece: string): readonly number[] => {
		if (piece.length > LONGEST_PIECE_KEPT) return merge(piece);
		const known = pieces.get(piece);
		if (known) return known;
		const ids = olderPieces.get(piece) ?? merge(piece);
		if (pieces.size === PIECES_KEPT) {
			olderPieces = pieces;
			pieces = new Map();
		}
		pieces.set(ownCopy(piece), ids);
		return ids;
	};

	return {
		vocabSize,
		encode(text) {
			const ids: number[] = [];
			for (const piece of split(normalized(text))) for (const id of idsOf(piece)) ids.push(id);
			return ids;
		},
		decode(ids) {
			const bytes = Buffer.concat(ids.map((id) => vocabulary().tokenBytes(id)));
			return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
		},
		count(text) {
			let count = 0;
			for (const piece of split(normalized(text))) count += idsOf(piece).length;
			return count;
		},
		preTokens: split,
		tokenBytes: (id) => vocabulary().tokenBytes(id),
		tokensCompatibleWith: (bytes) => vocabulary().tokensCompatibleWith(bytes),
	};
}

/** Tokens that stand for text, with their ids. */
function textTokensOf({ model, added_tokens: added }: TokenizerJson, vocabSize: number): Map<string, number> {
	if (model.type !== undefined && model.type !== 'BPE') throw new Error(`its model is ${model.type}`);
	const special = new Set(added.map(({ content }) => content));
	const tokens = new Map(Object.entries(model.vocab).filter(([token]) => !special.has(token)));
	const tooLarge = [...tokens.values(), ...added.map(({ id }) => id)].find((id) => id >= vocabSize);
	if (tooLarge !== undefined) throw new Error(`it has the id ${tooLarge}, but the manifest says vocabSize ${vocabSize}`);
	const missing = byteAlphabet().filter((character) => !tokens.has(character));
	if (missing.length > 0) throw new Error(`its vocabulary lacks ${missing.length} of the 256 bytes, so some texts have no tokens`);
	return tokens;
}

/**
 * The library's tokenizer with neither added tokens nor their entries in the vocabulary: it has no way to produce a special id.
 * Its pre-tokenizer splits only; turning pieces into byte-level words is left to the caller, who needs them as text.
 */
function withoutSpecialTokens(json: TokenizerJson, textTokens: Map<string, number>): HuggingFaceTokenizer {
	const model = { ...json.model, vocab: Object.fromEntries(textTokens) };
	const pretokenizers = splittersOf(json.pre_tokenizer);
	const splitter = pretokenizers.length > 0 ? { type: 'Sequence', pretokenizers } : null;
	return new HuggingFaceTokenizer({ ...json, model, added_tokens: [], pre_tokenizer: splitter, post_processor: null }, {});
}

function splittersOf(preTokenizer: PreTokenizerJson | null): PreTokenizerJson[] {
	const steps = preTokenizer?.type === 'Sequence' ? (preTokenizer.pretokenizers ?? []) : preTokenizer ? [preTokenizer] : [];
	const byteLevel = steps.at(-1);
	if (byteLevel?.type !== 'ByteLevel') throw new Error('its pre-tokenizer does not end in ByteLevel');
	if (byteLevel.add_prefix_space) throw new Error('it puts a space before every text (add_prefix_space)');
	const splitters = steps.slice(0, -1);
	if (byteLevel.use_regex ?? true) splitters.push({ type: 'Split', pattern: { Regex: GPT2_SPLIT }, behavior: 'Isolated', invert: false });
	const other = splitters.find(({ type, behavior }) => type !== 'Digits' && (type !== 'Split' || behavior !== 'Isolated'));
	if (other) throw new Error(`its pre-tokenizer ${other.type} ${other.behavior ?? ''} may not keep the text as it is`);
	return splitters;
}

/** The library's own splitting, and its patterns alone where they leave nothing of a text out, as those for byte-level BPE do. */
function splitterOf({ pre_tokenizer: library }: HuggingFaceTokenizer): (text: string) => string[] {
	const steps = (library as { tokenizers?: readonly { pattern?: unknown }[] } | null)?.tokenizers ?? [];
	const patterns = steps.map(({ pattern }) => (pattern instanceof RegExp ? pattern : undefined));
	return (text) => {
		if (text === '') return [];
		const [first, ...others] = patterns;
		let pieces: string[] = (first && text.match(first)) ?? [];
		for (const pattern of others) pieces = pattern ? pieces.flatMap((piece) => piece.match(pattern) ?? []) : [];
		let length = 0;
		for (const piece of pieces) length += piece.length;
		return length === text.length ? pieces : (library?.(text) ?? [text]);
	};
}
