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
import { type BareName, createKnownNames, type KnownName, type KnownNames } from './known-names.ts';
import type { NameUses } from './name-uses.ts';

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
	names?: Pick<NameUses, 'version' | 'uses' | 'definers' | 'common' | 'definitionsOf' | 'membersOf'> | undefined;
	/** Kept from one call to the next with the same names, tokenizer and separator, saves most of the work. */
	known?: KnownNames | undefined;
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
const NO_NAMES: readonly string[] = [];
const WORD = /[\p{L}_$][\p{L}\p{N}_$]*/gu;

export function selectEntities(options: EntityOptions): string[] {
	const { tokenizer, separator, known = createKnownNames() } = options;
	const names: string[] = [];
	const shown = new Set(options.visible.match(WORD));
	const imported = importedNames(options.prefix).filter((name) => !shown.has(name));
	const candidates = ranked({ ...options, known }, shown, imported);
	const isMemberWanted = MEMBER_ACCESS.test(options.prefix.slice(-NEAR_CHARS));
	let left = options.maxTokens;
	for (const bare of inOrder(candidates, imported, isMemberWanted, known)) {
		bare.tokens ??= tokenizer.count(separator + bare.text);
		left -= bare.tokens;
		if (left < 0) break;
		names.push(bare.text);
	}
	return names;
}

/** Each name once; as far as the caller goes. */
function* inOrder(
	candidates: readonly BareName[],
	imported: readonly string[],
	isMemberWanted: boolean,
	known: KnownNames,
): Iterable<BareName> {
	const told = new Set<BareName>();
	const isNew = (bare: BareName) => !told.has(bare) && told.add(bare);
	if (isMemberWanted) for (const bare of candidates) if (bare.isMember && isNew(bare)) yield bare;
	for (const name of imported) {
		const { bare } = known.name(name);
		if (isNew(bare)) yield bare;
	}
	for (const bare of candidates) if (isNew(bare)) yield bare;
}

/** Definitions that the prompt does not show, best first. */
function ranked(options: EntityOptions & { known: KnownNames }, shown: ReadonlySet<string>, imported: readonly string[]): BareName[] {
	const likeness = likenessTo(options.prefix.slice(-NEAR_CHARS), options.known);
	const ranking = options.known.begin();
	const found: BareName[] = [];
	offerCandidates(options, shown, imported, ({ bare, isMember }, place) => {
		if (bare.ranking === ranking) {
			bare.isMember ||= isMember;
			bare.place = Math.max(bare.place, PLACE[place]);
			return;
		}
		bare.ranking = ranking;
		bare.isMember = isMember;
		bare.place = PLACE[place];
		if (shown.has(bare.text)) return;
		// What a name is worth by itself is found once, however many files define it.
		bare.merit = worthOf(bare, options.names) + likeness(bare);
		found.push(bare);
	});
	return found.sort((a, b) => b.place + b.merit - a.place - a.merit);
}

/** By the files that use the name, and those that define it. */
function worthOf(bare: BareName, names: EntityOptions['names']): number {
	if (!names) return 0;
	if (bare.worthOf !== names.version) {
		bare.worth = USES * logOf(names.uses(bare)) - DEFINERS * logOf(names.definers(bare));
		bare.worthOf = names.version;
	}
	return bare.worth;
}

function logOf(count: number): number {
	return Math.log(Math.max(1, count));
}

type Offer = (name: KnownName, place: keyof typeof PLACE) => void;

function offerCandidates(
	{ nodes, prefix, path, files, names, known }: EntityOptions & { known: KnownNames },
	shown: ReadonlySet<string>,
	imported: readonly string[],
	offer: Offer,
): void {
	const inPrompt = new Set([...shown, ...imported]);
	/** A record takes a hundred times as long: the store has to be read for it. */
	const definitions = (of: string): readonly KnownName[] => {
		const listed = names?.definitionsOf(of)?.definitions;
		if (listed) return known.names(listed);
		const record = files.file(of);
		return record ? known.definitionsOf(record) : [];
	};
	const linesOf = (of: string): ArrayLike<number> =>
		names?.definitionsOf(of)?.lines ?? files.file(of)?.entities.map(({ line }) => line) ?? [];
	const offerFile = (of: string, placeOf: (name: KnownName) => keyof typeof PLACE) => {
		const defined = definitions(of);
		for (let i = 0; i < Math.min(defined.length, MAX_PER_FILE); i++) {
			const name = defined[i] as KnownName;
			offer(name, placeOf(name));
		}
	};
	const offerInside = ({ path: of, startLine, endLine }: RetrievedNode) => {
		const [defined, lines] = [definitions(of), linesOf(of)];
		let left = MAX_PER_NODE;
		for (let i = 0; i < defined.length && left > 0; i++) {
			const line = lines[i] as number;
			if (line < startLine || line > endLine) continue;
			offer(defined[i] as KnownName, 'retrieved');
			left--;
		}
	};
	for (const file of importedFiles(prefix, path, (module) => files.filesOfModule(module))) {
		offerFile(file, ({ owner }) => (inPrompt.has(owner) ? 'member' : 'imported'));
	}
	for (const owner of names ? shown : []) {
		let left = MAX_PER_FILE;
		for (const name of names?.membersOf(owner, path) ?? []) {
			if (left-- === 0) break;
			offer(known.name(name), 'named');
		}
	}
	for (const node of nodes) {
		if ((node.level !== 'chunk' && node.level !== 'file') || node.path === path) continue;
		offerInside(node);
	}
	for (const neighbour of neighbours(path, files.filesBeside(path))) offerFile(neighbour, () => 'nearby');
	for (const name of known.names(names?.common() ?? NO_NAMES)) offer(name, 'anywhere');
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
function likenessTo(text: string, known: KnownNames): (name: BareName) => number {
	const words = text.match(WORD) ?? [];
	const nearness = new Map<number, number>();
	for (const [i, word] of words.entries()) for (const part of known.partsOf(word)) nearness.set(part, (i + 1) / words.length);
	return ({ parts }) => {
		let sum = 0;
		for (const part of parts) sum += nearness.get(part) ?? 0;
		return sum / (parts.length + 0.5);
	};
}
