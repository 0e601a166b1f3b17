/**
 * Keeps the store of one workspace folder true to the disk: compares, chunks, embeds, fuses, writes, publishes.
 *
 * Guarantees: work is proportional to what changed, because vectors are looked up by content before they are made; records
 * and vectors of a slice of files are written in one transaction, so that a crash costs one slice and never leaves a record
 * without its vectors; one file's failure stops no other; whatever was asked for more than once while it waited is done
 * once; `idle` is true only when nothing waits. A vector that is missing or damaged is made again.
 *
 * Vectors that no file needs any more are kept, so that a branch switch and back embeds nothing, until they outnumber the
 * needed ones twice over; then they are deleted.
 *
 * Deliberately lacks: threads, timers, the watcher and the vector index. Changes are told to it, published ones told by it.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { UpdateReport, WorkspaceReport } from 'hef-shared';
import { HefError, messageOf } from '../base/errors.ts';
import { DamageSearch } from './damage-search.ts';
import { readRecord, saysTheSame } from './file-record.ts';
import { Garbage } from './garbage.ts';
import { Gatekeeper, IndexingStopped } from './gatekeeper.ts';
import { importsOfFiles } from './neighbourhood.ts';
import { publicationCount, publicationMeta } from './publications.ts';
import { Requests } from './requests.ts';
import { type Slice, SlicePace } from './slice.ts';
import { describeIndex } from './status.ts';
import { StoredIndex } from './stored-index.ts';
import { compareFolder, lookAt } from './survey.ts';
import { type Indexer, type IndexerOptions, type IndexRequest, LAST_UPDATE_KEY } from './types.ts';
import { CHECK_REASON, isNoNews, Update } from './update.ts';
import { type WorkItem, WorkList } from './work-list.ts';

/** An indexer that does nothing until it is asked; what the store holds it reads with the first request. */
export function createIndexer(options: IndexerOptions): Indexer {
	return new FolderIndexer(options);
}

class FolderIndexer implements Indexer {
	readonly #options: IndexerOptions;
	readonly #stored: StoredIndex;
	readonly #work = new WorkList();
	readonly #requests = new Requests();
	readonly #gatekeeper: Gatekeeper;
	readonly #garbage: Garbage;
	readonly #failed = new Map<string, string>();
	#draining: Promise<void> | undefined;
	/** Until the last request is answered; {@link #draining} ends a moment later. */
	#working = false;
	#update: Update;
	#pace: SlicePace;
	/** How often the order was changed; the last one counts. */
	#priorities = 0;
	#lastUpdate: UpdateReport | null = null;
	#error: string | undefined;
	readonly #damage: DamageSearch;

