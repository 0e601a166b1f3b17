/** A tokenizer whose tokens are bytes (ids 0–255), with GPT-style pre-tokens: enough for every rule about token boundaries. */
import type { Tokenizer } from '../../server/inference/types.ts';

export const STOP_TOKEN = 256;

export function createByteTokenizer(): Tokenizer {
	const encoder = new TextEncoder();
	const encode = (text: string) => [...encoder.encode(text)];
	return {
		vocabSize: 257,
		encode,
		decode: (ids) => new TextDecoder().decode(Uint8Array.from(ids)),
		tokenBytes: (id) => (id === STOP_TOKEN ? new Uint8Array() : Uint8Array.of(id)),
		count: (text) => encode(text).length,
		preTokens: (text) => text.match(/[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+/gu) ?? [],
		tokensCompatibleWith: (bytes) => (bytes.length === 0 ? Array.from({ length: 256 }, (_, i) => i) : [bytes[0] as number]),
	};
}
