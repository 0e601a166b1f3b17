/**
 * Entity pre-parsing (HEF, "entity names"): names of the repository that the continuation may need, in at most as many tokens
 * as the bundle's layout allows.
 *
 * First the names that the open file imports, then definitions by a score: where they stand (members of imported classes and of
 * classes that the prompt names, other definitions of imported files, the retrieved nodes, the same directory, anywhere), how many
 * files use the name and how few define it, and how much it resembles the words near the cursor. Behind a dot, members and fields
 * come first. Names that stand in the prompt window are left out: the generator sees them anyway. Bare names, because twice as many
 * of them fit (measured: models/training/LOG.md). Training ranks alike (models/training/hef_training/entities.py), and a golden file
 * that both read says so.
 */
import type { RetrievedNode } from 'hef-shared';
import type { Tokenizer } from '../inference/types.ts';
import type { WorkspaceView } from '../retrieval/view.ts';
import { importedFiles, importedNames } from './imports.ts';
import { lastPart, type NameUses, ownerOf } from './name-uses.ts';

export interface EntityOptions {
	nodes: readonly RetrievedNode[];
	/** Text that the prompt holds already. */
	visible: string;
	/** The whole text before the cursor, which holds the imports. */
	prefix: string;
	/** Path of the open file. */
	path: string;
	files: Pick<WorkspaceView, 'file' | 'filesOfModule' | 'filesBeside'>;
	/** How often the repository uses names; without, all count alike. */
	names?: Pick<NameUses, 'uses' | 'definers' | 'common' | 'membersOf'> | undefined;
	tokenizer: Pick<Tokenizer, 'count'>;
	/** Tokens for the joined names. */
	maxTokens: number;
	separator: string;
}

/**
 * What a definition's place is worth. Of the files that use its name and of those that define it the natural logarithm counts, for
 * and against it; likeness counts at most 1.
 */
const PLACE = { member: 1.2, named: 1, imported: 0.8, retrieved: 0.6, nearby: 0.3, anywhere: 0 };
const USES = 0.3;
const DEFINERS = 0.2;
/** Most definitions of one file, and of one retrieved node, and most files of the same directory. */
const MAX_PER_FILE = 200;
const MAX_PER_NODE = 12;
const MAX_NEARBY_FILES = 64;
/** Characters before the cursor whose words a name may resemble. */
const NEAR_CHARS = 700;
/** The cursor stands where a member is written: `a.`, `s3.na`, `a?.na`, `a->`, `A::`; no spread and no number. */
const MEMBER_ACCESS = /(?:(?:^|[^.\p{L}\p{N}_$]|(?<![\p{L}\p{N}_$])[\p{L}_$][\p{L}\p{N}_$]*)\.|->|::)[\p{L}\p{N}_$]*$/u;
const WORD = /[\p{L}_$][\p{L}\p{N}_$]*/gu;

export function selectEntities(options: EntityOptions): string[] {
	const names: string[] = [];
	const shown = new Set(options.visible.match(WORD));
	const imported = importedNames(options.prefix).filter((name) => !shown.has(name));
	const candidates = ranked(options, shown, imported);
	const members = MEMBER_ACCESS.test(options.prefix.slice(-NEAR_CHARS)) ? candidates.filter(({ isMember }) => isMember) : [];
	let left = options.maxTokens;
	for (const name of new Set([...members.map(nameOf), ...imported, ...candidates.map(nameOf)])) {
		left -= options.tokenizer.count(options.separator + name);
		if (left < 0) break;
		names.push(name);
	}
	return names;
}

/** Definitions that the prompt does not show, best first. */
function ranked(options: EntityOptions, shown: ReadonlySet<string>, imported: readonly string[]): Ranked[] {
	const { names } = options;
	const likeness = likenessTo(options.prefix.slice(-NEAR_CHARS));
	// What a name is worth by itself is found once, however many files define it.
	const found = new Map<string, Ranked>();
	for (const { name, place } of candidates(options, shown, imported)) {
		const bare = lastPart(name);
		if (shown.has(bare)) continue;
		const known = found.get(bare);
		if (known) {
			known.isMember ||= name !== bare;
			known.place = Math.max(known.place, PLACE[place]);
			continue;
		}
		const merit = USES * logOf(names?.uses(bare)) - DEFINERS * logOf(names?.definers(bare)) + likeness(bare);
		found.set(bare, { name: bare, isMember: name !== bare, place: PLACE[place], merit });
	}
	return [...found.values()].sort((a, b) => b.place + b.merit - a.place - a.merit);
}

interface Ranked {
	name: string;
	/** A class has a member or a field of that name. */
	isMember: boolean;
	/** What its best place is worth. */
	place: number;
	/** What the name itself is worth. */
	merit: number;
}

function logOf(count = 1): number {
	return Math.log(Math.max(1, count));
}

function nameOf({ name }: Ranked): string {
	return name;
}

interface Candidate {
	name: string;
	place: keyof typeof PLACE;
}

function* candidates(
	{ nodes, prefix, path, files, names }: EntityOptions,
	shown: ReadonlySet<string>,
	imported: readonly string[],
): Iterable<Candidate> {
	const known = new Set([...shown, ...imported]);
	const definitions = (of: string) => files.file(of)?.entities ?? [];
	for (const file of importedFiles(prefix, path, (module) => files.filesOfModule(module))) {
		for (const { name } of definitions(file).slice(0, MAX_PER_FILE))
			yield { name, place: known.has(ownerOf(name)) ? 'member' : 'imported' };
	}
	for (const owner of names ? shown : []) {
		let left = MAX_PER_FILE;
		for (const name of names?.membersOf(owner, path) ?? []) {
			if (left-- === 0) break;
			yield { name, place: 'named' };
		}
	}
	for (const node of nodes) {
		if ((node.level !== 'chunk' && node.level !== 'file') || node.path === path) continue;
		const inside = definitions(node.path).filter(({ line }) => line >= node.startLine && line <= node.endLine);
		for (const { name } of inside.slice(0, MAX_PER_NODE)) yield { name, place: 'retrieved' };
	}
	for (const neighbour of neighbours(path, files.filesBeside(path))) {
		for (const { name } of definitions(neighbour).slice(0, MAX_PER_FILE)) yield { name, place: 'nearby' };
	}
	for (const name of names?.common() ?? []) yield { name, place: 'anywhere' };
}

function* neighbours(path: string, files: Iterable<string>): Iterable<string> {
	let left = MAX_NEARBY_FILES;
	for (const other of files) {
		if (other === path) continue;
		yield other;
		if (--left === 0) return;
	}
}

/** How much a name resembles the words of a text, the last ones most: 0–1. Names are compared by their parts. */
function likenessTo(text: string): (name: string) => number {
	const words = text.match(WORD) ?? [];
	const nearness = new Map<string, number>();
	for (const [i, word] of words.entries()) for (const part of partsOf(word)) nearness.set(part, (i + 1) / words.length);
	return (name) => {
		const parts = partsOf(name);
		return parts.reduce((sum, part) => sum + (nearness.get(part) ?? 0), 0) / (parts.length + 0.5);
	};
}

/** `parseJSONBody` and `parse_json_body` are made of the same parts; short ones say nothing. */
function partsOf(name: string): string[] {
	return (name.match(/\p{Lu}?\p{Ll}{2,}|\p{Lu}{3,}/gu) ?? []).map((part) => part.toLowerCase()).filter((part) => part.length > 2);
}
