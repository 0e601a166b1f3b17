/**
 * How many files of a repository use a name, and which of its definitions are used most: what ranks entities.
 *
 * Guarantees: a file that changed replaces what it counted for; memory is bounded by the file limit (some 500 bytes a file).
 * Deliberately lacks: scopes. A name is its spelling, counted by a 32-bit hash.
 */

export interface NameUses {
	/** Counts a file's words in place of those it had. Without a text the file is forgotten. */
	put(path: string, text: string | undefined, definitions?: readonly string[]): void;
	/** Files that use the name. */
	uses(name: string): number;
	/** The definitions of the repository that most files use, most used first, at most {@link COMMON}. */
	common(): readonly string[];
}

const MAX_FILES = 20_000;
const MAX_CHARS = 200_000;
const COMMON = 256;
/** The list of common names is made anew once this share of the files changed. */
const STALE_SHARE = 0.1;

interface CountedFile {
	words: Uint32Array;
	definitions: readonly string[];
}

export function createNameUses(): NameUses {
	const files = new Map<string, CountedFile>();
	const counts = new Map<number, number>();
	let common: readonly string[] = [];
	let changed = 0;

	const count = ({ words }: CountedFile, change: 1 | -1) => {
		for (const word of words) {
			const now = (counts.get(word) ?? 0) + change;
			if (now > 0) counts.set(word, now);
			else counts.delete(word);
		}
	};
	const uses = (name: string) => counts.get(hashOf(name)) ?? 0;

	return {
		put(path, text, definitions = []) {
			const before = files.get(path);
			if (before) count(before, -1);
			files.delete(path);
			changed++;
			if (text === undefined || files.size >= MAX_FILES) return;
			const words = new Set(text.slice(0, MAX_CHARS).match(/[\p{L}_$][\p{L}\p{N}_$]+/gu));
			const file = { words: Uint32Array.from(words, hashOf), definitions };
			files.set(path, file);
			count(file, 1);
		},
		uses,
		common() {
			if (changed > files.size * STALE_SHARE || (common.length === 0 && changed > 0)) {
				const defined = new Set<string>();
				for (const { definitions } of files.values()) for (const name of definitions) defined.add(name.slice(name.lastIndexOf('.') + 1));
				const ranked = [...defined].map((name) => ({ name, files: uses(name) })).sort((a, b) => b.files - a.files);
				common = ranked.slice(0, COMMON).map(({ name }) => name);
				changed = 0;
			}
			return common;
		},
	};
}

/** FNV-1a over UTF-16 units. */
function hashOf(name: string): number {
	let hash = 0x811c9dc5;
	for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
	return hash >>> 0;
}
