/**
 * The index of one workspace folder, whoever builds it: this process, or another one that has the same folder open, until that
 * one goes.
 *
 * Guarantees: one process builds and the others follow; when the builder ends, by whatever death, one of the others takes over
 * within a second and compares the folder with the disk; requests under way survive the change. A cache that cannot be
 * used (read-only, full, of another model bundle that is in use) is replaced by a temporary one for this run, and the status
 * says so.
 *
 * Deliberately lacks: models and the watcher, which the worker gives it.
 */
import { rmSync } from 'node:fs';
import type { UpdateReport, WorkspaceReport } from 'hef-shared';
import type { Clock } from '../base/clock.ts';
import { HefError, invariant, messageOf } from '../base/errors.ts';
import type { SpaceId } from '../base/ids.ts';
import type { Logger } from '../base/logger.ts';
import type { Hierarchy } from '../hierarchy/types.ts';
import { type Claim, createClaims, OPENING, RENEW_MS } from '../store/claim.ts';
import { openDonors } from '../store/donors.ts';
import { knock, takeKnocks } from '../store/knocks.ts';
import { existingStorePath, makeCacheFolder, openStore, openStoreReader, storeFormat, workspaceCacheFolder } from '../store/lmdb-store.ts';
import { createPause, type Pause } from '../store/pause.ts';
import { makeTemporaryFolder } from '../store/temporary-store.ts';
import type { Store } from '../store/types.ts';
import type { Workspace } from '../workspace/types.ts';
import { CacheBudget } from './cache-budget.ts';
import { createFollower, type Follower } from './follower.ts';
import type { Indexer, IndexerEvents, IndexerOptions, IndexRequest } from './types.ts';

export interface FolderIndexOptions {
	/** Absolute path of the workspace folder. */
	folder: string;
	workspace: Workspace;
	/** Folder that holds the caches of all workspaces. */
	cacheFolder: string;
	spaceId: SpaceId;
	/** Numbers in a vector. */
	dimension: number;
	/** What the caches of all workspaces may take on disk. Default no limit. */
	budgetBytes?: number;
	/** Whether a cache that cannot be used is replaced by a temporary one: for an editor, not for a command that fills the cache. */
	mayBuildAside: boolean;
	/** The indexer that writes a store. */
	createIndexer(store: Store, parts: Pick<IndexerOptions, 'events' | 'isOverBudget' | 'openDonors'>): Promise<Indexer>;
	createHierarchy(): Hierarchy;
	clock: Clock;
	logger: Logger;
	events: IndexerEvents & {
		/** Another store holds the index from now on. */
		moved(storePath: string): void;
		/** Here or in another editor. */
		paused?(isPaused: boolean): void;
		/** Something the user should read. */
		problem(message: string): void;
	};
}

export interface FolderIndex {
	/** Where the store lies now. */
	readonly storePath: string;
	request(request: IndexRequest): Promise<UpdateReport>;
	prioritise(paths: readonly string[]): Promise<void>;
	/** In every editor that has the folder open, as is {@link resume}. */
	pause(): void;
	resume(): void;
	report(): WorkspaceReport;
	/** A sentence for the status. */
	addNotice(message: string): void;
	/** Empties the index; resolves with the place of the new store. What refills it is a request of its own. */
	clear(): Promise<string>;
	/** Gives the claim back without waiting for anything: the thread ends. */
	abandon(): void;
	close(): Promise<void>;
}

/** How soon news of other processes are seen. */
const TICK_MS = 500;
/** How soon a store is tried again that could not be opened. */
const TRY_AGAIN_MS = 10_000;
/** A builder that was just started needs a moment to make its store. */
const STORE_WAIT_MS = 10_000;

/** Builds, with a claim or in a store of its own, or follows. */
type Role =
	| { kind: 'builder'; indexer: Indexer; store: Store; claim?: Claim; temporary?: string }
	| { kind: 'follower'; indexer: Follower; storePath: string };

/** @throws HefError `cache-unavailable` when not even a temporary folder can be written */
export async function openFolderIndex(options: FolderIndexOptions): Promise<FolderIndex> {
	const index = new SharedFolderIndex(options);
	await index.open();
	return index;
}

