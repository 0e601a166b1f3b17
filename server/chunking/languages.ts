/**
 * Which grammar cuts a file, by the file's name. A language is a grammar file and the query that finds its definitions.
 *
 * Deliberately lacks: any look at the text. A `.h` file is C++ (a grammar that reads C), and a file without a known name
 * has no grammar.
 */
import { cpp, csharp, go, java, javascript, php, python, ruby, rust, typescript } from './definition-queries.ts';

export interface Language {
	/** Unique; also what a parser is kept under. */
	readonly id: string;
	/** File in `@vscode/tree-sitter-wasm/wasm`. */
	readonly grammarFile: string;
	/** Tree-sitter query with the captures that `definition-queries.ts` describes. */
	readonly definitionQuery: string;
}

const language = (id: string, definitionQuery: string): Language => ({ id, grammarFile: `tree-sitter-${id}.wasm`, definitionQuery });

const LANGUAGES: readonly (readonly [language: Language, names: string])[] = [
	[language('typescript', typescript), '.ts .mts .cts'],
	[language('tsx', typescript), '.tsx'],
	[language('javascript', javascript), '.js .jsx .mjs .cjs'],
	[language('python', python), '.py .pyi .pyw'],
	[language('java', java), '.java'],
	[language('go', go), '.go'],
	[language('rust', rust), '.rs'],
	[language('cpp', cpp), '.c .h .cc .cpp .cxx .hh .hpp .hxx .inl .ipp'],
	[language('c-sharp', csharp), '.cs'],
	[language('ruby', ruby), '.rb .rake .gemspec rakefile gemfile'],
	[language('php', php), '.php'],
];

/** Ids of all languages that have a grammar. */
export const LANGUAGE_IDS: readonly string[] = LANGUAGES.map(([{ id }]) => id);

const BY_NAME: ReadonlyMap<string, Language> = new Map(
	LANGUAGES.flatMap(([value, names]) => names.split(' ').map((name) => [name, value])),
);

/** Language of a path, or undefined when no grammar knows it. */
export function languageOf(path: string): Language | undefined {
	const name = path.slice(path.lastIndexOf('/') + 1).toLowerCase();
	const dot = name.lastIndexOf('.');
	return BY_NAME.get(dot < 0 ? name : name.slice(dot));
}
