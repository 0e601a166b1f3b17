/**
 * The line that may come next, by analogy: what stands behind lines of the same shape as those before the cursor, or before lines
 * like those that follow, with their names replaced by the names here. An n-gram stops copying where the first name differs; parallel
 * code differs in nothing but names.
 *
 * Guarantees: no model run; equal texts give equal lines; the open file's saved text is not read beside the text that is open.
 * Deliberately lacks: any say in how much it counts beside other sources (`completion/mixing.ts`).
 */
import { LRUCache } from 'lru-cache';
import { ownCopy } from '../base/text.ts';
import { type Alike, AlikePlaces, type Lines, type Place } from './alike-places.ts';
import type { BlockTokenizer } from './block-tokens.ts';
import { hashOf, NO_SHAPE, Renaming, shapeOf, shareIn, wordsOf } from './line-shape.ts';
import { NameLists } from './name-lists.ts';
import type { NgramIndex } from './ngram-index.ts';

/** How one side of a place is like that side of the cursor. */
export interface Resemblance extends Alike {
	/** Share of the words of the lines here that stand in those there too, 0–1. */
	words: number;
	/** Share of the words of the place's own line, with the names replaced, that stand in the lines here, 0–1. */
	familiarity: number;
}

/** A line that may come next. */
export interface Analogy {
	/** Without indentation. */
	text: string;
	/** How the place is like the cursor's, on both sides; shapes are alike on one of them at least. */
	before: Resemblance;
	behind: Resemblance;
	inOpenFile: boolean;
	/** Of all lines that may come; these sum to 1. */
	weight: number;
	/**
	 * What stands behind the line at its place, names replaced, at most so many lines, none of them indented less than it, and none where
	 * the next line is here already: each with the line break before it, and indented as beside a line with this indentation.
	 */
	following(indentation: string, most: number): string;
	/** The same behind the line before it: the line itself comes first. */
	withFollowing(indentation: string, most: number): string;
}

/** Lines on each side of a place whose words are compared. */
const WORD_LINES = 12;
/** Characters of the open file that are searched on each side of the cursor. */
const OPEN_FILE_CHARS = 60_000;
/** Characters on each side of the cursor in which lists of names are looked for. */
const LIST_CHARS = 8_000;
/** Lines that may come, at most. */
const MOST_ANALOGIES = 12;
/** What the words of a place count, in nats. */
const BEFORE: Pick<Resemblance, 'words' | 'familiarity'> = { words: 2.3, familiarity: 2 };
const BEHIND: Pick<Resemblance, 'words' | 'familiarity'> = { words: 1.5, familiarity: 0.6 };
/** Lines whose shape is remembered. */
const REMEMBERED = 20_000;

export interface AnalogyQuery {
	/** Text before the cursor's line; `\n` line ends. */
	before: string;
	/** Text behind the cursor's line; empty when it may not be read. */
	after: string;
	/**
	 * Whether the block of the cursor's line ends there: it is being written, then, and what stands behind it, or that nothing does, says
	 * nothing about the line. Default false.
	 */
	endsBlock?: boolean;
	/** Path of the open file. */
	path: string;
	repository: Pick<NgramIndex, 'files'> | undefined;
}

/** Remembers the shapes of lines from one search to the next. */
export class AnalogyFinder {
	readonly #tokenizer: Pick<BlockTokenizer, 'decode'>;
	readonly #known = new LRUCache<string, { shape: number; hash: number }>({ max: REMEMBERED });

	constructor(tokenizer: Pick<BlockTokenizer, 'decode'>) {
		this.#tokenizer = tokenizer;
	}

	find({ before, after, endsBlock = false, path, repository }: AnalogyQuery): Analogy[] {
		const above = this.#linesOf(before.slice(-OPEN_FILE_CHARS));
		const rest = this.#linesOf(after.slice(0, OPEN_FILE_CHARS));
		const below = endsBlock ? this.#linesOf('') : rest;
		const places = new AlikePlaces(above, below);
		places.search(above);
		places.search(rest);
		for (const { tokens, lines } of repository?.files(path) ?? []) {
			const text = (from: number, to: number) =>
				from < to ? this.#tokenizer.decode(tokens.subarray(lines.starts[from], lines.ends[to - 1])).trim() : '';
			const gap = (at: number) => {
				if (at === 0) return '';
				const between = tokens.subarray((lines.ends[at - 1] as number) - 1, lines.starts[at]);
				const line = tokens.subarray(lines.starts[at], lines.ends[at]);
				return trailingSpace(this.#tokenizer.decode(between)) + leadingSpace(this.#tokenizer.decode(line));
			};
			places.search({ length: lines.starts.length, shapes: lines.shapes, hashes: lines.hashes, text, gap, inOpenFile: false });
		}
		const here: Here = {
			...{ above, below },
			wordsAbove: wordsOf(lastLines(above, above.length)),
			wordsBelow: wordsOf(firstLines(below, 0)),
			lists: new NameLists(before.slice(-LIST_CHARS) + after.slice(0, LIST_CHARS)),
		};
		return weighed(places.best.map((place) => writtenOut(place, here)));
	}

	#linesOf(text: string): Lines {
		const rows = text.split('\n');
		const at = rows.flatMap((row, i) => (row.trim() === '' ? [] : i));
		const lines = at.map((row) => (rows[row] as string).trim());
		const looks = lines.map((line) => {
			const known = this.#known.get(line);
			if (known) return known;
			const look = { shape: shapeOf(line), hash: hashOf(line) };
			this.#known.set(ownCopy(line), look);
			return look;
		});
		return {
			length: lines.length,
			shapes: looks.map(({ shape }) => shape),
			hashes: looks.map(({ hash }) => hash),
			text: (from, to) => lines.slice(from, to).join('\n'),
			gap: (line) => {
				if (line === 0) return '';
				const row = at[line] as number;
				return '\n'.repeat(row - (at[line - 1] as number)) + leadingSpace(rows[row] as string);
			},
			inOpenFile: true,
		};
	}
}

