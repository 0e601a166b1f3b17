/**
 * Tree-sitter behind a small interface: the only module that imports `web-tree-sitter`. Grammars come prebuilt from
 * `@vscode/tree-sitter-wasm`; each is loaded once, when the first file in its language arrives.
 *
 * Guarantees: trees are freed; work on hostile text is bounded, by a count of parser steps and not by time, so that equal
 * text is cut equally on every machine. Throws when a grammar gives up; the caller has a fallback.
 */
import { createRequire } from 'node:module';
import { Language, type Node, Parser, Query } from 'web-tree-sitter';
import type { Language as LanguageEntry } from './languages.ts';

/** What the chunker reads of a syntax node. Offsets are UTF-16. */
export interface SyntaxNode {
	readonly type: string;
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
	parse<T>(language: LanguageEntry, text: string, use: (file: ParsedFile) => T): Promise<T>;
}

interface LoadedGrammar {
	parser: Parser;
	query: Query;
}

/** Parser callbacks (one per some hundred steps) beside those that the length of the text allows. Real files need far fewer. */
const SPARE_STEPS = 20_000;

export function createGrammars(): Grammars {
	const require = createRequire(import.meta.url);
	const loaded = new Map<string, Promise<LoadedGrammar>>();

	const open = async (language: LanguageEntry): Promise<LoadedGrammar> => {
		await Parser.init();
		const grammar = await Language.load(require.resolve(`@vscode/tree-sitter-wasm/wasm/${language.grammarFile}`));
		const parser = new Parser();
		parser.setLanguage(grammar);
		return { parser, query: new Query(grammar, language.definitionQuery) };
	};

	const load = (language: LanguageEntry): Promise<LoadedGrammar> => {
		const grammar = loaded.get(language.id) ?? open(language);
		loaded.set(language.id, grammar);
		return grammar;
	};

	return {
		async parse(language, text, use) {
			const { parser, query } = await load(language);
			let steps = SPARE_STEPS + text.length;
			const outOfSteps = () => --steps < 0;
			const tree = parser.parse(text, null, { progressCallback: outOfSteps });
			if (!tree) {
				parser.reset();
				throw new Error(`the ${language.id} grammar gave up`);
			}
			try {
				const matches = query.matches(tree.rootNode, { progressCallback: outOfSteps });
				return use({ root: tree.rootNode satisfies Node, matches: matches.map((match) => match.captures) });
			} finally {
				tree.delete();
			}
		},
	};
}
