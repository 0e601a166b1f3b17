/**
 * The line that may come next, by analogy: what stands behind lines of the same shape as those before the cursor, with their names
 * replaced by the names here. An n-gram stops copying where the first name differs; parallel code differs in nothing but names.
 *
 * Guarantees: no model run; equal texts give equal lines; the open file's saved text is not read beside the text that is open.
 * Deliberately lacks: any say in how much it counts beside other sources (`completion/mixing.ts`).
 */
import { LRUCache } from 'lru-cache';
import type { BlockTokenizer } from './block-tokens.ts';
import { hashOf, NO_SHAPE, Renaming, shapeOf, shareIn, wordsOf } from './line-shape.ts';
import { NameLists } from './name-lists.ts';
import type { NgramIndex } from './ngram-index.ts';

/** A line that may come next. */
export interface Analogy {
	/** Without indentation. */
	text: string;
	/** Lines before the place that have the shapes of those before the cursor, 1 to {@link MOST_LINES}. */
	shaped: number;
	/** Of these the nearest ones that are word for word the same. */
	literal: number;
	inOpenFile: boolean;
	/** Share of the words of the lines before the cursor that stand in those before the place too, 0–1. */
	likeness: number;
	/** Share of the line's words that stand in the lines before the cursor, 0–1. */
	familiarity: number;
	/** Of all lines that may come; these sum to 1. */
	weight: number;
	/**
	 * What stands behind the line at its place, names replaced, at most so many lines, none of them indented less than it: each with the line
	 * break before it, and indented as beside a line with this indentation.
	 */
	following(indentation: string, most: number): string;
	/** The same behind the line before it: the line itself comes first. */
	withFollowing(indentation: string, most: number): string;
}

/** Lines before a place whose shapes are compared, and those whose words are. */
const MOST_LINES = 8;
const WORD_LINES = 12;
/** Characters of the open file that are searched on each side of the cursor. */
const OPEN_FILE_CHARS = 60_000;
/** Characters on each side of the cursor in which lists of names are looked for. */
const LIST_CHARS = 8_000;
/** Places that are written out, the best ones. */
const MOST_PLACES = 24;
/** Lines that may come, at most. */
const MOST_ANALOGIES = 12;
/** What speaks for a place, in nats; chosen on validation lines (models/training/LOG.md). */
const PER_LITERAL = 1.6;
const PER_SHAPED = 0.7;
const OPEN_FILE = 1.6;
const PER_LIKENESS = 3;
const PER_FAMILIARITY = 1.85;
/** Lines whose shape is remembered. */
const REMEMBERED = 20_000;

/** Lines of one text that are not blank. */
interface Lines {
	length: number;
	shapes: ArrayLike<number>;
	hashes: ArrayLike<number>;
	/** Of the lines from `from` on, up to but without `to`. */
	text(from: number, to: number): string;
	/** White space between the line before and this one; empty before the first. */
	gap(at: number): string;
	inOpenFile: boolean;
}

interface Place {
	lines: Lines;
	/** Index of the line that stands behind the alike ones. */
	at: number;
	shaped: number;
	literal: number;
	/** By shapes and equal lines alone. */
	score: number;
}

export interface AnalogyQuery {
	/** Text before the cursor's line; `\n` line ends. */
	before: string;
	/** Text behind the cursor's line; empty when it may not be read. */
	after: string;
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

