/**
 * Whether the cursor stands in a comment, by the marks of the file's language outside of its strings.
 *
 * Deliberately lacks: a syntax tree, which a comment begun just now does not fit into. A mark that the scan takes for one by
 * mistake (in a regular expression) costs at most the rest of its line, or {@link LONGEST_COMMENT} characters.
 */

interface Marks {
	line?: RegExp;
	block?: readonly [open: string, close: string];
	/** Quotes of strings that may go over several lines; they come before the others. */
	longQuotes: readonly string[];
	quotes: string;
	/** What may stand before a mark, beside the start of the text. */
	before: RegExp;
}

const C: Marks = { line: /^\/\//, block: ['/*', '*/'], longQuotes: [], quotes: '"\'', before: /[\s({[,;}]/ };
const SCRIPT: Marks = { ...C, longQuotes: ['`'] };
const HASH: Marks = { line: /^#/, longQuotes: [], quotes: '"\'', before: /[\s;]/ };
const PYTHON: Marks = { ...HASH, longQuotes: ['"""', "'''"] };
const DASHES: Marks = { line: /^--/, longQuotes: [], quotes: '"\'', before: /[\s;)]/ };

const LANGUAGES: readonly (readonly [paths: RegExp, marks: Marks])[] = [
	[/\.(?:[cm]?[jt]sx?|go|dart|swift|kt|kts)$/i, SCRIPT],
	[/\.(?:java|rs|c|h|cc|cpp|cxx|hh|hpp|cs|php|scala|css|scss|less|proto)$/i, C],
	[/\.(?:py|pyi|pyw)$/i, PYTHON],
	[/(?:\.(?:rb|rake|sh|bash|zsh|ya?ml|toml|pl|r|jl|exs?|tf)|(?:^|\/)(?:dockerfile|makefile|gemfile|rakefile))$/i, HASH],
	[/\.(?:sql|lua|hs)$/i, DASHES],
];

/** Characters before the cursor that are read. */
const REACH = 100_000;
const LONGEST_COMMENT = 10_000;

/**
 * @param path of the document, for its language
 * @param prefix text before the cursor, with `\n` line ends
 */
export function isInComment(path: string, prefix: string): boolean {
	const marks = LANGUAGES.find(([paths]) => paths.test(path))?.[1];
	if (!marks) return false;
	const text = prefix.length > REACH ? prefix.slice(prefix.indexOf('\n', prefix.length - REACH) + 1) : prefix;
	for (let at = 0; at < text.length; ) {
		const end = pieceEnd(text, at, marks);
		if (end.comment && end.at > text.length) return true;
		at = end.at;
	}
	return false;
}

/** Where the comment, string or character that begins here ends, beyond the text when it is open there. */
function pieceEnd(text: string, at: number, { line, block, longQuotes, quotes, before }: Marks): { at: number; comment: boolean } {
	const beyond = text.length + 1;
	const until = (mark: string, from: number) => {
		const found = text.indexOf(mark, from);
		return found === -1 ? beyond : found + mark.length;
	};
	const character = text.charAt(at);
	const isMark = at === 0 || before.test(text.charAt(at - 1));
	if (isMark && block && text.startsWith(block[0], at)) {
		const end = until(block[1], at + block[0].length);
		if (Math.min(end, text.length) - at <= LONGEST_COMMENT) return { at: end, comment: true };
	}
	if (isMark && line?.test(text.slice(at, at + 2))) return { at: until('\n', at), comment: true };
	const long = longQuotes.find((quote) => text.startsWith(quote, at));
	if (long) return { at: until(long, at + long.length), comment: false };
	if (!quotes.includes(character)) return { at: at + 1, comment: false };
	let end = at + 1;
	while (end < text.length && text[end] !== character && text[end] !== '\n') end += text[end] === '\\' ? 2 : 1;
	return { at: end + 1, comment: false };
}
