/** Lines and offsets of a text, counted as LSP counts them: UTF-16 code units, zero-based; and what of a text outlives it. */
import type { Position } from 'hef-shared';

export class LineIndex {
	readonly #starts: number[] = [0];
	readonly #text: string;

	constructor(text: string) {
		this.#text = text;
		for (let i = 0; i < text.length; i++) {
			const c = text.charCodeAt(i);
			if (c === 10 || (c === 13 && text.charCodeAt(i + 1) !== 10)) this.#starts.push(i + 1);
		}
	}

	get lineCount(): number {
		return this.#starts.length;
	}

	/** Line that holds the offset. */
	lineAt(offset: number): number {
		let low = 0;
		let high = this.#starts.length - 1;
		while (low < high) {
			const middle = (low + high + 1) >> 1;
			if ((this.#starts[middle] as number) <= offset) low = middle;
			else high = middle - 1;
		}
		return low;
	}

	startOf(line: number): number {
		return this.#starts[line] ?? this.#text.length;
	}

	positionAt(offset: number): Position {
		const line = this.lineAt(offset);
		return { line, character: offset - this.startOf(line) };
	}

	/** Offset of a position, or undefined when the document has no such position. */
	offsetAt(position: Position): number | undefined {
		const { line, character } = position;
		if (line < 0 || character < 0 || line >= this.#starts.length) return undefined;
		const offset = this.startOf(line) + character;
		return offset <= this.#endOf(line) ? offset : undefined;
	}

	/** Where the line's break begins. */
	#endOf(line: number): number {
		const next = this.#starts[line + 1];
		if (next === undefined) return this.#text.length;
		return this.#text.startsWith('\r\n', next - 2) ? next - 2 : next - 1;
	}
}

/** The same text in memory of its own: a part as it comes is a view into the whole text, and kept it would keep all of that alive. */
export function ownCopy(part: string): string {
	return Buffer.from(part, 'utf16le').toString('utf16le');
}
