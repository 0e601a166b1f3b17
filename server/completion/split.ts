/** The text of a request, cut at the cursor, with `\n` line ends whatever the document has. */

export interface Split {
	prefix: string;
	suffix: string;
	/** Line of the cursor up to it. */
	linePrefix: string;
	/** The line break to write at the cursor: that of the line before, or else of the cursor's own. */
	eol: string;
}

export function splitAt(text: string, offset: number): Split {
	const normalise = (part: string) => part.replaceAll(/\r\n?/g, '\n');
	const prefix = normalise(text.slice(0, offset));
	return {
		prefix,
		suffix: normalise(text.slice(offset)),
		linePrefix: prefix.slice(prefix.lastIndexOf('\n') + 1),
		eol: eolAt(text, offset),
	};
}

export function eolAt(text: string, offset: number): string {
	const before = Math.max(text.lastIndexOf('\n', offset - 1), text.lastIndexOf('\r', offset - 1));
	if (offset > 0 && before >= 0) return text[before] === '\r' ? '\r' : text[before - 1] === '\r' ? '\r\n' : '\n';
	return /\r\n?|\n/.exec(text.slice(offset))?.[0] ?? '\n';
}

/** Something other than closing punctuation stands right of the cursor: a suggestion there disturbs more than it helps. */
export function inMiddleOfLine({ suffix }: Pick<Split, 'suffix'>): boolean {
	const rest = (suffix.split('\n', 1)[0] ?? '').trim();
	return !/^[)>}\]"'`]*\s*[:{;,]?$/.test(rest);
}

export function countNewlines(text: string, end = text.length): number {
	let n = 0;
	for (let at = text.indexOf('\n'); at !== -1 && at < end; at = text.indexOf('\n', at + 1)) n++;
	return n;
}