	/** Most likely first. */
	find({ before, after, path, repository }: AnalogyQuery): Analogy[] {
		const here = this.#linesOf(before.slice(-OPEN_FILE_CHARS));
		if (here.length === 0) return [];
		const places = new BestPlaces(here);
		places.search(here);
		places.search(this.#linesOf(after.slice(0, OPEN_FILE_CHARS)));
		for (const { tokens, lines } of repository?.files(path) ?? []) {
			const text = (from: number, to: number) => this.#tokenizer.decode(tokens.subarray(lines.starts[from], lines.ends[to - 1])).trim();
			const gap = (at: number) => {
				if (at === 0) return '';
				const between = tokens.subarray((lines.ends[at - 1] as number) - 1, lines.starts[at]);
				const line = tokens.subarray(lines.starts[at], lines.ends[at]);
				return trailingSpace(this.#tokenizer.decode(between)) + leadingSpace(this.#tokenizer.decode(line));
			};
			places.search({ length: lines.starts.length, shapes: lines.shapes, hashes: lines.hashes, text, gap, inOpenFile: false });
		}
		const words = wordsOf(lastLines(here, here.length));
		const lists = new NameLists(before.slice(-LIST_CHARS) + after.slice(0, LIST_CHARS));
		return weighed(places.best.map((place) => writtenOut(place, here, words, lists)));
	}

	#linesOf(text: string): Lines {
		const rows = text.split('\n');
		const at = rows.flatMap((row, i) => (row.trim() === '' ? [] : i));
		const lines = at.map((row) => (rows[row] as string).trim());
		const looks = lines.map((line) => {
			const known = this.#known.get(line);
			if (known) return known;
			const look = { shape: shapeOf(line), hash: hashOf(line) };
			this.#known.set(line, look);
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

/** The places that are most like the end of a text. Of equals those that came last in the text, and that were searched first. */
class BestPlaces {
	best: Place[] = [];
	readonly #here: Lines;

	constructor(here: Lines) {
		this.#here = here;
	}

	search(lines: Lines): void {
		const { shapes } = lines;
		const last = this.#here.shapes[this.#here.length - 1];
		if (last === NO_SHAPE) return;
		for (let at = lines.length - 1; at > 0; at--) if (shapes[at - 1] === last && shapes[at] !== NO_SHAPE) this.#consider(lines, at);
	}

	#consider(lines: Lines, at: number): void {
		const { shapes, hashes, length } = this.#here;
		const most = Math.min(MOST_LINES, at, length);
		let shaped = 1;
		const isAlike = (back: number) => lines.shapes[at - back] === shapes[length - back] && shapes[length - back] !== NO_SHAPE;
		while (shaped < most && isAlike(shaped + 1)) shaped++;
		let literal = 0;
		while (literal < shaped && lines.hashes[at - 1 - literal] === hashes[length - 1 - literal]) literal++;
		const score = PER_LITERAL * literal + PER_SHAPED * shaped + (lines.inOpenFile ? OPEN_FILE : 0);
		const worst = this.best.at(-1);
		if (worst && this.best.length === MOST_PLACES && score <= worst.score) return;
		const index = this.best.findIndex((each) => each.score < score);
		this.best.splice(index < 0 ? this.best.length : index, 0, { lines, at, shaped, literal, score });
		this.best.length = Math.min(this.best.length, MOST_PLACES);
	}
}

function lineAt(lines: Lines, at: number): string {
	return lines.text(at, at + 1);
}

/** Before a line. */
function lastLines(lines: Lines, at: number): string {
	return lines.text(Math.max(0, at - WORD_LINES), at);
}

/** The line of a place as it would read here; its weight is not yet one among others. */
function writtenOut({ lines, at, shaped, literal, score }: Place, here: Lines, words: ReadonlySet<string>, lists: NameLists): Analogy {
	const names = new Renaming();
	for (let back = 1; back <= shaped; back++) names.learn(lineAt(lines, at - back), lineAt(here, here.length - back));
	names.goOn(lists);
	const text = names.applyTo(lineAt(lines, at));
	const likeness = shareIn(wordsOf(lastLines(lines, at)), words);
	const familiarity = shareIn(words, wordsOf(text));
	const weight = Math.exp(score + PER_LIKENESS * likeness + PER_FAMILIARITY * familiarity);
	const following = (indentation: string, most: number) => linesBehind(lines, at, names, indentation, most);
	const withFollowing = (indentation: string, most: number) => linesBehind(lines, at - 1, names, indentation, most);
	return { text, shaped, literal, inOpenFile: lines.inOpenFile, likeness, familiarity, weight, following, withFollowing };
}

/** {@link Analogy.following} of a line. */
function linesBehind(lines: Lines, at: number, names: Renaming, indentation: string, most: number): string {
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
