/**
 * Which distinct nodes exist, what their children are, and which files and directories hold them.
 *
 * Guarantees: a node exists exactly while at least one container holds it; one commit's births and deaths are net, so a
 * node that only moved is in neither list.
 */
import { invariant } from '../base/errors.ts';
import type { NodeId } from '../base/ids.ts';
import type { Container } from './containers.ts';
import type { HierarchyDelta, PlannedNode } from './types.ts';

interface NodeEntry {
	children: readonly NodeId[];
	/** Nearly every node has one holder, so a set is made for the second. */
	owners: Container | Set<Container> | undefined;
}

export interface NodeTable {
	readonly size: number;
	has(id: NodeId): boolean;
	/** Empty for a chunk, undefined for an unknown id. */
	children(id: NodeId): readonly NodeId[] | undefined;
	owners(id: NodeId): Iterable<Container>;
	ids(): Iterable<NodeId>;
	/** Starts a delta. */
	begin(): void;
	/** Makes `container` hold exactly these chunks and inner nodes (children first) instead of the ids `before`. */
	replace(container: Container, before: ReadonlySet<NodeId>, chunks: Iterable<NodeId>, nodes: Iterable<PlannedNode>): void;
	/** Buries nodes without a holder and returns the delta. */
	finish(): HierarchyDelta;
}

const NO_CHILDREN: readonly NodeId[] = [];

export function createNodeTable(): NodeTable {
	return new Nodes();
}

class Nodes implements NodeTable {
	readonly #entries = new Map<NodeId, NodeEntry>();
	readonly #orphans = new Set<NodeId>();
	readonly #reused = new Set<NodeId>();
	#addedChunks: NodeId[] = [];
	#addedNodes = new Map<NodeId, PlannedNode>();

	get size(): number {
		return this.#entries.size;
	}

	has(id: NodeId): boolean {
		return this.#entries.has(id);
	}

	children(id: NodeId): readonly NodeId[] | undefined {
		return this.#entries.get(id)?.children;
	}

	*owners(id: NodeId): Iterable<Container> {
		const owners = this.#entries.get(id)?.owners;
		if (owners instanceof Set) yield* owners;
		else if (owners) yield owners;
	}

	ids(): Iterable<NodeId> {
		return this.#entries.keys();
	}

	begin(): void {
		this.#addedChunks = [];
		this.#addedNodes = new Map();
		this.#reused.clear();
		this.#orphans.clear();
	}

	replace(container: Container, before: ReadonlySet<NodeId>, chunks: Iterable<NodeId>, nodes: Iterable<PlannedNode>): void {
		// Of what was empty nothing has to go: most files come once, and whole.
		const kept = before.size === 0 ? undefined : new Set<NodeId>();
		for (const id of chunks) {
			if (this.#hold(container, id, NO_CHILDREN, before, kept)) this.#addedChunks.push(id);
		}
		for (const node of nodes) {
			if (this.#hold(container, node.id, node.children, before, kept)) this.#addedNodes.set(node.id, node);
			else if (!this.#addedNodes.has(node.id)) this.#reused.add(node.id);
		}
		for (const id of before) if (!kept?.has(id)) this.#release(container, id);
	}

	finish(): HierarchyDelta {
		const removed: NodeId[] = [];
		for (const id of this.#orphans) {
			if (this.#entries.get(id)?.owners !== undefined) continue;
			this.#entries.delete(id);
			removed.push(id);
		}
		return {
			addedChunks: this.#addedChunks,
			addedNodes: [...this.#addedNodes.values()],
			removed,
			reusedNodes: this.#reused.size,
		};
	}

	/** True when the node is new. */
	#hold(
		container: Container,
		id: NodeId,
		children: readonly NodeId[],
		before: ReadonlySet<NodeId>,
		kept: Set<NodeId> | undefined,
	): boolean {
		if (kept?.has(id)) return false;
		kept?.add(id);
		if (before.has(id)) return false;
		const entry = this.#entries.get(id);
		if (!entry) {
			this.#entries.set(id, { children, owners: container });
			return true;
		}
		if (entry.owners === undefined) entry.owners = container;
		else if (entry.owners instanceof Set) entry.owners.add(container);
		else if (entry.owners !== container) entry.owners = new Set([entry.owners, container]);
		return false;
	}

	#release(container: Container, id: NodeId): void {
		const entry = this.#entries.get(id);
		invariant(entry, `released node ${id} is unknown`);
		if (entry.owners instanceof Set) {
			entry.owners.delete(container);
			if (entry.owners.size === 0) entry.owners = undefined;
		} else if (entry.owners === container) entry.owners = undefined;
		if (entry.owners === undefined) this.#orphans.add(id);
	}
}
