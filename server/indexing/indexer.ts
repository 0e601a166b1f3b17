/**
 * Keeps the store of one workspace folder true to the disk: takes requests, compares, puts what differs on a list, and works it off
 * slice by slice (`slice-work.ts`).
 *
 * Guarantees: work is proportional to what changed, because vectors are looked up by content before they are made; whatever was
 * asked for more than once while it waited is done once; `idle` is true only when nothing waits. A vector that is missing or
 * damaged is made again.
 *
 * Vectors that no file needs any more are kept, so that a branch switch and back embeds nothing, until they outnumber the
 * needed ones twice over; then they are deleted.
 *
 * Deliberately lacks: threads, timers, the watcher and the vector index. Changes are told to it, published ones told by it.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { UpdateReport, WorkspaceReport } from 'hef-shared';
import { messageOf } from '../base/errors.ts';
import { DiskFull } from '../store/lmdb-store.ts';
import { DamageSearch } from './damage-search.ts';
import { Garbage } from './garbage.ts';
import { Gatekeeper, IndexingStopped } from './gatekeeper.ts';
import { importsOfFiles } from './neighbourhood.ts';
import { Requests } from './requests.ts';
import { SliceWork } from './slice-work.ts';
import { describeIndex } from './status.ts';
import { StoredIndex } from './stored-index.ts';
import { compareFolder, lookAt } from './survey.ts';
import { type Indexer, type IndexerOptions, type IndexRequest, LAST_UPDATE_KEY } from './types.ts';
import { CHECK_REASON, changedNothing, isNoNews, Update } from './update.ts';
import { WorkList } from './work-list.ts';

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
	readonly #slices: SliceWork;
	readonly #damage: DamageSearch;
	#draining: Promise<void> | undefined;
	/** Until the last request is answered; {@link #draining} ends a moment later. */
	#working = false;
	#update: Update;
	/** How often the order was changed; the last one counts. */
	#priorities = 0;
	#lastUpdate: UpdateReport | null = null;
	#error: string | undefined;

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
		this.#slices = new SliceWork({
			...options,
			stored: this.#stored,
			work: this.#work,
			takeMissingNodes: () => this.#damage.missingNodes.splice(0),
			nodesRemoved: (count) => this.#garbage.grow(count),
			checkpoint: () => this.#gatekeeper.checkpoint(),
			isAsked: () => this.#requests.hasIncoming,
		});
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
		this.#slices.reorder();
		const turn = ++this.#priorities;
		const imported = await importsOfFiles(paths, this.#options.workspace);
		if (turn !== this.#priorities) return;
		this.#work.prioritise(paths, imported);
		this.#slices.reorder();
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
			failed: this.#slices.failed,
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
			this.#slices.failed.clear();
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
		this.#slices.restart();
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
			// One that failed and was never stored is missed by nobody when it is gone.
			for (const path of this.#slices.failed.keys())
				if (!distinct.has(path) && (paths === 'all' || paths.includes(path))) distinct.set(path, undefined);
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
		const items = await this.#slices.run(this.#update);
		this.#requests.fileDone(items.flatMap((item) => [...item.requests]));
		if (this.#work.size > 0) this.#requests.settle(this.#update.report());
	}

	async #finish(): Promise<void> {
		const { store, events } = this.#options;
		const report = this.#update.report();
		if (!isNoNews(report) || !this.#lastUpdate) {
			// A write waits for the disk, and most starts change nothing.
			if (!changedNothing(report) || !this.#lastUpdate) await store.write({ meta: [[LAST_UPDATE_KEY, JSON.stringify(report)]] });
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
		const { store, logger, isOverBudget = () => false } = this.#options;
		this.#stored.growTree();
		const isOver = isOverBudget();
		try {
			const removed = await this.#garbage.collect(() => this.#gatekeeper.checkpoint(), isOver);
			if (isOver && removed > 0) await store.compact();
		} catch (error) {
			// Even deleting takes room at first. Nothing that is needed is missing.
			if (!(error instanceof DiskFull)) throw error;
			logger.warn(messageOf(error));
		}
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
