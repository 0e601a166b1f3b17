/**
 * Groups an ordered list of node ids into a tree whose inner nodes have 2 to `arity` children, with group borders that
 * depend on content alone (as in prolly trees), so that an insertion changes the groups around it and no other.
 *
 * The rule is part of the bundle format: `models/training` groups its training data by the same one, and a shared golden
 * file holds both to it. Walk the list; close the group after a member when the group has at least 2 members and either
 * `hash(id, depth) % 5 == 0` or it is full. A last group of one member joins the group before it if that has room, and
 * otherwise passes up unchanged. Repeat on the groups, at the next depth, until one is left. A list of one element gets a
 * node of its own above it.
 *
 * Guarantees: a regrouping with a previous result returns what a grouping from scratch would, and hashes only where the
 * two lists differ. Deliberately lacks: files, directories, reference counts; all of those are `hierarchy.ts`.
 */
import { hash } from 'node:crypto';
import { innerNodeId, type NodeId, type SpaceId } from '../base/ids.ts';

/** Siblings under one parent: members `start` to `end` (exclusive) of the level's list. A lone member keeps its own id. */
export interface Group {
	id: NodeId;
	start: number;
	end: number;
}

/** One pass over the list: what was grouped, and the groups, which are the members of the level above. */
export interface Level {
	members: readonly NodeId[];
	groups: readonly Group[];
}

export interface GroupingRule {
	spaceId: SpaceId;
	arity: number;
}

/** Chance of a border after a member is one in this. */
const BORDER_DIVISOR = 5;
const MIN_MEMBERS = 2;

/** Whether a group that ends with this member may end here. */
function isBorder(id: NodeId, depth: number): boolean {
	return Number.parseInt(hash('sha256', `cut\0${depth}\0${id}`, 'hex').slice(0, 8), 16) % BORDER_DIVISOR === 0;
}

/**
 * The levels of the tree over `ids`, finest first; the last level has exactly one group, the container's node.
 * @param previous levels of an earlier list in the same container, to take unchanged groups from
 */
export function groupAll(rule: GroupingRule, ids: readonly NodeId[], previous: readonly Level[] = []): Level[] {
	if (ids.length === 0) return [];
	if (ids.length === 1) return [{ members: ids, groups: [{ id: innerNodeId(rule.spaceId, ids), start: 0, end: 1 }] }];
	const levels: Level[] = [];
	let members = ids;
	for (let depth = 0; members.length > 1; depth++) {
		const groups = groupOnce(rule, members, depth, usable(previous[depth]));
		levels.push({ members, groups });
		members = groups.map((group) => group.id);
	}
	return levels;
}

/** Id of the container's node. */
export function topOf(levels: readonly Level[]): NodeId | undefined {
	return levels.at(-1)?.groups[0]?.id;
}

/** Whether the group is a node of its own rather than a lone member on its way up. */
export function isNode(level: Level, group: Group): boolean {
	return level.members[group.start] !== group.id;
}

/** A list of one is wrapped by another rule, so its group must not be taken for a lone member's. */
function usable(level: Level | undefined): Level | undefined {
	return level && level.members.length > 1 ? level : undefined;
}

function groupOnce(rule: GroupingRule, members: readonly NodeId[], depth: number, previous: Level | undefined): Group[] {
	const shared = previous ? sharedEnds(members, previous.members) : { head: 0, tail: 0 };
	const groups = previous ? reusableHead(previous, shared.head) : [];
	let start = groups.at(-1)?.end ?? 0;
	while (start < members.length) {
		if (previous && members.length - start <= shared.tail) {
			const rest = reusableTail(previous, members.length - previous.members.length, start);
			if (rest) {
				groups.push(...rest);
				break;
			}
		}
		const end = endOfGroup(rule, members, depth, start);
		groups.push(makeGroup(rule, members, start, end));
		start = end;
	}
	return joinLoneTail(rule, members, groups);
}

function endOfGroup(rule: GroupingRule, members: readonly NodeId[], depth: number, start: number): number {
	for (let end = start + 1; end < members.length; end++) {
		const size = end - start;
		if (size === rule.arity || (size >= MIN_MEMBERS && isBorder(members[end - 1] as NodeId, depth))) return end;
	}
	return members.length;
}

function makeGroup(rule: GroupingRule, members: readonly NodeId[], start: number, end: number): Group {
	const id = end - start === 1 ? (members[start] as NodeId) : innerNodeId(rule.spaceId, members.slice(start, end));
	return { id, start, end };
}

function joinLoneTail(rule: GroupingRule, members: readonly NodeId[], groups: Group[]): Group[] {
	const last = groups.at(-1);
	const before = groups.at(-2);
	if (!last || !before || last.end - last.start > 1 || before.end - before.start >= rule.arity) return groups;
	groups.splice(-2, 2, makeGroup(rule, members, before.start, last.end));
	return groups;
}

/** Lengths of the equal beginnings and (not overlapping them) equal ends of two lists. */
function sharedEnds(a: readonly NodeId[], b: readonly NodeId[]): { head: number; tail: number } {
	const shorter = Math.min(a.length, b.length);
	let head = 0;
	while (head < shorter && a[head] === b[head]) head++;
	let tail = 0;
	while (tail < shorter - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
	return { head, tail };
}

/** Groups inside the unchanged beginning. Never the last one: how it ended depended on the end of the list. */
function reusableHead(previous: Level, head: number): Group[] {
	const groups: Group[] = [];
	for (const group of previous.groups.slice(0, -1)) {
		if (group.end > head) break;
		groups.push(group);
	}
	return groups;
}

/** The old groups from `start` on, moved by `shift`, when an old group began at the same member. */
function reusableTail(previous: Level, shift: number, start: number): Group[] | undefined {
	const oldStart = start - shift;
	let low = 0;
	let high = previous.groups.length;
	while (low < high) {
		const middle = (low + high) >> 1;
		if ((previous.groups[middle] as Group).start < oldStart) low = middle + 1;
		else high = middle;
	}
	if (previous.groups[low]?.start !== oldStart) return undefined;
	const rest = previous.groups.slice(low);
	return shift === 0 ? rest : rest.map(({ id, start: from, end }) => ({ id, start: from + shift, end: end + shift }));
}
