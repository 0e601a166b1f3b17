/**
 * What a text imports: names, and files of the workspace. By patterns of the common languages, without a resolver: enough to
 * rank names.
 */
import { moduleName } from '../retrieval/path-index.ts';

const MODULE_PATTERNS = [
	/\bfrom\s*['"]([^'"\n]+)['"]/g,
	/\b(?:import|require)\s*\(?\s*['"]([^'"\n]+)['"]/g,
	/^\s*from\s+([\w.]+)\s+import\b/gm,
	/^\s*import\s+([\w.]+)/gm,
	/^\s*#include\s+"([^"\n]+)"/gm,
	/^\s*use\s+([\w:]+)/gm,
];
const MAX_IMPORT_CHARS = 20_000;

/** Each captures the names of one statement. */
const NAME_PATTERNS = [
	/\bimport\s([^;'"]*?)\bfrom\s*['"]/g,
	/\b(?:const|let|var)\s+(\{[^}]*\}|[\w$]+)\s*=\s*require\s*\(/g,
	/^\s*from\s+[\w.]+\s+import\s+(\([^)]*\)|[^\n]*)/gm,
	/^\s*use\s+[\w:]+::(\{[^}]*\}|\w+)/gm,
	/^\s*import\s+(?:static\s+)?[\w.]+\.(\w+)\s*;/gm,
];
const KEYWORDS = new Set(['as', 'type', 'typeof', 'self']);

/** Names in the import statements of a text, those of later statements first: they stand nearer to the code that is written now. */
export function importedNames(text: string): string[] {
	const head = text.slice(0, MAX_IMPORT_CHARS);
	const statements = NAME_PATTERNS.flatMap((pattern) => [...head.matchAll(pattern)]).sort((a, b) => b.index - a.index);
	const names = statements.flatMap(([, names = '']) => names.match(/[\p{L}_$][\p{L}\p{N}_$]*/gu) ?? []);
	return [...new Set(names)].filter((name) => !KEYWORDS.has(name));
}

/**
 * Files of the workspace that the text imports, by the last name of the module: enough to rank names, no resolver.
 * Later imports come first, since they stand nearer to the code that is written now.
 * @param filesOf files of a module's name
 */
export function importedFiles(prefix: string, path: string, filesOf: (module: string) => Iterable<string>): string[] {
	const head = prefix.slice(0, MAX_IMPORT_CHARS);
	const found: { at: number; name: string }[] = [];
	for (const pattern of MODULE_PATTERNS) {
		for (const match of head.matchAll(pattern)) {
			const name = moduleName(match[1] as string);
			if (name) found.push({ at: match.index, name });
		}
	}
	const latestFirst = new Set(found.sort((a, b) => b.at - a.at).map(({ name }) => name));
	return [...latestFirst].flatMap((name) => nearest(path, filesOf(name)) ?? []);
}

/** Of several files with the imported name, the one whose folder is nearest. */
function nearest(path: string, files: Iterable<string>): string | undefined {
	let best: string | undefined;
	let most = -1;
	for (const file of files) {
		const near = commonFolders(file, path);
		if (file === path || near <= most) continue;
		best = file;
		most = near;
	}
	return best;
}

/** Folders from the first on that are the same. */
function commonFolders(a: string, b: string): number {
	let n = 0;
	for (let i = 0; i < a.length && a.charCodeAt(i) === b.charCodeAt(i); i++) if (a[i] === '/') n++;
	return n;
}
