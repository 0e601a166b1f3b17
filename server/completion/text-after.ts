import type { Tokenizer } from '../inference/types.ts';

/** Grows a text token by token in bytes, first swallowing the forced beginning. */
export class TextAfter {
	readonly #tokenizer: Pick<Tokenizer, 'tokenBytes'>;
	readonly #decoder = new TextDecoder('utf-8');
	/** Bytes of the forced beginning that no token has produced yet. */
	forcedBytes: Uint8Array;
	text = '';

	constructor(forced: string, tokenizer: Pick<Tokenizer, 'tokenBytes'>) {
		this.#tokenizer = tokenizer;
		this.forcedBytes = new TextEncoder().encode(forced);
	}

	/** Whether the token goes on with what is forced, or begins behind it. */
	allows(token: number): boolean {
		const bytes = this.#tokenizer.tokenBytes(token);
		const n = Math.min(bytes.length, this.forcedBytes.length);
		for (let i = 0; i < n; i++) if (bytes[i] !== this.forcedBytes[i]) return false;
		return bytes.length > 0;
	}

	push(token: number): void {
		const bytes = this.#tokenizer.tokenBytes(token);
		const swallowed = Math.min(bytes.length, this.forcedBytes.length);
		this.forcedBytes = this.forcedBytes.subarray(swallowed);
		// A character whose bytes are not complete yet waits in the decoder.
		this.text += this.#decoder.decode(bytes.subarray(swallowed), { stream: true });
	}
}
