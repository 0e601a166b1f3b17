/**
 * Whether the cursor stands in a comment, by the marks of the file's language outside of its strings.
 *
 * Deliberately lacks: a syntax tree, which a comment begun just now does not fit into. A mark that the scan takes for one by
 * mistake (in a regular expression) costs at most the rest of its line, or {@link LONGEST_COMMENT} characters.
 */
import { LRUCache } from 'lru-cache';

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

/** Documents whose last scan is remembered. */
const DOCUMENTS = 8;

/**
 * @param path of the document, for its language
 * @param prefix text before the cursor, with `\n` line ends
 */
export type CommentDetector = (path: string, prefix: string) => boolean;

/** Goes on where its last scan of a document ended for good: a keystroke adds a character to a text that was read. */
export function createCommentDetector(): CommentDetector {
	const read = new LRUCache<string, string>({ max: DOCUMENTS });

	return (path, prefix) => {
		const marks = LANGUAGES.find(([paths]) => paths.test(path))?.[1];
		if (!marks) return false;
		const text = prefix.length > REACH ? prefix.slice(prefix.indexOf('\n', prefix.length - REACH) + 1) : prefix;
		const known = read.get(path);
		let ended = known !== undefined && text.startsWith(known) ? known.length : 0;
		let open = false;
		for (let at = ended; at < text.length && !open; ) {
			const end = pieceEnd(text, at, marks);
			open = end.comment && end.at > text.length;
			at = end.at;
			// What ends with the text may go on.
			if (at < text.length) ended = at;
		}
		read.set(path, text.slice(0, ended));
		return open;
	};
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
