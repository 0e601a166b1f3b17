/**
 * What the store holds of a folder, read no sooner than it is needed: which files there are before anything else, their chunks and
 * the tree over them when something changes, and the vectors, each of which is looked for once, last.
 *
 * Guarantees: after {@link StoredIndex.distrust} everything is read again; a store that is empty when it is read has lost nothing.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { NodeId } from '../base/ids.ts';
import type { ChunkPlace, Hierarchy } from '../hierarchy/types.ts';
import type { Store } from '../store/types.ts';
import type { Workspace } from '../workspace/types.ts';
import { KnownFiles } from './known-files.ts';
import { findMissingVectors } from './repair.ts';
import type { Suspect } from './survey.ts';

const FILES_PER_TURN = 1000;

export interface StoredIndexOptions {
	store: Store;
	/** Empty; filled from the store. */
	hierarchy: Hierarchy;
	workspace: Pick<Workspace, 'stat'>;
}

export class StoredIndex {
	readonly known = new KnownFiles();
	readonly #options: StoredIndexOptions;
	/** Nothing was read yet, or memory may be ahead of the store after a failed write. */
	#mustRead = true;
	/** The tree is not that of the files that were read. */
	#mustGrow = false;
	/** Files that the tree had when it was last that of the store. */
	#inTree: readonly string[] = [];
	/** Files that were put into the tree and are not in the store yet. */
	readonly #ahead = new Set<string>();
	#verified = false;

	constructor(options: StoredIndexOptions) {
		this.#options = options;
	}

	/** Whether what is in memory says what the store says. */
	get isRead(): boolean {
		return !this.#mustRead;
	}

	/** Whether every vector was looked for since the start. */
	get isVerified(): boolean {
		return this.#verified;
	}

	/** Memory may say more than the store; `trust` takes it back. */
	distrust(): void {
		this.#mustRead = true;
	}

	trust(): void {
		this.#mustRead = false;
		this.#ahead.clear();
	}

	/** Puts a file into the tree, ahead of the store. */
	setFile(path: string, chunks: readonly ChunkPlace[] | null): void {
		this.#ahead.add(path);
		this.#options.hierarchy.setFile(path, chunks);
	}

	/** Reads which files there are, if that is not known. */
	async read(): Promise<void> {
		if (!this.#mustRead) return;
		if (!this.#mustGrow) this.#inTree = [...this.known.paths()];
		this.known.clear();
		let count = 0;
		for (const [path, summary] of this.#options.store.summaries()) {
			this.known.set(path, summary);
			if (++count % FILES_PER_TURN === 0) await nextTurn();
		}
		this.#mustGrow = true;
		this.#verified ||= this.known.size === 0;
		this.#mustRead = false;
	}

	/** Makes the tree that of the files that were read. To be called before anything else is put into it. */
	growTree(): void {
		if (!this.#mustGrow) return;
		const { store, hierarchy } = this.#options;
		for (const path of [...this.#inTree, ...this.#ahead]) hierarchy.setFile(path, null);
		for (const [path, { chunks }] of store.chunks()) hierarchy.setFile(path, chunks);
		hierarchy.commit();
		this.#inTree = [];
		this.#ahead.clear();
		this.#mustGrow = false;
	}

	/** Looks for every vector: files whose chunks lack theirs, and inner nodes that do. @param checkpoint awaited now and then */
	async findDamage(checkpoint: () => Promise<void>): Promise<{ files: Suspect[]; nodes: NodeId[] }> {
		this.growTree();
		const { paths, nodes } = await findMissingVectors(this.#options, checkpoint);
		const files: Suspect[] = [];
		for (const path of paths) files.push({ path, file: await this.#options.workspace.stat(path) });
		this.#verified = true;
		return { files, nodes };
	}
}
