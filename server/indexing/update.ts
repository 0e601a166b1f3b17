/**
 * One update of an index, from the first request to the moment when nothing waits: what it has made so far, and how far it is.
 * Vectors come from the store, from another index, or from the models.
 */
import type { UpdateReport } from 'hef-shared';
import type { NodeId } from '../base/ids.ts';
import { chunkText } from '../chunking/chunk-text.ts';
import type { Donors } from '../store/donors.ts';
import type { FileRecord } from '../store/types.ts';
import { Counters } from './counters.ts';
import { RemainingTime } from './remaining-time.ts';
import { textOfChunk } from './repair.ts';
import type { IndexerOptions } from './types.ts';
import { VectorBuilder } from './vector-builder.ts';
import type { WorkItem, WorkList } from './work-list.ts';

export interface UpdateOptions extends IndexerOptions {
	/** Whether the folder was never indexed to the end. */
	isFirst(): boolean;
	/** Awaited between runs of the models. */
	checkpoint(): Promise<void>;
}

/** Telling another thread takes as long as embedding a chunk, and nobody reads faster. */
const PROGRESS_MS = 50;

export class Update {
	readonly counters: Counters;
	readonly builder: VectorBuilder;
	readonly #options: UpdateOptions;
	readonly #remaining: RemainingTime;
	#donors: Donors | undefined;
	#reportedMs = Number.NEGATIVE_INFINITY;

	constructor(options: UpdateOptions) {
		this.#options = options;
		this.counters = new Counters(options.clock.elapsed());
		this.#remaining = new RemainingTime(options.clock);
		this.builder = this.#createBuilder();
	}

	/** Whether the embedder had to run. */
	async embedMissing(record: FileRecord, text: string): Promise<boolean> {
		const before = this.builder.embedded;
		// All at once: the store's view of its file ends with a turn, and another one costs more than looking into it.
		const missing = record.chunks.filter(({ id }) => !this.builder.has(id) && !this.builder.borrow(id));
		this.counters.chunksReused += record.chunks.length - missing.length;
		for (const chunk of missing) {
			if (this.builder.isFresh(chunk.id)) this.counters.chunksReused++;
			else await this.builder.embed(chunk.id, chunkText(text, chunk));
		}
		return this.builder.embedded > before;
	}

	report(): UpdateReport {
		return this.counters.report(this.builder, this.#options.clock.elapsed());
	}

	reportProgress({ file }: WorkItem, work: WorkList): void {
		const filesDone = ++this.counters.filesDone;
		this.#remaining.done(file?.sizeBytes ?? 0);
		const now = this.#options.clock.elapsed();
		if (work.size > 0 && now - this.#reportedMs < PROGRESS_MS) return;
		this.#reportedMs = now;
		const remainingMs = this.#remaining.estimate(work.sizeBytes);
		this.#options.events.progress({
			filesDone,
			filesTotal: filesDone + work.size,
			reason: this.counters.reason,
			...(remainingMs === undefined ? {} : { remainingMs }),
		});
	}

	/** The time that passed is no measure of the time to come. */
	resumed(): void {
		this.#remaining.restart();
	}

	async closeDonors(): Promise<void> {
		const donors = this.#donors;
		this.#donors = undefined;
		await donors?.close();
	}

	/** From another index, while this one is built for the first time or for another branch. */
	#borrow(id: NodeId): Float32Array | undefined {
		if (!this.#options.isFirst() && !this.counters.reason.includes('branch')) return undefined;
		this.#donors ??= this.#options.openDonors?.();
		return this.#donors?.getVector(id);
	}

	#createBuilder(): VectorBuilder {
		const { store, hierarchy, tokenizer, embedder, fuser, checkpoint } = this.#options;
		return new VectorBuilder({
			stored: store,
			tokenizer,
			embedder,
			fuser,
			node: (id) => hierarchy.node(id),
			borrow: (id) => this.#borrow(id),
			chunkText: (id) => textOfChunk(id, this.#options),
			checkpoint,
		});
	}
}

/** The search for damage after a start. */
export const CHECK_REASON = 'check';
/** What asks by itself, as against the user or a start. */
const UNASKED: ReadonlySet<string> = new Set([CHECK_REASON, 'save', 'watch', 'focus', 'missed', 'open', 'rules']);

/** A look that nobody asked for and that found nothing does not hide what the last update did. */
export function isNoNews(report: UpdateReport): boolean {
	return report.reason.split(', ').every((each) => UNASKED.has(each)) && changedNothing(report);
}

export function changedNothing({ filesChanged, chunksEmbedded, nodesFused, nodesRemoved }: UpdateReport): boolean {
	return filesChanged + chunksEmbedded + nodesFused + nodesRemoved === 0;
}
