/** The text of a request, cut at the cursor, with `\n` line ends whatever the document has. */

export interface Split {
	prefix: string;
	suffix: string;
	/** Line of the cursor up to it. */
	linePrefix: string;
	crlf: boolean;
}

export function splitAt(text: string, offset: number): Split {
	const normalise = (part: string) => part.replaceAll('\r\n', '\n');
	const prefix = normalise(text.slice(0, offset));
	return {
		prefix,
		suffix: normalise(text.slice(offset)),
		linePrefix: prefix.slice(prefix.lastIndexOf('\n') + 1),
		crlf: text.includes('\r\n'),
	};
}

/** Something other than closing punctuation stands right of the cursor: a suggestion there disturbs more than it helps. */
export function inMiddleOfLine({ suffix }: Pick<Split, 'suffix'>): boolean {
	const rest = suffix.split('\n', 1)[0] ?? '';
	return !/^\s*[)>}\]"'`]*\s*[:{;,]?\s*$/.test(rest);
}

export function countNewlines(text: string, end = text.length): number {
	let n = 0;
	for (let at = text.indexOf('\n'); at !== -1 && at < end; at = text.indexOf('\n', at + 1)) n++;
	return n;
}
