/**
 * Names that a line cannot know from its own file: defined in another file of the repository, and not written before it. These
 * lines tell whether repository context reaches the model.
 *
 * Definitions are the chunker's entities and the fields of classes and interfaces. Deliberately lacks: types and scopes. A name
 * that many files define, or that a built-in object has too, is left out instead.
 */
import type { Entity } from '../../chunking/types.ts';
import type { CodeLine, FileLines } from './code-lines.ts';

/** `member`: behind a dot; `prop`: a key or keyword argument; neither stands in the text before. `first_use`: stands in an import only. */
export type CrossFileKind = (typeof CROSS_FILE_KINDS)[number];
export const CROSS_FILE_KINDS = ['first_use', 'member', 'prop'] as const;

export interface CrossFileLine extends CodeLine {
	kind: CrossFileKind;
	/** UTF-16 column in the line's text of the first such name. */
	column: number;
}

export interface SourceLines extends FileLines {
	path: string;
	text: string;
	language: string;
	entities: readonly Entity[];
}

const MIN_NAME = 4;
/** A name with more definitions says little about where it comes from. */
const MAX_DEFINERS = 3;
const NAME = /[\p{L}_$][\p{L}\p{N}_$]*/gu;

/** Names that the language's own objects have; a line with one needs no repository. */
const BUILT_IN: ReadonlySet<string> = new Set([
	...[Array, String, Object, Promise, Map, Set, Date, RegExp, Function, Number, Symbol, Error, URL, AbortController, Uint8Array].flatMap(
		(each) => [...Object.getOwnPropertyNames(each), ...Object.getOwnPropertyNames(each.prototype)],
	),
	...[globalThis, Math, JSON, console, Reflect, process, performance].flatMap((each) => Object.getOwnPropertyNames(each)),
	...(
		'append extend insert remove count index items keys values update setdefault popitem copy clear discard union join split rsplit ' +
		'splitlines strip lstrip rstrip startswith endswith format lower upper title replace find encode decode read write readline ' +
		'readlines close open name self args kwargs path exists mkdir parent parts resolve stem suffix print range isinstance list dict ' +
		'tuple bool float type super property staticmethod classmethod Exception ValueError TypeError KeyError data text body value key ' +
		'result options config default message status method headers params'
	).split(' '),
]);

/** Lines of all files that use a name defined elsewhere, by file. */
export function crossFileLines(files: readonly SourceLines[]): Map<string, CrossFileLine[]> {
	const definers = new Map<string, Set<string>>();
	for (const file of files) {
		for (const name of definedNames(file)) {
			const paths = definers.get(name);
			if (paths) paths.add(file.path);
			else definers.set(name, new Set([file.path]));
		}
	}
	return new Map(files.map((file) => [file.path, linesThatNeedOthers(file, definers)]));
}

function linesThatNeedOthers({ path, code, imports }: SourceLines, definers: ReadonlyMap<string, ReadonlySet<string>>): CrossFileLine[] {
	const isForeign = (name: string) => {
		const paths = definers.get(name);
		return name.length >= MIN_NAME && paths !== undefined && paths.size <= MAX_DEFINERS && !paths.has(path) && !BUILT_IN.has(name);
	};
	const found: CrossFileLine[] = [];
	const imported = new Set<string>();
	const written = new Set<string>();
	let nextImport = 0;
	for (const line of code) {
		for (let each = imports[nextImport]; each && each.line < line.line; each = imports[++nextImport]) {
			for (const [name] of each.text.matchAll(NAME)) imported.add(name);
		}
		const text = withoutStrings(line.text);
		for (const match of text.matchAll(NAME)) {
			const [name] = match;
			const kind = isForeign(name) && !written.has(name) ? kindOf(text, match.index, name, imported) : undefined;
			if (!kind) continue;
			found.push({ ...line, kind, column: match.index });
			break;
		}
		// Names in strings and comments count as written: the model can read them.
		for (const [name] of line.text.matchAll(NAME)) written.add(name);
	}
	return found;
}

function kindOf(text: string, at: number, name: string, imported: ReadonlySet<string>): CrossFileKind | undefined {
	const before = text.slice(0, at);
	const after = text.slice(at + name.length);
	if (imported.has(name)) return /[.]\s*$/.test(before) ? undefined : 'first_use';
	if (/\.#?$/.test(before)) return 'member';
	const isKey = /^\??:(?!:)/.test(after) || /^=(?!=)/.test(after);
	return isKey && /(?:^|[{(,]\s*)$/.test(before) ? 'prop' : undefined;
}

/** The same length, with blanks for the contents of strings and comments behind code. */
function withoutStrings(text: string): string {
	return text.replace(/(["'`])(?:\\.|(?!\1).)*\1|\/\/.*$|\s#\s.*$/g, (match) => ' '.repeat(match.length));
}

function* definedNames({ text, language, entities }: SourceLines): Iterable<string> {
	const lines = text.split('\n');
	for (const { name, kind, line } of entities) {
		yield name.slice(name.lastIndexOf('.') + 1);
		if (kind === 'class' || kind === 'type') yield* fieldsBelow(lines, line, language);
	}
}

/** Names declared one level below a class or interface, as far as its body is indented. */
function* fieldsBelow(lines: readonly string[], line: number, language: string): Iterable<string> {
	const indentation = (text: string) => text.length - text.trimStart().length;
	const outer = indentation(lines[line] ?? '');
	let inner: number | undefined;
	for (const text of lines.slice(line + 1)) {
		if (text.trim() === '') continue;
		const own = indentation(text);
		if (own <= outer) {
			// `class A\n  extends B {` and a parameter list over lines begin their body later.
			if (/^\s*[)}\]]/.test(text) && !/^\s*\)/.test(text)) return;
			if (language === 'python' && !/^\s*\)/.test(text)) return;
			continue;
		}
		inner ??= own;
		if (own !== inner) continue;
		const name =
			/^\s*(?:(?:public|private|protected|readonly|static|declare|abstract|override)\s+)*([\p{L}_$][\p{L}\p{N}_$]*)[?!]?\s*[:=]/u.exec(
				text,
			);
		if (name) yield name[1] as string;
	}
}
