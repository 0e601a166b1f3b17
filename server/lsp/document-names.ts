/**
 * What a document is called where a file's name decides about its language: one that was not saved yet, or has no ending, is
 * given that of its language. Deliberately lacks: languages whose files nothing tells apart anyway.
 */
import { extname } from 'node:path';

/** By the protocol's language ids. */
const ENDINGS: ReadonlyMap<string, string> = new Map(
	Object.entries({
		c: '.c',
		cpp: '.cpp',
		csharp: '.cs',
		css: '.css',
		dart: '.dart',
		go: '.go',
		java: '.java',
		javascript: '.js',
		javascriptreact: '.jsx',
		kotlin: '.kt',
		lua: '.lua',
		perl: '.pl',
		php: '.php',
		python: '.py',
		ruby: '.rb',
		rust: '.rs',
		scala: '.scala',
		shellscript: '.sh',
		sql: '.sql',
		swift: '.swift',
		toml: '.toml',
		typescript: '.ts',
		typescriptreact: '.tsx',
		yaml: '.yaml',
	}),
);

/** @param path of the document, as the session has it */
export function pathWithEnding(path: string, { uri, languageId }: { uri: string; languageId: string }): string {
	if (uri.startsWith('file:') && extname(path) !== '') return path;
	const ending = ENDINGS.get(languageId) ?? '';
	return path.endsWith(ending) ? path : path + ending;
}
