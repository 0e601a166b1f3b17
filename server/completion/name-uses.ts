/**
 * How many files of a repository use a name, which of its definitions are used most, and what the members of a class are: what
 * ranks entities.
 *
 * Guarantees: a file that changed replaces what it counted for; memory is bounded by the file limit (some 500 bytes a file).
 * Deliberately lacks: scopes. A name is its spelling, counted by a 32-bit hash.
 */
import { fnv1a } from '../base/numbers.ts';
import { type BareName, createKnownNames, type KnownNames, lastPart, ownerOf } from './known-names.ts';

export interface NameUses {
	/** Grows whenever counts may have changed. */
	readonly version: number;
	/**
	 * Counts a file's words in place of those it had. Without a text the file is forgotten.
	 * @param lines of the definitions, zero-based
	 */
	put(path: string, text: string | undefined, definitions?: readonly string[], lines?: readonly number[]): void;
	/** Files that use the name. */
	uses(name: string | BareName): number;
	/** Files that define the name. */
	definers(name: string | BareName): number;
	/** The definitions that a file was put with, and their lines where it was told; undefined of a file that was not put. */
	definitionsOf(path: string): { readonly definitions: readonly string[]; readonly lines?: Uint32Array | undefined } | undefined;
	/** What ranking asks of names; of those that were put, worked out before it asks. */
	readonly known: KnownNames;
	/** Members and fields of all classes of that name, but those in one file. */
	membersOf(owner: string, except: string): Iterable<string>;
	/**
	 * The definitions of the repository that most files use, most used first, at most {@link COMMON}; each bare name once, with its
	 * class where it has one.
	 */
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
	lines: Uint32Array | undefined;
}

export function createNameUses(): NameUses {
	const files = new Map<string, CountedFile>();
	const counts = new Map<number, number>();
	const defined = new Map<number, number>();
	/** Files that define members of a class, by the class's name. */
	const owners = new Map<string, Set<string>>();
	const known = createKnownNames();
	let common: readonly string[] = [];
	let changed = 0;
	let version = 0;

	const count = ({ words, definitions }: CountedFile, change: 1 | -1) => {
		for (const word of words) add(counts, word, change);
		for (const name of new Set(definitions.map(lastPart))) add(defined, fnv1a(name), change);
	};
	const own = (path: string, { definitions }: CountedFile) => {
		for (const owner of new Set(definitions.map(ownerOf))) {
			const paths = owners.get(owner);
			if (paths) paths.add(path);
			else if (owner !== '') owners.set(owner, new Set([path]));
		}
	};
	const disown = (path: string, { definitions }: CountedFile) => {
		for (const owner of new Set(definitions.map(ownerOf))) {
			const paths = owners.get(owner);
			paths?.delete(path);
			if (paths?.size === 0) owners.delete(owner);
		}
	};
	const uses = (name: string | BareName) => counts.get(keyOf(name)) ?? 0;

	return {
		known,
		get version() {
			return version;
		},
		put(path, text, definitions = [], lines) {
			const before = files.get(path);
			if (before) {
				count(before, -1);
				disown(path, before);
			}
			files.delete(path);
			changed++;
			version++;
			if (text === undefined || files.size >= MAX_FILES) return;
			const words = new Set(text.slice(0, MAX_CHARS).match(/[\p{L}_$][\p{L}\p{N}_$]+/gu));
			const file = { words: Uint32Array.from(words, fnv1a), definitions, lines: lines && Uint32Array.from(lines) };
			files.set(path, file);
			count(file, 1);
			own(path, file);
			if (known.hasRoom) known.names(definitions);
		},
		uses,
		definers: (name) => defined.get(keyOf(name)) ?? 0,
		definitionsOf: (path) => files.get(path),
		*membersOf(owner, except) {
			for (const path of owners.get(owner) ?? []) {
				if (path === except) continue;
				for (const name of files.get(path)?.definitions ?? []) if (ownerOf(name) === owner) yield name;
			}
		},
		common() {
			if (changed > files.size * STALE_SHARE || (common.length === 0 && changed > 0)) {
				const names = new Map<string, string>();
				for (const { definitions } of files.values()) {
					for (const name of definitions) if (ownerOf(name) !== '' || !names.has(lastPart(name))) names.set(lastPart(name), name);
				}
				const ranked = [...names]
					.map(([bare, name]) => ({ bare, name, files: uses(bare) }))
					.sort((a, b) => b.files - a.files || (a.bare < b.bare ? -1 : 1));
				common = ranked.slice(0, COMMON).map(({ name }) => name);
				changed = 0;
			}
			return common;
		},
	};
}

function add(counts: Map<number, number>, key: number, change: 1 | -1): void {
	const now = (counts.get(key) ?? 0) + change;
	if (now > 0) counts.set(key, now);
	else counts.delete(key);
}

function keyOf(name: string | BareName): number {
	return typeof name === 'string' ? fnv1a(name) : name.hash;
}
