/**
 * Where a suggestion ends: at the end of the line, or at the end of the block.
 *
 * A rule looks at the text generated so far and answers the length to keep, or undefined to go on.
 */

export type StopRule = (text: string) => number | undefined;

const MAX_BLOCK_LINES = 12;

/** Ends before the first line break. */
export const endOfLine: StopRule = (text) => {
	const newline = text.indexOf('\n');
	return newline === -1 ? undefined : newline;
};

/** Ends before the first line break behind something visible. */
export const endOfFirstLine: StopRule = (text) => {
	const newline = text.indexOf('\n', text.search(/\S|$/));
	return newline === -1 ? undefined : newline;
};

/**
 * Ends where a line is indented less than the block, after a closing line at the block's own indentation, or at an empty
 * line that follows one of the block's statements.
 * @param linePrefix text of the cursor's line up to the cursor
 */
export function endOfBlock(linePrefix: string): StopRule {
	const base = indentationOf(linePrefix);
	return (text) => {
		const lines = text.split('\n');
		// The last line is not complete yet, so nothing is decided about it.
		let length = lines[0]?.length ?? 0;
		for (let i = 1; i < lines.length - 1; i++) {
			const line = lines[i] as string;
			if (line.trim() === '' || i >= MAX_BLOCK_LINES) return length;
			const indentation = indentationOf(line);
			if (indentation < base) return length;
			if (indentation === base) return /^\s*[)\]}]/.test(line) ? length + 1 + line.length : length;
			length += 1 + line.length;
		}
		return undefined;
	};
}

/** Columns of leading white space; a tab counts as four. */
export function indentationOf(line: string): number {
	let columns = 0;
	for (const character of line) {
		if (character === ' ') columns++;
		else if (character === '\t') columns += 4;
		else break;
	}
	return columns;
}
