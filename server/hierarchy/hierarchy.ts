/**
 * The content-addressed tree chunk → file → directory → repository of one workspace folder, in memory.
 *
 * Guarantees: the tree after any sequence of commits equals the one built from scratch from the same files; a commit
 * regroups only changed files, their directories and the directories above; a node lives as long as any place in any file
 * or directory has its content, so equal content, renames and moves cost nothing.
 *
 * Deliberately lacks: vectors, I/O, threads and time. Who needs the vectors of `addedNodes` fuses them; who keeps old
 * vectors decides for how long.
 */
import type { NodeLevel } from 'hef-shared';
import type { NodeId } from '../base/ids.ts';
import {
	type Container,
	childIds,
	createDirectory,
	type DirectoryContainer,
	type FileContainer,
	innerNodes,
	levelOf,
	occurrencesIn,
} from './containers.ts';
import { type GroupingRule, groupAll, topOf } from './grouping.ts';
import { createNodeTable, type NodeTable } from './node-table.ts';
import type { ChunkPlace, Hierarchy, HierarchyDelta, HierarchyOptions } from './types.ts';

/** An empty tree. Throws RangeError when `arity` is below 2. */
export function createHierarchy(options: HierarchyOptions): Hierarchy {
	const arity = options.arity ?? 8;
	if (!Number.isInteger(arity) || arity < 2) throw new RangeError(`arity: expected an integer of at least 2, got ${arity}`);
	return new HierarchyTree({ spaceId: options.spaceId, arity });
}

class HierarchyTree implements Hierarchy {
	readonly #rule: GroupingRule;
	readonly #root = createDirectory('', undefined);
	readonly #nodes: NodeTable = createNodeTable();
	readonly #scheduled = new Map<string, readonly ChunkPlace[] | null>();
	#fileCount = 0;
	#chunkCount = 0;

	constructor(rule: GroupingRule) {
		this.#rule = rule;
	}

	get rootId(): NodeId | undefined {
		return topOf(this.#root.levels);
	}

	get fileCount(): number {
		return this.#fileCount;
	}

	get chunkCount(): number {
		return this.#chunkCount;
	}

	get nodeCount(): number {
		return this.#nodes.size;
	}

	nodesByLevel(): Record<NodeLevel, number> {
		const counts: Record<NodeLevel, number> = { chunk: 0, file: 0, directory: 0, repository: 0 };
		for (const id of this.#nodes.ids()) counts[this.#finestLevel(id)]++;
		return counts;
	}

	setFile(path: string, chunks: readonly ChunkPlace[] | null): void {
		this.#scheduled.set(path, chunks && chunks.length > 0 ? chunks : null);
	}

	commit(): HierarchyDelta {
		const dirty = new DirtyDirectories();
		this.#nodes.begin();
		for (const [path, chunks] of this.#scheduled) {
			if (chunks) this.#putFile(path, chunks, dirty);
			else this.#dropFile(path, dirty);
		}
		this.#scheduled.clear();
		for (let directory = dirty.takeDeepest(); directory; directory = dirty.takeDeepest()) this.#regroupDirectory(directory, dirty);
		return this.#nodes.finish();
	}

	has(id: NodeId): boolean {
		return this.#nodes.has(id);
	}

	node(id: NodeId) {
		const children = this.#nodes.children(id);
		return children && { id, children };
	}

	ids(): Iterable<NodeId> {
		return this.#nodes.ids();
	}

	*occurrences(id: NodeId) {
		for (const container of this.#nodes.owners(id)) yield* occurrencesIn(container, id);
	}

	fileNodes(path: string): NodeId[] {
		const file = this.#findFile(path);
		if (!file) return [];
		const ids = new Set(file.chunks.map((chunk) => chunk.id));
		for (let below: Container = file, above: Container | undefined = file; above; below = above, above = above.parent) {
			const from = above === file ? file.chunks.map((chunk) => chunk.id) : [topOf(below.levels) as NodeId];
			for (const id of ancestorsIn(above, from)) ids.add(id);
		}
		return [...ids];
	}

	chunksOf(path: string): readonly ChunkPlace[] {
		return this.#findFile(path)?.chunks ?? [];
	}

	#putFile(path: string, chunks: readonly ChunkPlace[], dirty: DirtyDirectories): void {
		const { directories, name } = splitPath(path);
		let parent = this.#root;
		for (const part of directories) {
			const at = parent.path === '' ? part : `${parent.path}/${part}`;
			const next: DirectoryContainer = parent.directories.get(part) ?? createDirectory(at, parent);
			if (!parent.directories.has(part)) {
				parent.directories.set(part, next);
				parent.order = undefined;
			}
			parent = next;
		}
		let file = parent.files.get(name);
		if (!file) {
			file = { kind: 'file', path, parent, chunks: [], levels: [] };
			parent.files.set(name, file);
			parent.order = undefined;
			this.#fileCount++;
		}
		this.#setChunks(file, chunks);
		dirty.add(parent);
	}

	#dropFile(path: string, dirty: DirtyDirectories): void {
		const file = this.#findFile(path);
		if (!file) return;
		this.#setChunks(file, []);
		file.parent.files.delete(splitPath(path).name);
		file.parent.order = undefined;
		this.#fileCount--;
		dirty.add(file.parent);
	}

	#setChunks(file: FileContainer, chunks: readonly ChunkPlace[]): void {
		const before = idsOf(file);
		const ids = chunks.map((chunk) => chunk.id);
		this.#chunkCount += chunks.length - file.chunks.length;
		file.chunks = chunks;
		file.levels = groupAll(this.#rule, ids, file.levels);
		this.#nodes.replace(file, before, ids, innerNodes(file.levels));
	}

	#regroupDirectory(directory: DirectoryContainer, dirty: DirtyDirectories): void {
		const { parent } = directory;
		const before = idsOf(directory);
		const topBefore = topOf(directory.levels);
		directory.levels = groupAll(this.#rule, childIds(directory), directory.levels);
		this.#nodes.replace(directory, before, [], innerNodes(directory.levels));
		const top = topOf(directory.levels);
		if (!parent) return;
		if (top === undefined) {
			parent.directories.delete(directory.path.slice(directory.path.lastIndexOf('/') + 1));
			parent.order = undefined;
		}
		if (top !== topBefore) dirty.add(parent);
	}

	#findFile(path: string): FileContainer | undefined {
		const { directories, name } = splitPath(path);
		let parent: DirectoryContainer | undefined = this.#root;
		for (const part of directories) parent = parent?.directories.get(part);
		return parent?.files.get(name);
	}

