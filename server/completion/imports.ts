/**
 * What a text imports: names, and files of the workspace. By patterns of the common languages, without a resolver: enough to
 * rank names.
 */
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
	/\bimport\s+([^;'"]*?)\s*\bfrom\s*['"]/g,
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
 * Files of the workspace that the text imports, by the tail of the module's name: enough to rank names, no resolver.
 * Later imports come first, since they stand nearer to the code that is written now.
 */
export function importedFiles(prefix: string, path: string, paths: Iterable<string>): string[] {
	const head = prefix.slice(0, MAX_IMPORT_CHARS);
	const found: { at: number; key: string }[] = [];
	for (const pattern of MODULE_PATTERNS) {
		for (const match of head.matchAll(pattern)) {
			const key = moduleTail(match[1] as string);
			if (key) found.push({ at: match.index, key });
		}
	}
	if (found.length === 0) return [];
	const rank = new Map(found.sort((a, b) => a.at - b.at).map(({ key }, index) => [key, index]));
	const hits: { path: string; rank: number; near: number }[] = [];
	for (const candidate of paths) {
		if (candidate === path) continue;
		const order = rank.get(moduleTail(candidate) ?? '');
		if (order !== undefined) hits.push({ path: candidate, rank: order, near: commonFolders(candidate, path) });
	}
	hits.sort((a, b) => b.rank - a.rank || b.near - a.near);
	// Of several files with the imported name, the one whose folder is nearest.
	return hits.filter((hit, index) => hits[index - 1]?.rank !== hit.rank).map((hit) => hit.path);
}

const EXTENSIONS = new Set('js jsx ts tsx cjs cjsx mjs mjsx cts ctsx mts mtsx py go rs java rb php cs h hpp cc cpp'.split(' '));
/** Files that stand for their folder. */
const FOLDER_FILES = new Set(['index', '__init__', 'mod']);

/**
 * The last name of a module or path: `./store/types.js`, `pkg.store.types` and `src/store/types.ts` all end in the same one.
 * By hand, since every file of the workspace is asked for it at every renewed context.
 */
function moduleTail(module: string): string | undefined {
	const dot = module.lastIndexOf('.');
	let end = dot !== -1 && EXTENSIONS.has(module.slice(dot + 1)) ? dot : module.length;
	while (end > 0) {
		let start = end;
		while (start > 0 && !isSeparator(module.charCodeAt(start - 1))) start--;
		const name = module.slice(start, end);
		if (name !== '' && !FOLDER_FILES.has(name)) return name;
		end = start - 1;
	}
	return undefined;
}

/** One of `/`, `.` and `:`. */
function isSeparator(code: number): boolean {
	return code === 47 || code === 46 || code === 58;
}

function commonFolders(a: string, b: string): number {
	const x = a.split('/');
	const y = b.split('/');
	let n = 0;
	while (n < x.length - 1 && x[n] === y[n]) n++;
	return n;
}
