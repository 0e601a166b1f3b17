/** Definitions and entities of a parsed file, from the captures of its language's query (`definition-queries.ts`). */
import type { LineIndex } from '../base/text.ts';
import type { Capture } from './grammars.ts';
import type { Entity, EntityKind } from './types.ts';
import type { Span } from './units.ts';

/** Captures that name what is inside. */
type Container = 'scope' | 'members';

export interface Definition extends Span {
	kind: EntityKind | Container | 'attribute' | 'opaque';
	/** Undefined when the definition has no name that is worth one. */
	name: string | undefined;
	nameStart: number;
}

const KINDS: readonly string[] = ['function', 'class', 'method', 'constant', 'type', 'field', 'attribute', 'scope', 'members', 'opaque'];
/** When several patterns match one name, the first of these wins. */
const PRECEDENCE: readonly Definition['kind'][] = [
	'scope',
	'members',
	'class',
	'method',
	'function',
	'type',
	'constant',
	'field',
	'attribute',
];
/** Named by the class and not by themselves; so are those that carry the name of their class. */
const CONSTRUCTORS: ReadonlySet<string> = new Set(['constructor', '__init__', '__construct', 'initialize']);
/** A name that other files can write: no computed keys, no string literals, no private `#name`, no destructor. */
const NAME = /^[$\p{L}_][\p{L}\p{M}\p{N}_$.!?=-]*$/u;

/** Every definition, outer ones first; several may share a span. */
export function findDefinitions(text: string, matches: readonly Capture[][]): Definition[] {
	const byName = new Map<number, Definition>();
	for (const captures of matches) {
		const definition = definitionOf(text, captures);
		if (!definition) continue;
		const known = byName.get(definition.nameStart);
		if (!known || PRECEDENCE.indexOf(definition.kind) < PRECEDENCE.indexOf(known.kind)) byName.set(definition.nameStart, definition);
	}
	return [...byName.values()].sort((a, b) => a.start - b.start || b.end - a.end);
}

function definitionOf(text: string, captures: readonly Capture[]): Definition | undefined {
	const node = (name: string) => captures.find((capture) => capture.name === name)?.node;
	const body = captures.find((capture) => KINDS.includes(capture.name));
	if (!body) return undefined;
	const { startIndex: start, endIndex: end } = body.node;
	const kind = body.name as Definition['kind'];
	const [nameNode, ownerNode] = [node('name'), node('owner')];
	// Opaque nodes have no name to be told apart by; negative keys keep them from names.
	if (!nameNode) return { start, end, kind, name: undefined, nameStart: -start - 1 };
	const owner = ownerNode ? textOf(text, ownerNode).replace(/^(module\.)?exports\b\.?|\.prototype$/g, '') : '';
	const own = textOf(text, nameNode).replace(/^:/, '');
	const name = (owner ? `${owner}.${own}` : own).replace(/\s+/g, '').replace(/<.*>/, '').replaceAll('::', '.');
	const nameless = CONSTRUCTORS.has(own) || !NAME.test(name);
	return { start, end, kind, name: nameless ? undefined : name, nameStart: nameNode.startIndex };
}

function textOf(text: string, node: { startIndex: number; endIndex: number }): string {
	return text.slice(node.startIndex, node.endIndex);
}

interface Enclosing {
	definition: Definition;
	path: string;
}

/** Most fields of one class: generated tables would otherwise drown what else the file defines. */
const MAX_FIELDS = 64;

/** What other files can name: nothing inside a function but attributes, each name once, in the order of the file. */
export function entitiesOf(definitions: readonly Definition[], lines: LineIndex): Entity[] {
	const entities = new Map<string, Entity>();
	const fields = new Map<string, number>();
	const enclosing: Enclosing[] = [];
	for (const definition of definitions) {
		while ((enclosing.at(-1)?.definition.end ?? Number.POSITIVE_INFINITY) <= definition.start) enclosing.pop();
		const around = definition.kind === 'attribute' ? aroundItsFunction(enclosing) : enclosing;
		const outer = around.at(-1);
		const path = [outer?.path, definition.name].filter(Boolean).join('.');
		const hidden = around.some(({ definition: { kind } }) => isFunction(kind));
		if (definition.kind !== 'field' && definition.kind !== 'attribute') enclosing.push({ definition, path });
		if (definition.kind === 'attribute' && outer?.definition.kind !== 'class') continue;
		const kind = entityKind(definition, outer?.definition.kind);
		const isConstructor = kind === 'method' && definition.name === outer?.definition.name;
		if (hidden || !kind || isConstructor || definition.name === undefined || entities.has(path)) continue;
		if (kind === 'field') {
			const count = (fields.get(outer?.path ?? '') ?? 0) + 1;
			fields.set(outer?.path ?? '', count);
			if (count > MAX_FIELDS) continue;
		}
		entities.set(path, { name: path, kind, line: lines.lineAt(definition.nameStart) });
	}
	return [...entities.values()];
}

/** What is around the innermost function. */
function aroundItsFunction(enclosing: readonly Enclosing[]): readonly Enclosing[] {
	return enclosing.slice(
		0,
		Math.max(
			0,
			enclosing.findLastIndex(({ definition: { kind } }) => isFunction(kind)),
		),
	);
}

function isFunction(kind: Definition['kind']): boolean {
	return kind === 'function' || kind === 'method' || kind === 'opaque';
}

function entityKind(definition: Definition, outer: Definition['kind'] | undefined): EntityKind | undefined {
	const { kind, name } = definition;
	if (kind === 'scope' || kind === 'members' || kind === 'opaque') return undefined;
	if (kind === 'attribute') return 'field';
	if (kind !== 'function') return kind;
	const isMember = outer === 'class' || outer === 'type' || outer === 'members' || name?.includes('.');
	return isMember ? 'method' : 'function';
}