class SharedFolderIndex implements FolderIndex {
	readonly #options: FolderIndexOptions;
	readonly #cache: string;
	readonly #budget: CacheBudget;
	readonly #claims: ReturnType<typeof createClaims>;
	readonly #pause: Pause;
	/** Replaced before the old role is given up, so that whoever was rejected by that asks the new one. */
	#role: Promise<Role>;
	#current: Role | undefined;
	#paused = false;
	#openFiles: readonly string[] = [];
	#notices: string[] = [];
	#closed = false;
	#cancelTick = () => {};
	#renewedMs = 0;
	#cacheFailures = 0;
	/** Why no store could be opened; it is tried again. */
	#failure: string | undefined;
	#triedMs = Number.NEGATIVE_INFINITY;
	/** The store that the others of this process know. */
	#toldPath: string | undefined;

	constructor(options: FolderIndexOptions) {
		this.#options = options;
		this.#cache = workspaceCacheFolder(options.cacheFolder, options.folder);
		const { cacheFolder, budgetBytes, clock, logger } = options;
		this.#budget = new CacheBudget({ cacheFolder, budgetBytes, keep: this.#cache, clock, logger });
		this.#claims = createClaims({ folder: this.#cache, space: storeFormat(options.spaceId) });
		this.#pause = createPause(this.#cache);
		this.#role = Promise.reject(new Error('not open'));
		this.#role.catch(() => {});
	}

	async open(): Promise<void> {
		this.#change(() => this.#chooseRole());
		await this.#role;
		this.#scheduleTick();
	}

