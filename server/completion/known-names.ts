/**
 * What ranking asks of the names of definitions, worked out once for each spelling: a completion ranks hundreds of names, and the
 * next one nearly the same.
 *
 * Guarantees: a worth is that of the present counts (`name-uses.ts`); memory is bounded. One folder's: counts and tokens are those of
 * one repository and one bundle.
 */
import { fnv1a } from '../base/numbers.ts';
import type { FileRecord } from '../store/types.ts';

/** The name of a definition, as a file has it. */
export interface KnownName {
	readonly bare: BareName;
	/** `b` of `a.b.c`: the class of a member; '' of a name without one. */
	readonly owner: string;
	/** Whether it is one of a class. */
	readonly isMember: boolean;
}

/** The last part of a name: one object for each spelling. What is undefined was not asked for yet. */
export interface BareName {
	readonly text: string;
	/** {@link fnv1a} of the text. */
	readonly hash: number;
	readonly parts: readonly number[];
	/** What it is worth by itself, and the version of the counts that say so. */
	worth: number;
	worthOf: number | undefined;
	tokens: number | undefined;
	/** The last ranking that came upon it, and what it found; of no meaning in another. */
	ranking: number;
	isMember: boolean;
	place: number;
	merit: number;
}

export interface KnownNames {
	/** Whether there is room for names that no ranking has asked for. */
	readonly hasRoom: boolean;
	/** Number of a new ranking, in which equal spellings are one object. The one before must have ended. */
	begin(): number;
	name(name: string): KnownName;
	/** {@link partsOf} a word. */
	partsOf(word: string): readonly number[];
	/** Those of a list that never changes. */
	names(list: readonly string[]): readonly KnownName[];
	/** Those of a file's definitions, in file order. */
	definitionsOf(record: FileRecord): readonly KnownName[];
}

/** Spellings that are kept from one ranking to the next, some 200 bytes each. */
const NAMES_KEPT = 10_000;
/** Of these, what may be kept before a ranking asks. */
const AHEAD_SHARE = 0.75;

export function createKnownNames(): KnownNames {
	const names = new Map<string, KnownName>();
	const bares = new Map<string, BareName>();
	let lists = new WeakMap<object, readonly KnownName[]>();
	let ranking = 0;

	const bareOf = (text: string): BareName => {
		const known = bares.get(text);
		if (known) return known;
		const facts = { hash: fnv1a(text), parts: partsOf(text), worth: 0, worthOf: undefined, tokens: undefined };
		const bare = { text, ...facts, ranking: 0, isMember: false, place: 0, merit: 0 };
		bares.set(text, bare);
		return bare;
	};
	const nameOf = (name: string): KnownName => {
		const known = names.get(name);
		if (known) return known;
		const bare = bareOf(lastPart(name));
		const made = { bare, owner: ownerOf(name), isMember: bare.text !== name };
		names.set(name, made);
		return made;
	};
	const listed = (key: object, list: () => readonly string[]): readonly KnownName[] => {
		const known = lists.get(key) ?? list().map(nameOf);
		lists.set(key, known);
		return known;
	};

	return {
		get hasRoom() {
			return names.size < NAMES_KEPT * AHEAD_SHARE;
		},
		begin() {
			if (names.size > NAMES_KEPT) {
				names.clear();
				bares.clear();
				lists = new WeakMap();
			}
			return ++ranking;
		},
		name: nameOf,
		partsOf: (word) => bares.get(word)?.parts ?? partsOf(word),
		names: (list) => listed(list, () => list),
		definitionsOf: (record) => listed(record, () => record.entities.map(({ name }) => name)),
	};
}

/** `c` of `a.b.c`. */
export function lastPart(name: string): string {
	return name.slice(name.lastIndexOf('.') + 1);
}

/** `b` of `a.b.c`: the class of a member; '' of a name without one. */
export function ownerOf(name: string): string {
	return lastPart(name.slice(0, Math.max(0, name.lastIndexOf('.'))));
}

/**
 * `parseJSONBody` and `parse_json_body` are made of the same parts; short ones say nothing. Parts are told apart by hashes of 30 bits,
 * which take no memory of their own.
 */
function partsOf(name: string): number[] {
	const parts: number[] = [];
	for (const part of name.match(/\p{Lu}?\p{Ll}{2,}|\p{Lu}{3,}/gu) ?? []) {
		const lower = part.toLowerCase();
		if (lower.length > 2) parts.push(fnv1a(lower) >>> 2);
	}
	return parts;
}
