/**
 * Brings the files that wait into the store, a slice at a time: read, cut, embedded, fused, written in one transaction, published.
 *
 * Guarantees: a crash costs one slice and never leaves a record without its vectors; one file's failure stops no other, and is
 * remembered until the file is read again. What the user looks at is published as soon as it is there.
 *
 * Deliberately lacks: who asked for the files, and whether work may go on; a checkpoint that throws ends the slice, unwritten.
 */
import { HefError, messageOf } from '../base/errors.ts';
import type { NodeId } from '../base/ids.ts';
import { readRecord, saysTheSame } from './file-record.ts';
import { IndexingStopped } from './gatekeeper.ts';
import { publicationCount, publicationMeta } from './publications.ts';
import { type Slice, SlicePace } from './slice.ts';
import type { StoredIndex } from './stored-index.ts';
import type { IndexerOptions } from './types.ts';
import type { Update } from './update.ts';
import type { WorkItem, WorkList } from './work-list.ts';

export interface SliceWorkOptions
	extends Pick<IndexerOptions, 'workspace' | 'store' | 'hierarchy' | 'chunker' | 'spaceId' | 'clock' | 'logger' | 'events'> {
	stored: StoredIndex;
	work: WorkList;
	/** Inner nodes whose vectors damage took, to be made again. */
	takeMissingNodes(): NodeId[];
	/** So many nodes more are not needed. */
	nodesRemoved(count: number): void;
	/** Awaited before each file. */
	checkpoint(): Promise<void>;
	/** Whether somebody asks for something else: the slice ends with the file under way. */
	isAsked(): boolean;
}

export class SliceWork {
	/** Why single files could not be indexed, by path. */
	readonly failed = new Map<string, string>();
	readonly #options: SliceWorkOptions;
	#pace: SlicePace;

	constructor(options: SliceWorkOptions) {
		this.#options = options;
		this.#pace = new SlicePace(options.clock);
	}

	/** The next slice is a small one. */
	restart(): void {
		this.#pace = new SlicePace(this.#options.clock);
	}

	/** The order of work has changed: the slice under way ends, and the next one is small. */
	reorder(): void {
		this.#pace.reorder();
	}

	/** @returns the files that are done with */
	async run(update: Update): Promise<readonly WorkItem[]> {
		const { stored, hierarchy, work, takeMissingNodes, nodesRemoved, checkpoint, isAsked } = this.#options;
		stored.growTree();
		const slice = this.#pace.begin(work.size);
		while (this.#pace.hasRoom(slice) && !(work.atBorder && slice.items.length > 0)) {
			await checkpoint();
			const item = work.take();
			if (!item) break;
			slice.items.push(item);
			await this.#indexFile(item, slice, update);
			update.reportProgress(item, work);
			if (isAsked()) break;
		}
		this.#pace.end();
		stored.distrust();
		const { addedNodes, removed, reusedNodes } = hierarchy.commit();
		update.counters.nodesRemoved += removed.length;
		nodesRemoved(removed.length);
		update.counters.nodesReused += reusedNodes + (await update.builder.fuse(addedNodes));
		for (const id of takeMissingNodes()) await update.builder.rebuild(id);
		await this.#write(slice, update);
		stored.trust();
		return slice.items;
	}

	/** Adds a file to the slice. A failure is the file's own, unless no model can be loaded at all. */
	async #indexFile({ path, file }: WorkItem, slice: Slice, update: Update): Promise<void> {
		const { stored, clock, logger } = this.#options;
		const known = stored.known.get(path);
		try {
			this.failed.delete(path);
			const read = await readRecord(path, file, { ...this.#options, known: stored.known, now: () => clock.now() });
			if (!read && !known) return;
			if (read && (await update.embedMissing(read.record, read.text))) slice.filesWithModel++;
			slice.records.set(path, read?.record ?? null);
			stored.setFile(path, read?.record.chunks ?? null);
			if (read && saysTheSame(read.record, known)) return;
			update.counters.filesChanged++;
			slice.published.push(path);
		} catch (error) {
			if (error instanceof IndexingStopped || (error instanceof HefError && error.code !== 'inference-failed')) throw error;
			this.failed.set(path, messageOf(error));
			logger.warn(`${path} could not be indexed: ${messageOf(error)}`);
		}
	}

	async #write({ records, published }: Slice, update: Update): Promise<void> {
		const { store, stored, events } = this.#options;
		const vectors = update.builder.takeFresh();
		if (records.size > 0 || vectors.size > 0) {
			const meta = publicationMeta(publicationCount(store) + 1, [...records.keys()]);
			await store.write({ files: records, vectors, meta });
		}
		for (const [path, record] of records) stored.known.set(path, record);
		if (published.length > 0 || vectors.size > 0) events.published(published);
	}
}
