/**
 * The byte strings behind the tokens of a byte-level BPE vocabulary, searchable by their beginning.
 *
 * Byte strings are kept as strings of code units 0–255, whose order is the order of the bytes.
 */

const LAST_OF_ALPHABET = 0x143;

export interface Vocabulary {
	/** Bytes of a token; empty for ids that stand for no text. Not to be written to. */
	tokenBytes(id: number): Uint8Array;
	/**
	 * Ids that can begin a text which starts with `bytes`: their bytes start with `bytes`, or are a beginning of it. All ids
	 * that stand for text when `bytes` is empty. Not to be written to.
	 */
	tokensCompatibleWith(bytes: Uint8Array): readonly number[];
}

/** @param tokens byte-level token texts with their ids, without tokens that stand for no text */
export function createVocabulary(tokens: Iterable<readonly [string, number]>): Vocabulary {
	const byteOf = new Uint8Array(LAST_OF_ALPHABET + 1);
	for (const [byte, character] of byteAlphabet().entries()) byteOf[character.charCodeAt(0)] = byte;
	const bytesById: Uint8Array[] = [];
	const sorted: { text: string; id: number }[] = [];
	for (const [token, id] of tokens) {
		const bytes = new Uint8Array(token.length);
		for (let i = 0; i < token.length; i++) bytes[i] = byteOf[token.charCodeAt(i)] ?? 0;
		bytesById[id] = bytes;
		sorted.push({ text: binaryString(bytes), id });
	}
	sorted.sort((a, b) => (a.text < b.text ? -1 : a.text > b.text ? 1 : a.id - b.id));
	const all = sorted.map(({ id }) => id);
	const none = new Uint8Array();

	/** Index of the first token that is not before `text`. */
	const lowerBound = (text: string): number => {
		let low = 0;
		let high = sorted.length;
		while (low < high) {
			const middle = (low + high) >> 1;
			if ((sorted[middle] as { text: string }).text < text) low = middle + 1;
			else high = middle;
		}
		return low;
	};

	return {
		tokenBytes: (id) => bytesById[id] ?? none,
		tokensCompatibleWith(bytes) {
			if (bytes.length === 0) return all;
			const text = binaryString(bytes);
			const ids: number[] = [];
			for (let length = 1; length < text.length; length++) {
				const beginning = text.slice(0, length);
				const found = sorted[lowerBound(beginning)];
				if (found?.text === beginning) ids.push(found.id);
			}
			for (let i = lowerBound(text); sorted[i]?.text.startsWith(text); i++) ids.push(all[i] as number);
			return ids;
		},
	};
}

/**
 * The printable character that byte-level BPE writes for each of the 256 bytes: the byte itself where Latin-1 prints it,
 * the next free character from U+0100 on where it does not.
 */
export function byteAlphabet(): string[] {
	let next = 0x100;
	return Array.from({ length: 256 }, (_, byte) => {
		const prints = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
		return String.fromCharCode(prints ? byte : next++);
	});
}

function binaryString(bytes: Uint8Array): string {
	return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}
