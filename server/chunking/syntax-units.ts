/**
 * Units of a parsed file: nodes that fit the budget, found by opening those that do not, laid out by lines.
 *
 * A unit starts at the start of a line wherever nodes allow it; nodes that share a line stay together; comments and decorators
 * join what follows them directly.
 */
import type { Definition } from './definitions.ts';
import type { SyntaxNode } from './grammars.ts';
import type { TokenBudget } from './token-budget.ts';
import { isOwnChunk, type Span, type Unit } from './units.ts';

/** A node that stays whole. */
interface Atom extends Span {
	opens: boolean;
	closes: boolean;
	leading: boolean;
	depth: number;
}

/** Long chains (`a + b + …`) nest as deep as they are long; past this depth lines cut as well as nodes do. */
const MAX_DEPTH = 200;
/** Definitions at which chunks are not cut. */
const SMALL: ReadonlySet<Definition['kind']> = new Set(['constant', 'field', 'attribute']);
const LEADING_TYPES: ReadonlySet<string> = new Set(['decorator', 'attribute_item', 'attribute_list']);

/** Units that cover the text from 0 to its end. */
export function syntaxUnits(text: string, root: SyntaxNode, definitions: readonly Definition[], budget: TokenBudget): Unit[] {
	const atoms: Atom[] = [];
	collectAtoms(root, 0, definitionLookup(definitions), budget, atoms);
	const units: Unit[] = [];
	for (const atom of atoms) addAtom(text, units, atom, budget);
	const first = units[0];
	const last = units.at(-1);
	if (first) first.start = 0;
	if (last) last.end = text.length;
	return units;
}

interface DefinitionLookup {
	/** Whether a definition has exactly the node's span. */
	is(node: SyntaxNode): boolean;
	isInside(node: SyntaxNode): boolean;
}

function definitionLookup(definitions: readonly Definition[]): DefinitionLookup {
	const sorted = definitions.filter(({ kind }) => !SMALL.has(kind)).sort((a, b) => a.start - b.start || b.end - a.end);
	/** Index of the first definition that starts at the offset or later. */
	const firstFrom = (offset: number): number => {
		let low = 0;
		let high = sorted.length;
		while (low < high) {
			const middle = (low + high) >> 1;
			if ((sorted[middle] as Definition).start < offset) low = middle + 1;
			else high = middle;
		}
		return low;
	};
	return {
		is(node) {
			for (let i = firstFrom(node.startIndex); sorted[i]?.start === node.startIndex; i++) if (sorted[i]?.end === node.endIndex) return true;
			return false;
		},
		isInside(node) {
			const next = sorted[firstFrom(node.startIndex)];
			return next !== undefined && next.start < node.endIndex;
		},
	};
}

function collectAtoms(parent: SyntaxNode, depth: number, definitions: DefinitionLookup, budget: TokenBudget, atoms: Atom[]): void {
	for (const node of parent.children) {
		if (!node || node.startIndex === node.endIndex) continue;
		const { startIndex: start, endIndex: end } = node;
		const whole = budget.seemsToFit(start, end) || depth >= MAX_DEPTH;
		if (!whole && node.children.length > 0) {
			const before = atoms.length;
			collectAtoms(node, depth + 1, definitions, budget, atoms);
			const [first, last] = [atoms[before], atoms.at(-1)];
			if (first && last && definitions.is(node)) {
				first.opens = true;
				last.closes = true;
			}
			continue;
		}
		const own = isOwnChunk(budget, start, end) && (depth === 0 || definitions.isInside(node));
		const leading = (node.isExtra && node.type.includes('comment')) || LEADING_TYPES.has(node.type);
		atoms.push({ start, end, opens: own && !leading, closes: own && !leading, leading, depth });
	}
}

/** Appends an atom: to the last unit when they share a line or the unit leads the atom, else as a unit of its own. */
function addAtom(text: string, units: Unit[], atom: Atom, budget: TokenBudget): void {
	const previous = units.at(-1);
	if (!previous) {
		units.push({ ...atom, blankBefore: false });
		return;
	}
	const gap = text.slice(previous.end, atom.start);
	const lineBreak = gap.lastIndexOf('\n');
	const sharesLine = lineBreak < 0 && text[previous.end - 1] !== '\n';
	const blankBefore = gap.indexOf('\n') !== lineBreak || (lineBreak >= 0 && text[previous.end - 1] === '\n');
	const joins = sharesLine || (previous.leading && !blankBefore);
	if (joins && budget.seemsToFit(previous.start, atom.end)) {
		previous.end = atom.end;
		previous.opens ||= atom.opens;
		previous.closes = atom.closes || (sharesLine && previous.closes);
		previous.leading &&= atom.leading;
		return;
	}
	const start = sharesLine ? atom.start : previous.end + lineBreak + 1;
	previous.end = start;
	units.push({ ...atom, start, blankBefore });
}
