/**
 * What a line of code is like when its names are left out, and what its names become beside a line of the same shape:
 * `const foo = load(fooPath)` and `const bar = load(barPath)` have one shape, and `foo` becomes `bar`.
 *
 * Guarantees: pure; equal lines have equal shapes; only lines of more than {@link LONGEST_LINE} characters have the shape {@link NO_SHAPE}.
 * Deliberately lacks: any grammar. Words that most languages reserve are told from names by a list.
 */
import { fnv1a } from '../base/numbers.ts';
import type { NameLists } from './name-lists.ts';

/** Shape of a line that is like no other. */
export const NO_SHAPE = 0;
/** What is longer was hardly written by hand. */
const LONGEST_LINE = 300;

/** Words, numbers, white space, and every other character by itself. */
const PIECES = /[\p{L}_$][\p{L}\p{N}_$]*|\d[\d_.a-zA-Z]*|\s+|./gsu;
/** `HTTPServer2_name` is `HTTP`, `Server`, `2`, `_`, `name`. */
const PARTS = /\p{Lu}+(?!\p{Ll})|\p{Lu}\p{Ll}+|\p{Ll}+|\d+|./gsu;
const WORDS = /\p{Lu}+(?!\p{Ll})|\p{Lu}?\p{Ll}+|\d+/gu;
const RESERVED = new Set(
	(
		'abstract and as assert async await break case catch class const continue def default defer del delete do elif else end enum except ' +
		'export extends extern false False final finally fn for foreach from func function go goto if impl implements import in instanceof ' +
		'interface is lambda let match mod module mut namespace new nil None nonlocal not null or override package pass private protected ' +
		'pub public raise readonly ref return self static struct super switch this throw throws trait true True try type typeof undefined ' +
		'unless until use using val var virtual void when where while with yield'
	).split(' '),
);

/** Words, numbers, white space, and every other character by itself. */
export function piecesOf(text: string): string[] {
	return text.match(PIECES) ?? [];
}

export function isName(piece: string): boolean {
	return /^[\p{L}_$]/u.test(piece) && !RESERVED.has(piece);
}

function isNumber(piece: string): boolean {
	return /^\d/.test(piece);
}

/** 32 bits that lines of one shape share. The line has no indentation and is not blank. */
export function shapeOf(line: string): number {
	if (line.length > LONGEST_LINE) return NO_SHAPE;
	const shape = line.replace(PIECES, (piece) =>
		isName(piece) ? '\u0001' : isNumber(piece) ? '\u0002' : piece.trim() === '' ? ' ' : piece,
	);
	return hashOf(shape);
}

/** 32 bits of a text. */
export function hashOf(text: string): number {
	return fnv1a(text) | 0 || 1;
}

/** Parts of the names and other words of a text, in lower case. */
export function wordsOf(text: string): Set<string> {
	return new Set((text.match(WORDS) ?? []).map((word) => word.toLowerCase()));
}

/** Of the words those that stand in `others` too, 0–1. */
export function shareIn(others: ReadonlySet<string>, words: ReadonlySet<string>): number {
	let shared = 0;
	for (const word of words) if (others.has(word)) shared++;
	return shared / Math.max(1, words.size);
}

/**
 * What the names and numbers of some lines become, and the parts of names, in lines of the same shapes. Where all numbers move on
 * by one step, those next to them do so too: behind `case 2:`, which stands where `case 1:` did, comes `case 3:`.
 */
export class Renaming {
	readonly #whole = new Map<string, string>();
	readonly #parts = new Map<string, string>();
	/** Names and numbers that stay what they are, and numbers next to one that does not. */
	readonly #fixed = new Set<string>();
	readonly #neighbours = new Set<string>();
	/** What numbers move on by; undefined where they do not agree. */
	#step: number | undefined = 0;

	get isEmpty(): boolean {
		return this.#whole.size === 0;
	}

	/** Learns from two lines of one shape. What was learnt first stays. */
	learn(from: string, to: string): void {
		const before = piecesOf(from);
		const after = piecesOf(to);
		for (let i = 0; i < before.length && i < after.length; i++) this.#pair(before[i] as string, after[i] as string);
	}

	/** Where a name became the one behind it in a list, that becomes the next one. */
	goOn(lists: Pick<NameLists, 'next'>): void {
		for (const [from, to] of [...this.#whole]) {
			if (!isName(from) || this.#fixed.has(to) || this.#whole.has(to)) continue;
			const next = lists.next(from, to);
			if (next !== undefined) this.#pair(to, next);
		}
	}

	#pair(from: string, to: string): void {
		if (!(isName(from) || isNumber(from)) || this.#whole.has(from)) return;
		if (from === to) {
			for (const fixed of [from, ...(from.match(/\d+/g) ?? [])]) this.#fixed.add(fixed);
			return;
		}
		this.#whole.set(from, to);
		const a = from.match(PARTS) ?? [];
		const b = to.match(PARTS) ?? [];
		let start = 0;
		while (start < Math.min(a.length, b.length) && same(a[start], b[start])) start++;
		let end = 0;
		while (end < Math.min(a.length, b.length) - start && same(a.at(-1 - end), b.at(-1 - end))) end++;
		const one = a.slice(start, a.length - end);
		const other = b.slice(start, b.length - end);
		if (one.length === 0 || other.length === 0) return;
		if (one.length === other.length) for (const [i, part] of one.entries()) this.#part(part, other[i] as string);
		else this.#part(one.join(''), other.join(''));
	}

	/** In lower case and with a capital as well: `foo` becomes `bar`, so `Foo` becomes `Bar`. */
	#part(from: string, to: string): void {
		if (isCount(from) && isCount(to)) {
			const step = Number(to) - Number(from);
			this.#step = this.#step === 0 || this.#step === step ? step : undefined;
			for (const distance of [-1, 1]) this.#neighbours.add(String(Number(from) + distance));
		}
		for (const form of [(text: string) => text, (text: string) => text.toLowerCase(), capitalised]) {
			if (!this.#parts.has(form(from))) this.#parts.set(form(from), form(to));
		}
	}

	#movedOn(number: string): string {
		if (!this.#step || !this.#neighbours.has(number) || this.#fixed.has(number)) return number;
		return String(Math.max(0, Number(number) + this.#step));
	}

	/** The line with what was learnt in the place of its names. */
	applyTo(line: string): string {
		if (this.isEmpty) return line;
		return line.replace(PIECES, (piece) => {
			const whole = this.#whole.get(piece);
			if (whole !== undefined) return whole;
			if (!isName(piece) && !isCount(piece)) return piece;
			return piece.replace(PARTS, (part) => this.#parts.get(part) ?? this.#movedOn(part));
		});
	}
}

/** A whole number as people count. */
function isCount(text: string): boolean {
	return /^(?:0|[1-9]\d{0,5})$/.test(text);
}

function same(a: string | undefined, b: string | undefined): boolean {
	return a?.toLowerCase() === b?.toLowerCase();
}

function capitalised(text: string): string {
	return text.slice(0, 1).toUpperCase() + text.slice(1);
}
