/**
 * The index of a folder that another process builds: reads what that one publishes, and asks it for what is missing here.
 *
 * Guarantees: never writes to the store and runs no model; a request is answered when the store agrees with the disk on its
 * files, or rejected by `close`, so that whoever takes over can ask again.
 *
 * Deliberately lacks: timers (`poll` is called), and the decision who builds.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { UpdateReport, WorkspaceReport } from 'hef-shared';
import { contentHash } from '../base/ids.ts';
import { type BuilderNote, OPENING } from '../store/claim.ts';
import type { Knock } from '../store/knocks.ts';
import { MAX_PATH_BYTES, type StoreReader } from '../store/types.ts';
import { Counters } from './counters.ts';
import { KnownFiles } from './known-files.ts';
import { publicationCount, publishedSince } from './publications.ts';
import { describeIndex, share } from './status.ts';
import { compareFolder, lookAt, type Suspect } from './survey.ts';
import { type Indexer, type IndexerOptions, type IndexRequest, LAST_UPDATE_KEY } from './types.ts';

export interface FollowerOptions extends Pick<IndexerOptions, 'workspace' | 'hierarchy' | 'clock' | 'events'> {
	store: StoreReader;
	/** Tells the builder. */
	ask(request: Knock): void;
	/** What the builder last said of itself. */
	builder(): BuilderNote | undefined;
}

export interface Follower extends Indexer {
	/** Reads what was published since, and answers the requests that it settles. Never rejects. */
	poll(): Promise<void>;
}

interface Waiting extends IndexRequest {
	sinceMs: number;
	resolve(report: UpdateReport): void;
	reject(error: unknown): void;
}

/** Comparing the folder with the disk is not free, so it is not done at each poll. */
const CHECK_MS = 2000;
/** A builder that is paused, or has had nothing to do for so long, does not do what was asked. */
const GIVE_UP_MS = 15_000;

export async function createFollower(options: FollowerOptions): Promise<Follower> {
	const follower = new FollowingIndexer(options);
	await follower.load();
	return follower;
}

class FollowingIndexer implements Follower {
	readonly #options: FollowerOptions;
	readonly #known = new KnownFiles();
	readonly #waiting = new Set<Waiting>();
	#publication = 0;
	#checkedMs = Number.NEGATIVE_INFINITY;
	#paused = false;
	#closed = false;
	#polling: Promise<void> = Promise.resolve();

	constructor(options: FollowerOptions) {
		this.#options = options;
	}