	#finestLevel(id: NodeId): NodeLevel {
		if (this.#nodes.children(id)?.length === 0) return 'chunk';
		let finest: NodeLevel = 'repository';
		for (const owner of this.#nodes.owners(id)) {
			const level = levelOf(owner, id);
			if (level === 'file') return level;
			if (level === 'directory') finest = level;
		}
		return finest;
	}
}

/** Directories to regroup, the deepest first, each once. */
class DirtyDirectories {
	readonly #byDepth: Set<DirectoryContainer>[] = [];

	add(directory: DirectoryContainer): void {
		while (this.#byDepth.length <= directory.depth) this.#byDepth.push(new Set());
		this.#byDepth[directory.depth]?.add(directory);
	}

	takeDeepest(): DirectoryContainer | undefined {
		while (this.#byDepth.at(-1)?.size === 0) this.#byDepth.pop();
		const deepest = this.#byDepth.at(-1);
		const [directory] = deepest ?? [];
		if (directory) deepest?.delete(directory);
		return directory;
	}
}

function splitPath(path: string): { directories: string[]; name: string } {
	const directories = path.split('/');
	return { name: directories.pop() ?? '', directories };
}

/** Distinct ids that the container holds itself. */
function idsOf(container: Container): Set<NodeId> {
	const ids = new Set<NodeId>();
	if (container.kind === 'file') for (const { id } of container.chunks) ids.add(id);
	for (const { id } of innerNodes(container.levels)) ids.add(id);
	return ids;
}

/** The container's inner nodes above any of the given members. */
function ancestorsIn(container: Container, members: readonly NodeId[]): NodeId[] {
	const reached = new Set(members);
	const ancestors: NodeId[] = [];
	for (const { id, children } of innerNodes(container.levels)) {
		if (!children.some((child) => reached.has(child)) || reached.has(id)) continue;
		reached.add(id);
		ancestors.push(id);
	}
	return ancestors;
}
