/**
 * The files and directories of the tree, each with the grouping of its children. Pure bookkeeping for `hierarchy.ts`:
 * nothing here knows which nodes other containers share.
 */
import type { NodeLevel } from 'hef-shared';
import { invariant } from '../base/errors.ts';
import type { NodeId } from '../base/ids.ts';
import { type Group, isNode, type Level, topOf } from './grouping.ts';
import type { ChunkPlace, Occurrence, PlannedNode } from './types.ts';

export interface FileContainer {
	kind: 'file';
	path: string;
	parent: DirectoryContainer;
	chunks: readonly ChunkPlace[];
	levels: readonly Level[];
}

export interface DirectoryContainer {
	kind: 'directory';
	path: string;
	/** Undefined for the folder itself. */
	parent: DirectoryContainer | undefined;
	depth: number;
	files: Map<string, FileContainer>;
	directories: Map<string, DirectoryContainer>;
	/** Children by name; undefined after a child came or went. */
	order: (FileContainer | DirectoryContainer)[] | undefined;
	levels: readonly Level[];
}

export type Container = FileContainer | DirectoryContainer;

export function createDirectory(path: string, parent: DirectoryContainer | undefined): DirectoryContainer {
	const depth = parent ? parent.depth + 1 : 0;
	return { kind: 'directory', path, parent, depth, files: new Map(), directories: new Map(), order: undefined, levels: [] };
}

/** Ids of a directory's children, sorted by name in UTF-16 code units. */
export function childIds(directory: DirectoryContainer): NodeId[] {
	directory.order ??= [...directory.files, ...directory.directories]
		.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
		.map(([, child]) => child);
	return directory.order.map((child) => {
		const id = topOf(child.levels);
		invariant(id, `container '${child.path}' has no node`);
		return id;
	});
}

/** The container's inner nodes, children first. The same id may come twice. */
export function* innerNodes(levels: readonly Level[]): Generator<PlannedNode> {
	for (const level of levels) {
		for (const group of level.groups) {
			if (isNode(level, group)) yield { id: group.id, children: level.members.slice(group.start, group.end) };
		}
	}
}

/** Level of an inner node of the container. Only the root directory's top stands for the repository; groups below it do not. */
export function levelOf(container: Container, id: NodeId): Exclude<NodeLevel, 'chunk'> {
	if (container.kind === 'file') return 'file';
	return container.parent === undefined && topOf(container.levels) === id ? 'repository' : 'directory';
}

/** Every place of a node inside one container; a directory counts as one place. */
export function occurrencesIn(container: Container, id: NodeId): Occurrence[] {
	const { path } = container;
	if (container.kind === 'directory') return [{ level: levelOf(container, id), path, startLine: 0, endLine: 0 }];
	const found: Occurrence[] = [];
	for (const { id: chunk, startLine, endLine } of container.chunks) {
		if (chunk === id) found.push({ level: 'chunk', path, startLine, endLine });
	}
	for (const [depth, level] of container.levels.entries()) {
		for (const group of level.groups) {
			if (group.id === id && isNode(level, group)) found.push({ level: 'file', path, ...linesOf(container, depth, group) });
		}
	}
	return found;
}

function linesOf(file: FileContainer, depth: number, group: Group): { startLine: number; endLine: number } {
	let first = group.start;
	let last = group.end - 1;
	for (let below = depth - 1; below >= 0; below--) {
		const groups = file.levels[below]?.groups;
		first = groups?.[first]?.start ?? 0;
		last = (groups?.[last]?.end ?? 1) - 1;
	}
	return { startLine: file.chunks[first]?.startLine ?? 0, endLine: file.chunks[last]?.endLine ?? 0 };
}
