/** What the models do, without a word of how: no tensor, session or ONNX name leaves this folder. */
import type { Cancellation } from '../base/cancellation.ts';
import type { KnownLogits } from './known-logits.ts';

export interface Tokenizer {
	readonly vocabSize: number;
	encode(text: string): number[];
	/** Text of the tokens; incomplete UTF-8 at the end becomes U+FFFD. */
	decode(ids: readonly number[]): string;
	/** Bytes that a token stands for; empty for special tokens. */
	tokenBytes(id: number): Uint8Array;
	count(text: string): number;
	/**
	 * The pieces into which the text is split before merging; no token spans two. Joined they are the text. What follows the
	 * text can change its last pieces only, which is what token healing rests on.
	 */
	preTokens(text: string): string[];
	/**
	 * Ids that can begin a continuation which must start with `bytes`: their bytes are a prefix of `bytes`, or start with it.
	 * All non-special ids when `bytes` is empty.
	 */
	tokensCompatibleWith(bytes: Uint8Array): readonly number[];
}

export interface Embedder {
	readonly dimension: number;
	/** Most tokens of a text; the rest is cut off, at the end of a chunk and at the front of a query. */
	readonly maxTokens: number;
	/** `[n, dimension]` f32, each of L2 norm 1, one for each chunk's token ids. */
	embed(inputs: readonly (readonly number[])[]): Promise<Float32Array[]>;
	/** `[dimension]` f32 of L2 norm 1, to be compared with those of chunks. */
	embedQuery(ids: readonly number[]): Promise<Float32Array>;
}

export interface Fuser {
	/** Most children of a node. */
	readonly arity: number;
	/** The parent's vector for each ordered list of 1…arity child vectors; L2 norm 1. */
	fuse(families: readonly (readonly Float32Array[])[]): Promise<Float32Array[]>;
}

export interface Projector {
	/** One pseudo-token `[hiddenSize]` for each node vector `[dimension]`, concatenated `[n · hiddenSize]`. */
	project(nodes: readonly Float32Array[]): Promise<Float32Array>;
}

/** A part of a prompt. Equal keys at equal positions mean equal input, which is what KV reuse rests on. */
export type PromptPart =
	| { kind: 'tokens'; ids: readonly number[] }
	/** `keys` name the vectors (a node id and the projector); `embeddings` is `[keys.length · hiddenSize]`. */
	| { kind: 'embeddings'; keys: readonly string[]; embeddings: Float32Array };

export interface Prefilled {
	/** Logits `[vocabSize]` after the last position. Not to be written to. */
	logits: Float32Array;
	/** Positions of the prompt. */
	positions: number;
	/** Of these, positions taken from the KV cache; all of them where the logits were known too. */
	reused: number;
	/** What is known behind the prompt, these logits among it; what is added is there when the prompt is asked for again. */
	known: KnownLogits;
}

/**
 * The language model with the KV caches of its last few prompts. One prompt at a time; calls must not overlap.
 */
export interface Generator {
	readonly vocabSize: number;
	readonly maxPositions: number;
	readonly stopTokens: ReadonlySet<number>;
	/**
	 * Runs the prompt, reusing the longest common prefix with any prompt that is kept. Undefined when cancelled between pieces.
	 * @param most positions of one piece, where they should be smaller than the provider's: whoever cancels waits for one at most
	 */
	prefill(prompt: readonly PromptPart[], cancellation: Cancellation, most?: number): Promise<Prefilled | undefined>;
	/** Appends one token and returns the logits `[vocabSize]` after it. */
	decode(token: number): Promise<Float32Array>;
	/** Appends tokens and returns the logits after each, `[tokens.length][vocabSize]`. */
	decodeMany(tokens: readonly number[]): Promise<Float32Array[]>;
	/** Forgets all positions of the current prompt from `length` on; 0 forgets the other prompts too. */
	truncate(length: number): void;
}

/** The models of one bundle on one execution provider. Each loads on first use. */
export interface Models {
	/** Of prompts. */
	readonly tokenizer: Tokenizer;
	/** Of chunks and queries; often the same. */
	readonly embedderTokenizer: Tokenizer;
	embedder(): Promise<Embedder>;
	fuser(): Promise<Fuser>;
	/** Undefined when the bundle has no projector of that name. */
	projector(name: 'hef' | 'llavacode'): Promise<Projector | undefined>;
	generator(): Promise<Generator>;
	/** Which provider runs the models, and why; `none` before the first load. Changes when a provider fails in use. */
	readonly executionProvider: { name: string; why: string };
	/** The same, chosen now if no model was loaded yet. */
	chooseExecutionProvider(): Promise<{ name: string; why: string }>;
	dispose(): Promise<void>;
}
