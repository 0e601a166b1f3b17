/**
 * Entity pre-parsing (HEF, "entity names"): qualified names of the repository's own definitions that the continuation may
 * need, in at most as many tokens as the bundle's layout allows.
 *
 * First the definitions of files that the open file imports, then those inside the retrieved nodes, best node first.
 * Names that stand in the prompt window are left out: the generator sees them anyway.
 */
import type { RetrievedNode } from 'hef-shared';
import type { Tokenizer } from '../inference/types.ts';
import type { FileRecord } from '../store/types.ts';

export interface EntityOptions {
	nodes: readonly RetrievedNode[];
	/** Text that the prompt holds already. */
	visible: string;
	/** The whole text before the cursor, which holds the imports. */
	prefix: string;
	/** Path of the open file. */
	path: string;
	files: { file(path: string): FileRecord | undefined; paths(): Iterable<string> };
	tokenizer: Tokenizer;
	/** Tokens for the joined names. */
	maxTokens: number;
	separator: string;
}

/** Most names of one file, so that one large file does not fill the budget. */
const MAX_PER_FILE = 12;

export function selectEntities(options: EntityOptions): string[] {
	const names: string[] = [];
	const seen = new Set<string>();
	const words = new Set(options.visible.match(/[\p{L}_$][\p{L}\p{N}_$]*/gu));
	let left = options.maxTokens;
	for (const name of candidates(options)) {
		const last = name.slice(name.lastIndexOf('.') + 1);
		if (seen.has(name) || words.has(last)) continue;
		seen.add(name);
		left -= options.tokenizer.count(options.separator + name);
		if (left < 0) break;
		names.push(name);
	}
	return names;
}

function* candidates({ nodes, prefix, path, files }: EntityOptions): Iterable<string> {
	for (const imported of importedFiles(prefix, path, files.paths())) {
		yield* (files.file(imported)?.entities ?? []).slice(0, MAX_PER_FILE).map((entity) => entity.name);
	}
	for (const node of nodes) {
		if (node.level !== 'chunk' && node.level !== 'file') continue;
		if (node.path === path) continue;
		const inside = (files.file(node.path)?.entities ?? []).filter((entity) => entity.line >= node.startLine && entity.line <= node.endLine);
		yield* inside.slice(0, MAX_PER_FILE).map((entity) => entity.name);
	}
}

const IMPORT_PATTERNS = [
	/\bfrom\s*['"]([^'"\n]+)['"]/g,
	/\b(?:import|require)\s*\(?\s*['"]([^'"\n]+)['"]/g,
	/^\s*from\s+([\w.]+)\s+import\b/gm,
	/^\s*import\s+([\w.]+)/gm,
	/^\s*#include\s+"([^"\n]+)"/gm,
	/^\s*use\s+([\w:]+)/gm,
];
const MAX_IMPORT_CHARS = 20_000;

/**
 * Files of the workspace that the text imports, by the tail of the module's name: enough to rank names, no resolver.
 * Later imports come first, since they stand nearer to the code that is written now.
 */
export function importedFiles(prefix: string, path: string, paths: Iterable<string>): string[] {
	const head = prefix.slice(0, MAX_IMPORT_CHARS);
	const found: { at: number; key: string }[] = [];
	for (const pattern of IMPORT_PATTERNS) {
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

/** `./store/types.js`, `pkg.store.types` and `src/store/types.ts` all end in the same two names. */
function moduleTail(module: string): string | undefined {
	const names = module
		.replace(/\.(?:[cm]?[jt]sx?|py|go|rs|java|rb|php|cs|h|hpp|cc|cpp)$/, '')
		.split(/[/.:]+/)
		.filter((name) => name !== '' && name !== 'index' && name !== '__init__' && name !== 'mod');
	return names.at(-1);
}

function commonFolders(a: string, b: string): number {
	const x = a.split('/');
	const y = b.split('/');
	let n = 0;
	while (n < x.length - 1 && x[n] === y[n]) n++;
	return n;
}
