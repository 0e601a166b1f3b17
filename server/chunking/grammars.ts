/**
 * Tree-sitter behind a small interface: the only module that loads `web-tree-sitter`. Grammars come prebuilt from
 * `@vscode/tree-sitter-wasm`; each is loaded once, when the first file in its language arrives.
 *
 * Guarantees: trees are freed; a file that a grammar does not master throws and harms no other file. Work is bounded by a
 * count of parser steps, so that equal text is treated equally on every machine, and by a time that only hostile text takes.
 * Such text inflates the memory of the WebAssembly instance that all grammars share, up to its abort, and that memory never
 * shrinks: after a failure the next file gets a new instance.
 */
import { createRequire } from 'node:module';
import type { Node, Parser, Query } from 'web-tree-sitter';
import type { Language } from './languages.ts';

/** What the chunker reads of a syntax node. Offsets are UTF-16. */
export interface SyntaxNode {
	readonly type: string;
	/** Comments and the like, which may stand anywhere. */
	readonly isExtra: boolean;
	readonly startIndex: number;
	readonly endIndex: number;
	readonly children: readonly (SyntaxNode | null)[];
}

export interface Capture {
	name: string;
	node: SyntaxNode;
}

export interface ParsedFile {
	root: SyntaxNode;
	/** Captures of each match of the language's definition query. */
	matches: Capture[][];
}

export interface Grammars {
	/** Parses, and frees the tree when `use` returns. Throws when the grammar cannot be loaded or gives up. */
	parse<T>(language: Language, text: string, use: (file: ParsedFile) => T): Promise<T>;
	/**
	 * Parses without looking for definitions, at once: for short texts that somebody waits for. Undefined while the grammar is
	 * being loaded, which the first call begins, and for a text that the grammar does not master.
	 */
	parseNow<T>(language: Language, text: string, use: (root: SyntaxNode) => T): T | undefined;
}

type Runtime = typeof import('web-tree-sitter');

interface Grammar {
	parser: Parser;
	query: Query;
}

/** Real files take less than 0.02 steps a character. */
const STEPS_PER_CHAR = 0.1;
const SPARE_STEPS = 1000;
/** Real files take less than 0.3 ms a thousand characters. */
const MS_PER_CHAR = 0.003;
const SPARE_MS = 5000;

export function createGrammars(): Grammars {
	const { resolve } = createRequire(import.meta.url);
	let runtime: Promise<Runtime> | undefined;
	let grammars = new Map<string, Promise<Grammar>>();
	let loaded = new Map<string, Grammar>();

	/** An instance of its own: `web-tree-sitter` keeps one per loaded module, and `require` remembers what it loaded. */
	const startRuntime = async (): Promise<Runtime> => {
		const require = createRequire(import.meta.url);
		const path = resolve('web-tree-sitter');
		const started = require(path) as Runtime;
		delete require.cache[path];
		// What it prints must not get between the messages on stdout.
		await started.Parser.init({ print() {}, printErr() {} });
		return started;
	};

	const open = async (language: Language): Promise<Grammar> => {
		runtime ??= startRuntime();
		const { Language: Loader, Parser, Query } = await runtime;
		const grammar = await Loader.load(resolve(`@vscode/tree-sitter-wasm/wasm/${language.grammarFile}`));
		const parser = new Parser();
		parser.setLanguage(grammar);
		const opened = { parser, query: new Query(grammar, language.definitionQuery) };
		loaded.set(language.id, opened);
		return opened;
	};

	const load = (language: Language): Promise<Grammar> => {
		const grammar = grammars.get(language.id) ?? open(language);
		grammars.set(language.id, grammar);
		return grammar;
	};

	const startAnew = () => {
		runtime = undefined;
		grammars = new Map();
		loaded = new Map();
	};

	return {
		async parse(language, text, use) {
			try {
				return parseWith(await load(language), text, use);
			} catch (error) {
				startAnew();
				throw error;
			}
		},
		parseNow(language, text, use) {
			const grammar = loaded.get(language.id);
			if (!grammar) {
				load(language).catch(startAnew);
				return undefined;
			}
			try {
				return withTree(grammar, text, (root) => use(root));
			} catch {
				startAnew();
				return undefined;
			}
		},
	};
}

function parseWith<T>(grammar: Grammar, text: string, use: (file: ParsedFile) => T): T {
	return withTree(grammar, text, (root, isOver) => {
		const matches = grammar.query.matches(root, { progressCallback: isOver }).map(({ captures }) => captures);
		if (isOver()) throw new Error('its definitions take too long to find');
		return use({ root, matches });
	});
}

function withTree<T>({ parser }: Grammar, text: string, use: (root: Node, isOver: () => boolean) => T): T {
	let steps = SPARE_STEPS + text.length * STEPS_PER_CHAR;
	const deadline = performance.now() + SPARE_MS + text.length * MS_PER_CHAR;
	const isOver = (): boolean => --steps < 0 || performance.now() > deadline;
	const tree = parser.parse(text, null, { progressCallback: isOver });
	if (!tree) throw new Error('its syntax takes too long to parse');
	try {
		return use(tree.rootNode, isOver);
	} finally {
		tree.delete();
	}
}