	async load(): Promise<void> {
		const { store, hierarchy } = this.#options;
		this.#publication = publicationCount(store);
		const gone = new Set(this.#known.paths());
		let count = 0;
		for (const [path, record] of store.files()) {
			gone.delete(path);
			this.#known.set(path, record);
			hierarchy.setFile(path, record.chunks);
			if (++count % 1000 === 0) await nextTurn();
		}
		for (const path of gone) this.#take(path);
		hierarchy.commit();
	}

	request(request: IndexRequest): Promise<UpdateReport> {
		const answer = new Promise<UpdateReport>((resolve, reject) => {
			if (this.#closed) return reject(new Error('the index was closed'));
			this.#waiting.add({ ...request, sinceMs: this.#options.clock.elapsed(), resolve, reject });
		});
		answer.catch(() => {});
		this.#checkedMs = Number.NEGATIVE_INFINITY;
		this.#options.ask(request);
		void this.poll();
		return answer;
	}

	async prioritise(paths: readonly string[]): Promise<void> {
		const unknown = paths.filter((path) => !this.#known.get(path));
		if (unknown.length > 0) this.#options.ask({ paths: unknown, reason: 'open' });
	}

	pause(): void {
		this.#paused = true;
	}

	resume(): void {
		this.#paused = false;
	}

	async idle(): Promise<void> {
		await this.#polling;
	}

	poll(): Promise<void> {
		this.#polling = this.#polling.then(() => this.#poll()).catch(() => {});
		return this.#polling;
	}

	activity(): Pick<WorkspaceReport, 'state' | 'pending'> {
		const builder = this.#options.builder();
		const state = this.#paused || builder?.state === 'paused' ? 'paused' : isBusy(builder) ? 'indexing' : 'ready';
		return { state, pending: builder?.pending ?? 0 };
	}

	report(): WorkspaceReport {
		const { store } = this.#options;
		const { state, pending } = this.activity();
		const report = describeIndex(
			{ ...this.#options, store: { sizeBytes: () => store.sizeBytes(), recovered: [] } },
			{ state, error: undefined, known: this.#known, waiting: [], failed: new Map(), lastUpdate: this.#lastUpdate() },
		);
		return { ...report, pending, searchable: share(this.#known.size, pending) };
	}

	async clear(): Promise<void> {
		this.#options.ask({ paths: 'all', reason: 'clear', clear: true });
	}

	async close(): Promise<void> {
		this.#closed = true;
		await this.#polling;
		for (const { reject } of this.#waiting) reject(new Error('the index was closed'));
		this.#waiting.clear();
		await this.#options.store.close();
	}

	async #poll(): Promise<void> {
		if (this.#closed) return;
		const { store, hierarchy, events, clock } = this.#options;
		store.refresh();
		const { number, paths } = publishedSince(store, this.#publication);
		const isNews = number !== this.#publication;
		if (isNews && paths === 'all') await this.load();
		else if (isNews) {
			for (const path of paths) this.#take(path);
			hierarchy.commit();
			this.#publication = number;
		}
		if (isNews) {
			events.published(paths);
			events.updated(this.#lastUpdate() ?? this.#nothing());
		}
		if (!isNews && clock.elapsed() - this.#checkedMs < CHECK_MS) return;
		this.#checkedMs = clock.elapsed();
		for (const waiting of [...this.#waiting]) {
			const isSettled = await this.#isSettled(waiting).catch((error: unknown) => this.#fail(waiting, error));
			if (isSettled) this.#settle(waiting);
		}
	}

	#take(path: string): void {
		const record = this.#options.store.getFile(path);
		this.#known.set(path, record ?? null);
		this.#options.hierarchy.setFile(path, record?.chunks ?? null);
	}

	/** The folder cannot be read. */
	#fail(waiting: Waiting, error: unknown): void {
		this.#waiting.delete(waiting);
		waiting.reject(error);
	}

	#settle(waiting: Waiting): void {
		this.#waiting.delete(waiting);
		waiting.resolve(this.#lastUpdate() ?? this.#nothing());
	}

	async #isSettled({ paths, sinceMs }: Waiting): Promise<boolean> {
		const { workspace, clock } = this.#options;
		const suspects = paths === 'all' ? await compareFolder(workspace, this.#known) : await lookAt(paths, workspace, this.#known);
		let agree = true;
		for (const suspect of suspects) agree &&= await this.#agrees(suspect);
		const builder = this.#options.builder();
		const isStill = builder?.state === 'paused' || (builder?.pending === 0 && !isBusy(builder));
		return agree || (isStill && clock.elapsed() - sinceMs > GIVE_UP_MS);
	}

	/** Whether the store says of a file what the disk says. */
	async #agrees({ path, file }: Suspect): Promise<boolean> {
		const known = this.#known.get(path);
		if (!file || Buffer.byteLength(path) > MAX_PATH_BYTES) return known === undefined;
		if (!known) return false;
		const source = await this.#options.workspace.read(path);
		if (source.kind === 'skipped') return known.skipped === source.reason;
		return known.skipped === undefined && known.contentHash === contentHash(source.text);
	}

	#lastUpdate(): UpdateReport | null {
		return JSON.parse(this.#options.store.getMeta(LAST_UPDATE_KEY) ?? 'null') as UpdateReport | null;
	}

	#nothing(): UpdateReport {
		const now = this.#options.clock.elapsed();
		return new Counters(now).report({ embedded: 0, fused: 0 }, now);
	}
}

function isBusy(builder: BuilderNote | undefined): boolean {
	return builder?.state === 'indexing' || builder?.state === OPENING;
}