	get storePath(): string {
		invariant(this.#current, 'a folder index is open before it is used');
		return this.#current.kind === 'builder' ? this.#current.store.path : this.#current.storePath;
	}

	async request(request: IndexRequest): Promise<UpdateReport> {
		for (let wanted = request; ; ) {
			const asked = this.#role;
			const { indexer } = await asked;
			try {
				return await indexer.request(wanted);
			} catch (error) {
				if (this.#closed) throw error;
				if (this.#role === asked && !this.#replaceStore(error)) throw error;
				wanted = { ...request, paths: 'all' };
			}
		}
	}

	async prioritise(paths: readonly string[]): Promise<void> {
		this.#openFiles = paths;
		await (await this.#role).indexer.prioritise(paths);
	}

	pause(): void {
		this.#pause.set();
		this.#followPause();
	}

	resume(): void {
		this.#pause.lift();
		this.#followPause();
	}

	report(): WorkspaceReport {
		invariant(this.#current, 'a folder index is open before it is used');
		const own = this.#current.kind === 'builder';
		const notices = [...this.#notices, ...(this.#budget.notice ? [this.#budget.notice] : [])];
		const pid = own ? process.pid : this.#claims.builder()?.pid;
		const report = this.#current.indexer.report();
		const pausedBy = this.#pause.by();
		return {
			...report,
			...(report.state === 'paused' && pausedBy !== undefined && pausedBy !== process.pid
				? { message: `paused in the editor of process ${pausedBy}` }
				: {}),
			...(this.#failure === undefined ? {} : { state: 'error' as const, message: this.#failure }),
			...(pid === undefined ? {} : { builder: { pid, own } }),
			...(notices.length > 0 ? { notices } : {}),
		};
	}

	addNotice(message: string): void {
		if (!this.#notices.includes(message)) this.#notices.push(message);
	}

	async clear(): Promise<string> {
		const role = await this.#role;
		const before = this.storePath;
		await role.indexer.clear();
		if (role.kind === 'follower') await this.#until(() => this.storePath !== before);
		this.#toldPath = this.storePath;
		return this.storePath;
	}

	abandon(): void {
		this.#pause.release();
		if (this.#current?.kind === 'builder') this.#current.claim?.release();
	}

	async close(): Promise<void> {
		this.#closed = true;
		this.#cancelTick();
		const role = await this.#role.catch(() => undefined);
		this.#pause.release();
		if (role) await this.#giveUp(role);
	}

	/** Gives the present role up and takes another. */
	#change(choose: () => Promise<Role>): void {
		const old = this.#current;
		const next = (async () => {
			if (old) await this.#giveUp(old);
			const role = await choose();
			this.#current = role;
			this.#failure = undefined;
			if (this.#paused) role.indexer.pause();
			else this.#followPause();
			await role.indexer.prioritise(this.#openFiles);
			this.#tell(this.storePath);
			return role;
		})();
		next.catch((error: unknown) => {
			this.#failure = messageOf(error);
			this.#options.logger.error(this.#failure);
		});
		this.#role = next;
	}

	async #giveUp(role: Role): Promise<void> {
		await role.indexer.close().catch((error: unknown) => this.#options.logger.warn(messageOf(error)));
		if (role.kind !== 'builder') return;
		role.claim?.release();
		if (role.temporary !== undefined) rmSync(role.temporary, { recursive: true, force: true });
	}

	async #chooseRole(): Promise<Role> {
		try {
			makeCacheFolder(this.#cache);
			const taken = this.#claims.take();
			if ('claim' in taken) return await this.#build(taken.claim);
			if (taken.builder.space === storeFormat(this.#options.spaceId)) return await this.#follow();
			return await this.#buildAside(`Process ${taken.builder.pid} indexes this folder with another model bundle`);
		} catch (error) {
			if (!this.#options.mayBuildAside || (error instanceof HefError && error.code !== 'cache-unavailable')) throw error;
			return this.#buildAside(messageOf(error));
		}
	}

	async #build(claim: Claim): Promise<Role> {
		const { spaceId, dimension, folder, events } = this.#options;
		const stopRenewing = this.#keepRenewing(claim);
		try {
			const store = await openStore({ folder: this.#cache, spaceId, dimension, workspaceFolder: folder });
			for (const message of store.recovered) events.problem(`${folder}: ${message}`);
			const indexer = await this.#options.createIndexer(store, this.#partsOf());
			claim.renew(indexer.activity());
			return { kind: 'builder', store, claim, indexer };
		} catch (error) {
			claim.release();
			throw error;
		} finally {
			stopRenewing();
		}
	}

	/** A large index that has to be read through first is long in opening. */
	#keepRenewing(claim: Claim): () => void {
		let cancel = () => {};
		const again = () => {
			claim.renew({ state: OPENING, pending: 0 });
			cancel = this.#options.clock.schedule(RENEW_MS, again);
		};
		again();
		return () => cancel();
	}

	/** Builds in a temporary folder, which goes with the process. */
	async #buildAside(why: string): Promise<Role> {
		const { spaceId, dimension, folder, events } = this.#options;
		const temporary = makeTemporaryFolder();
		const notice = `${why} The index of this run is kept in a temporary folder, and is built again next time.`.replace(
			/([^.])( The index of)/,
			'$1.$2',
		);
		this.addNotice(notice);
		events.problem(`${folder}: ${notice}`);
		const store = await openStore({ folder: temporary, spaceId, dimension });
		return { kind: 'builder', store, temporary, indexer: await this.#options.createIndexer(store, this.#partsOf()) };
	}

	async #follow(): Promise<Role> {
		const { spaceId, dimension, workspace, clock, createHierarchy } = this.#options;
		const isReadable = () => existingStorePath(this.#cache) !== undefined && this.#claims.builder()?.state !== OPENING;
		await this.#until(() => isReadable() || this.#claims.builder() === undefined);
		if (this.#closed) throw new Error('the index was closed');
		const storePath = existingStorePath(this.#cache);
		if (storePath === undefined || !isReadable()) return this.#chooseRole();
		const store = openStoreReader({ path: storePath, spaceId, dimension });
		const indexer = await createFollower({
			workspace,
			store,
			hierarchy: createHierarchy(),
			clock,
			events: this.#eventsOf(),
			ask: (request) => knock(this.#cache, request),
			builder: () => this.#claims.builder(),
		});
		return { kind: 'follower', indexer, storePath };
	}

	#eventsOf(): IndexerEvents {
		const { events } = this.#options;
		return {
			progress: events.progress,
			published: events.published,
			updated: (report) => {
				this.#renew();
				this.#tellMove();
				this.#budget.enforce();
				events.updated(report);
			},
		};
	}

	#partsOf(): Pick<IndexerOptions, 'events' | 'isOverBudget' | 'openDonors'> {
		const { cacheFolder, spaceId, dimension } = this.#options;
		return {
			events: this.#eventsOf(),
			isOverBudget: () => this.#budget.isExceeded(),
			openDonors: () => openDonors({ cacheFolder, except: this.#cache, spaceId, dimension }),
		};
	}

	/** The store moved by itself: it was compacted. */
	#tellMove(): void {
		if (this.#current && this.#toldPath !== this.storePath) this.#tell(this.storePath);
	}

	#tell(storePath: string): void {
		const isNews = this.#toldPath !== undefined && this.#toldPath !== storePath;
		this.#toldPath = storePath;
		if (isNews) this.#options.events.moved(storePath);
	}

	/** Whether a store that failed was replaced: opened anew at first, which finds damage, and then by a temporary one. */
	#replaceStore(error: unknown): boolean {
		const isCacheFailure = error instanceof HefError && error.code === 'cache-unavailable';
		if (!isCacheFailure || !this.#options.mayBuildAside || this.#current?.kind !== 'builder' || this.#current.temporary !== undefined)
			return false;
		this.#cacheFailures++;
		this.#change(() => (this.#cacheFailures === 1 ? this.#chooseRole() : this.#buildAside(messageOf(error))));
		return true;
	}

	#scheduleTick(): void {
		if (this.#closed) return;
		this.#cancelTick = this.#options.clock.schedule(TICK_MS, () => {
			this.#tick()
				.catch((error: unknown) => this.#options.logger.warn(messageOf(error)))
				.finally(() => this.#scheduleTick());
		});
	}

	/** The user may have paused or resumed in another editor. */
	#followPause(): void {
		const isPaused = this.#pause.by() !== undefined;
		if (isPaused === this.#paused) return;
		this.#paused = isPaused;
		if (isPaused) this.#current?.indexer.pause();
		else this.#current?.indexer.resume();
		this.#renew();
		this.#options.events.paused?.(isPaused);
	}

	async #tick(): Promise<void> {
		this.#followPause();
		const role = await this.#role.catch(() => undefined);
		if (this.#closed) return;
		if (!role) return this.#tryAgain();
		if (role.kind === 'follower') await this.#followOn(role);
		else if (role.claim) await this.#buildOn(role);
	}

	/** No role could be taken: not even a temporary store. The disk may have room again. */
	#tryAgain(): void {
		const now = this.#options.clock.elapsed();
		if (now - this.#triedMs < TRY_AGAIN_MS) return;
		this.#triedMs = now;
		this.#change(() => this.#chooseRole());
	}

	async #followOn(role: Role & { kind: 'follower' }): Promise<void> {
		const { logger, folder } = this.#options;
		if (this.#claims.builder() === undefined) {
			logger.info(`${folder}: the process that built the index is gone; this one takes over if no other does`);
			this.#change(() => this.#chooseRole());
			await this.#role;
			void this.request({ paths: 'all', reason: 'takeover' }).catch((error: unknown) => logger.error(messageOf(error)));
			return;
		}
		const storePath = existingStorePath(this.#cache);
		if (storePath !== undefined && storePath !== role.storePath) {
			this.#change(() => this.#chooseRole());
			await this.#role;
			return;
		}
		await role.indexer.poll();
	}

	async #buildOn(role: Role & { kind: 'builder' }): Promise<void> {
		for (const { paths, reason, clear } of takeKnocks(this.#cache)) {
			if (clear) {
				await role.indexer.clear();
				this.#tell(role.store.path);
			}
			void this.request({ paths, reason }).catch((error: unknown) => this.#options.logger.warn(messageOf(error)));
		}
		if (this.#options.clock.elapsed() - this.#renewedMs >= RENEW_MS) this.#renew();
	}

	/** Tells the others how far this process is, or learns that another one took over. */
	#renew(): void {
		const role = this.#current;
		if (role?.kind !== 'builder' || !role.claim || this.#closed) return;
		this.#renewedMs = this.#options.clock.elapsed();
		if (role.claim.renew(role.indexer.activity())) return;
		const lost: Role = { kind: 'builder', indexer: role.indexer, store: role.store };
		this.#current = lost;
		this.#change(() => this.#chooseRole());
	}

	async #until(isSo: () => boolean): Promise<void> {
		const { clock } = this.#options;
		for (let waited = 0; !isSo() && waited < STORE_WAIT_MS && !this.#closed; waited += TICK_MS / 5)
			await new Promise<void>((resolve) => clock.schedule(TICK_MS / 5, resolve));
	}
}