function lineAt(lines: Lines, at: number): string {
	return lines.text(at, at + 1);
}

/** Before a line. */
function lastLines(lines: Lines, at: number): string {
	return lines.text(Math.max(0, at - WORD_LINES), at);
}

/** From a line on. */
function firstLines(lines: Lines, from: number): string {
	return lines.text(from, Math.min(lines.length, from + WORD_LINES));
}

/** What is around the cursor's line, as far as it counts. */
interface Here {
	above: Lines;
	below: Lines;
	wordsAbove: ReadonlySet<string>;
	wordsBelow: ReadonlySet<string>;
	lists: NameLists;
}

/** The line of a place as it would read here; its weight is not yet one among others. */
function writtenOut(place: Place, { above, below, wordsAbove, wordsBelow, lists }: Here): Analogy {
	const { lines, at, score } = place;
	const names = new Renaming();
	for (let n = 0; n < place.before.shaped; n++) names.learn(lineAt(lines, at - 1 - n), lineAt(above, above.length - 1 - n));
	for (let n = 0; n < place.behind.shaped; n++) names.learn(lineAt(lines, at + 1 + n), lineAt(below, n));
	names.goOn(lists);
	const text = names.applyTo(lineAt(lines, at));
	const words = wordsOf(text);
	const likeness = (alike: Alike, there: string, own: ReadonlySet<string>): Resemblance => ({
		...alike,
		words: shareIn(wordsOf(there), own),
		familiarity: shareIn(own, words),
	});
	const before = likeness(place.before, lastLines(lines, at), wordsAbove);
	const behind = likeness(place.behind, firstLines(lines, at + 1), wordsBelow);
	const more = (most: number) => (behind.shaped > 0 ? 0 : most);
	return {
		...{ text, before, behind, inOpenFile: lines.inOpenFile },
		weight: Math.exp(score + inWords(before, BEFORE) + inWords(behind, BEHIND)),
		following: (indentation, most) => linesBehind(lines, at, names, indentation, more(most)),
		withFollowing: (indentation, most) => linesBehind(lines, at - 1, names, indentation, 1 + more(most - 1)),
	};
}

function inWords({ words, familiarity }: Resemblance, weights: Pick<Resemblance, 'words' | 'familiarity'>): number {
	return weights.words * words + weights.familiarity * familiarity;
}

/** {@link Analogy.following} of a line. */
function linesBehind(lines: Lines, at: number, names: Renaming, indentation: string, most: number): string {
	if (at < 0) return '';
	const own = indentationOf(lines.gap(at));
	let text = '';
	for (let next = at + 1; next < Math.min(lines.length, at + 1 + most) && lines.shapes[next] !== NO_SHAPE; next++) {
		const gap = lines.gap(next);
		const deeper = indentationOf(gap);
		if (!deeper.startsWith(own)) break;
		text += '\n'.repeat(gap.split('\n').length - 1) + indentation + deeper.slice(own.length) + names.applyTo(lineAt(lines, next));
	}
	return text;
}

function indentationOf(gap: string): string {
	return gap.slice(gap.lastIndexOf('\n') + 1);
}

function leadingSpace(text: string): string {
	return text.slice(0, text.length - text.trimStart().length);
}

function trailingSpace(text: string): string {
	return text.slice(text.trimEnd().length);
}

/** One entry for each text, with the weight of all its places and what is told of the best of them. */
function weighed(all: readonly Analogy[]): Analogy[] {
	const found = new Map<string, Analogy>();
	for (const each of [...all].sort((a, b) => b.weight - a.weight)) {
		const known = found.get(each.text);
		found.set(each.text, known ? { ...known, weight: known.weight + each.weight } : each);
	}
	const most = [...found.values()].sort((a, b) => b.weight - a.weight).slice(0, MOST_ANALOGIES);
	const total = most.reduce((sum, { weight }) => sum + weight, 0);
	return most.map((each) => ({ ...each, weight: each.weight / total }));
}
