/**
 * The vector index of a view, brought to hold exactly the nodes of its tree.
 *
 * Guarantees: a node whose vector is not in the store yet is left out, counted as wanted, and taken up when it is asked for again;
 * whatever a snapshot has too much goes. Long work rests between two nodes, and ends early when it is closed.
 *
 * Deliberately lacks: any say in which nodes there are.
 */
import type { NodeId } from '../base/ids.ts';
import type { Hierarchy, HierarchyDelta } from '../hierarchy/types.ts';
import type { StoreReader } from '../store/types.ts';
import type { GraphIndex } from '../vector-index/types.ts';
import type { SlicedWork } from './sliced-work.ts';

export interface NodeVectorsOptions {
	/** Empty where there may be a snapshot. */
	index: GraphIndex;
	hierarchy: Hierarchy;
	store: Pick<StoreReader, 'getVector'>;
	work: Pick<SlicedWork, 'closed' | 'rest'>;
	/** A vector came or went. */
	changed(): void;
}

export class NodeVectors {
	readonly #options: NodeVectorsOptions;
	#index: GraphIndex;
	/** Nodes of the hierarchy that the index has not taken up. */
	readonly #wanted = new Set<NodeId>();

	constructor(options: NodeVectorsOptions) {
		this.#options = options;
		this.#index = options.index;
	}

	/** As it is now; a snapshot may take its place. */
	get index(): GraphIndex {
		return this.#index;
	}

	/** Share of the hierarchy's nodes that the index has, 0–1; 0 while there are none. */
	get readyShare(): number {
		const { nodeCount } = this.#options.hierarchy;
		return nodeCount === 0 ? 0 : 1 - this.#wanted.size / nodeCount;
	}

	/** Goes on with what was kept of an earlier index. */
	replaceBy(index: GraphIndex): void {
		this.#index = index;
		for (const id of this.#wanted) if (index.has(id)) this.#wanted.delete(id);
	}

	/** What a commit of the hierarchy changed. */
	accept(delta: HierarchyDelta): void {
		for (const id of delta.addedChunks) this.#want(id);
		for (const { id } of delta.addedNodes) this.#want(id);
		for (const id of delta.removed) {
			this.#wanted.delete(id);
			if (!this.#index.has(id)) continue;
			this.#index.remove(id);
			this.#options.changed();
		}
	}

	/** Adds the vectors that the store has by now. */
	async takeUp(): Promise<void> {
		const { store, work, changed } = this.#options;
		for (const id of [...this.#wanted]) {
			if (work.closed) return;
			const vector = store.getVector(id);
			if (vector) {
				this.#index.add(id, vector);
				this.#wanted.delete(id);
				changed();
			}
			await work.rest();
		}
	}

	/** Removes what a snapshot holds beyond the hierarchy. */
	async removeOthers(): Promise<void> {
		const { hierarchy, work } = this.#options;
		if (this.#index.size + this.#wanted.size === hierarchy.nodeCount) return;
		for (const id of [...this.#index.ids()]) {
			if (work.closed) return;
			if (!hierarchy.has(id)) this.#index.remove(id);
			await work.rest();
		}
	}

	#want(id: NodeId): void {
		if (!this.#index.has(id)) this.#wanted.add(id);
	}
}