	constructor(options: IndexerOptions) {
		this.#options = options;
		this.#stored = new StoredIndex(options);
		this.#gatekeeper = new Gatekeeper(options);
		this.#garbage = new Garbage(options.store, options.hierarchy);
		this.#damage = new DamageSearch({
			clock: options.clock,
			stored: this.#stored,
			// What stopped the work stays in the status until somebody asks again, who then waits for this too.
			mayBegin: () => this.#error === undefined,
			begin: () => this.#start(),
		});
		this.#pace = new SlicePace(options.clock);
		this.#update = this.#beginUpdate();
	}

	async #read(): Promise<void> {
		if (this.#stored.isRead) return;
		await this.#stored.read();
		this.#lastUpdate = JSON.parse(this.#options.store.getMeta(LAST_UPDATE_KEY) ?? 'null') as UpdateReport | null;
	}

	request(request: IndexRequest): Promise<UpdateReport> {
		const answer = this.#requests.add(request);
		this.#start();
		return answer;
	}

	async prioritise(paths: readonly string[]): Promise<void> {
		this.#work.prioritise(paths);
		this.#pace.reorder();
		const turn = ++this.#priorities;
		const imported = await importsOfFiles(paths, this.#options.workspace);
		if (turn !== this.#priorities) return;
		this.#work.prioritise(paths, imported);
		this.#pace.reorder();
	}

	pause(): void {
		this.#gatekeeper.pause();
	}

	resume(): void {
		this.#gatekeeper.resume();
		this.#update.resumed();
	}

	async idle(): Promise<void> {
		while (this.#draining) await this.#draining;
	}

	activity(): Pick<WorkspaceReport, 'state' | 'pending'> {
		const state = this.#error ? 'error' : this.#gatekeeper.paused ? 'paused' : this.#working || !this.#stored.isRead ? 'indexing' : 'ready';
		return { state, pending: this.#work.size };
	}

	report(): WorkspaceReport {
		if (!this.#working && this.#stored.isRead) this.#stored.growTree();
		return describeIndex(this.#options, {
			state: this.activity().state,
			error: this.#error,
			known: this.#stored.known,
			waiting: [...this.#work.paths()],
			failed: this.#failed,
			lastUpdate: this.#lastUpdate,
		});
	}

	async clear(): Promise<void> {
		const { store, events } = this.#options;
		this.#damage.cancel();
		this.#gatekeeper.stop();
		await this.idle();
		this.#work.clear();
		this.#requests.fail(new Error('the index was cleared'));
		try {
			await store.clear();
			this.#failed.clear();
			this.#stored.distrust();
			await this.#read();
			this.#stored.growTree();
		} finally {
			this.#gatekeeper.restart();
		}
		events.published('all');
		if (this.#requests.hasIncoming) this.#start();
	}

	async close(): Promise<void> {
		this.#damage.cancel();
		this.#gatekeeper.stop();
		await this.idle();
		this.#requests.close(new Error('the index was closed'));
		await this.#options.store.close();
	}

	#start(): void {
		if (this.#draining || this.#gatekeeper.stopped) return;
		this.#working = true;
		this.#draining = this.#drain().finally(() => {
			this.#draining = undefined;
			if (this.#requests.hasIncoming) this.#start();
		});
	}

	/** Works until nothing waits. */
	async #drain(): Promise<void> {
		this.#update = this.#beginUpdate();
		this.#pace = new SlicePace(this.#options.clock);
		this.#error = undefined;
		try {
			await this.#read();
			while (this.#requests.hasIncoming || this.#work.size > 0 || this.#damage.isDue) {
				await this.#gatekeeper.checkpoint();
				for (const { id, request } of this.#requests.takeIncoming()) await this.#survey(id, request);
				if (this.#work.size > 0 || this.#damage.missingNodes.length > 0) await this.#runSlice();
				else if (this.#damage.isDue) await this.#verify();
			}
			await this.#finish();
		} catch (error) {
			await this.#giveUp(error);
		}
	}

	/** Puts the files that a request is about on the work list. */
	async #survey(id: symbol, { paths, reason, soon = false }: IndexRequest): Promise<void> {
		const { workspace } = this.#options;
		this.#update.counters.addReason(reason);
		try {
			const suspects =
				paths === 'all' ? await compareFolder(workspace, this.#stored.known) : await lookAt(paths, workspace, this.#stored.known);
			if (paths === 'all' && !this.#stored.isVerified) {
				if (soon) this.#damage.searchLater();
				else suspects.push(...(await this.#damage.search(() => this.#gatekeeper.checkpoint())));
			}
			const distinct = new Map(suspects.map(({ path, file }) => [path, file]));
			this.#requests.expect(id, distinct.size);
			for (const [path, file] of distinct) this.#work.add(path, file, { urgent: paths !== 'all', request: id });
		} catch (error) {
			this.#error = messageOf(error);
			this.#requests.failOne(id, error);
		}
	}

	/** Answers whoever need not wait for it, and looks for what damage took. */
	async #verify(): Promise<void> {
		this.#update.counters.addReason(CHECK_REASON);
		this.#requests.settle(this.#update.report());
		// The answer leaves before the thread is busy again.
		await nextTurn();
		const request = Symbol('damage');
		for (const { path, file } of await this.#damage.search(() => this.#gatekeeper.checkpoint()))
			this.#work.add(path, file, { urgent: false, request });
	}

	async #runSlice(): Promise<void> {
		const { hierarchy } = this.#options;
		this.#stored.growTree();
		const slice = this.#pace.begin(this.#work.size);
		// What the user looks at is published as soon as it is there.
		while (this.#pace.hasRoom(slice) && !(this.#work.atBorder && slice.items.length > 0)) {
			await this.#gatekeeper.checkpoint();
			const item = this.#work.take();
			if (!item) break;
			slice.items.push(item);
			await this.#indexFile(item, slice);
			this.#update.reportProgress(item, this.#work);
			if (this.#requests.hasIncoming) break;
		}
		this.#pace.end();
		this.#stored.distrust();
		const delta = hierarchy.commit();
		this.#update.counters.nodesRemoved += delta.removed.length;
		this.#garbage.grow(delta.removed.length);
		this.#update.counters.nodesReused += delta.reusedNodes + (await this.#update.builder.fuse(delta.addedNodes));
		for (const id of this.#damage.missingNodes.splice(0)) await this.#update.builder.rebuild(id);
		await this.#writeSlice(slice);
		this.#stored.trust();
		this.#requests.fileDone(slice.items.flatMap((item) => [...item.requests]));
		if (this.#work.size > 0) this.#requests.settle(this.#update.report());
	}

	/** Adds a file to the slice. A failure is the file's own, unless no model can be loaded at all. */
	async #indexFile({ path, file }: WorkItem, slice: Slice): Promise<void> {
		const { workspace, chunker, spaceId, store, clock, logger } = this.#options;
		const known = this.#stored.known.get(path);
		try {
			this.#failed.delete(path);
			const read = await readRecord(path, file, { workspace, chunker, spaceId, store, known: this.#stored.known, now: () => clock.now() });
			if (!read && !known) return;
			if (read && (await this.#update.embedMissing(read.record, read.text))) slice.filesWithModel++;
			slice.records.set(path, read?.record ?? null);
			this.#stored.setFile(path, read?.record.chunks ?? null);
			if (read && saysTheSame(read.record, known)) return;
			this.#update.counters.filesChanged++;
			slice.published.push(path);
		} catch (error) {
			if (error instanceof IndexingStopped || (error instanceof HefError && error.code !== 'inference-failed')) throw error;
			this.#failed.set(path, messageOf(error));
			logger.warn(`${path} could not be indexed: ${messageOf(error)}`);
		}
	}

	async #writeSlice(slice: Slice): Promise<void> {
		const { store, events } = this.#options;
		const vectors = this.#update.builder.takeFresh();
		if (slice.records.size > 0 || vectors.size > 0) {
			const meta = publicationMeta(publicationCount(store) + 1, [...slice.records.keys()]);
			await store.write({ files: slice.records, vectors, meta });
		}
		for (const [path, record] of slice.records) this.#stored.known.set(path, record);
		if (slice.published.length > 0 || vectors.size > 0) events.published(slice.published);
	}

	async #finish(): Promise<void> {
		const { store, events } = this.#options;
		const report = this.#update.report();
		if (!isNoNews(report) || !this.#lastUpdate) {
			await store.write({ meta: [[LAST_UPDATE_KEY, JSON.stringify(report)]] });
			this.#lastUpdate = report;
		}
		// What is unneeded is known once all is.
		if (this.#stored.isVerified) await this.#tidyUp();
		await this.#update.closeDonors();
		this.#working = false;
		events.updated(report);
		this.#requests.settle(report);
	}

	#beginUpdate(): Update {
		const [isFirst, checkpoint] = [() => this.#lastUpdate === null, () => this.#gatekeeper.checkpoint()];
		return new Update({ ...this.#options, isFirst, checkpoint });
	}

	async #tidyUp(): Promise<void> {
		const { store, isOverBudget = () => false } = this.#options;
		this.#stored.growTree();
		const isOver = isOverBudget();
		const removed = await this.#garbage.collect(() => this.#gatekeeper.checkpoint(), isOver);
		if (isOver && removed > 0) await store.compact();
	}

	/** Keeps the vectors that are ready: they are named by content, so they are right whatever comes next. */
	async #giveUp(error: unknown): Promise<void> {
		const { store, logger, events } = this.#options;
		this.#stored.distrust();
		this.#working = false;
		await this.#update.closeDonors().catch(() => {});
		const vectors = this.#update.builder.takeFresh();
		if (vectors.size > 0) await store.write({ vectors }).catch((problem: unknown) => logger.warn(messageOf(problem)));
		if (error instanceof IndexingStopped) return;
		this.#error = messageOf(error);
		logger.error(`indexing stopped: ${this.#error}`);
		this.#work.clear();
		this.#requests.fail(error);
		events.updated(this.#update.report());
	}
}
