/**
 * The index of one workspace folder, whoever builds it: this process, or another one that has the same folder open, until that
 * one goes.
 *
 * Guarantees: one process builds and the others follow; when the builder ends, by whatever death, one of the others takes over
 * within a second and compares the folder with the disk; requests under way survive the change. What empties, replaces or closes
 * the store does so alone, one after the other, and nobody is given the role meanwhile. A cache that cannot be
 * used (read-only, full, of another model bundle that is in use) is replaced by a temporary one for this run, and the status
 * says so; one whose disk was full is used again once there is room.
 *
 * Deliberately lacks: models and the watcher, which the worker gives it.
 */
import type { UpdateReport, WorkspaceReport } from 'hef-shared';
import { HefError, invariant, messageOf } from '../base/errors.ts';
import { DiskFull, workspaceCacheFolder } from '../store/lmdb-store.ts';
import { createPause, type Pause } from '../store/pause.ts';
import { CacheBudget } from './cache-budget.ts';
import { HeldRole } from './held-role.ts';
import { type Role, Roles } from './role.ts';
import { RoleUpkeep } from './role-upkeep.ts';
import { emptyReport } from './status.ts';
import type { FolderIndex, FolderIndexOptions, IndexerEvents, IndexRequest } from './types.ts';

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
	readonly #roles: Roles;
	readonly #pause: Pause;
	readonly #role = new HeldRole();
	#clearing: Promise<string | undefined> | undefined;
	#paused = false;
	#openFiles: readonly string[] = [];
	#notices: string[] = [];
	#closed = false;
	readonly #upkeep: RoleUpkeep;
	#cacheFailures = 0;
	/** Why no store could be opened; it is tried again. */
	#failure: string | undefined;
	/** The store that the others of this process know. */
	#toldPath: string | undefined;

	constructor(options: FolderIndexOptions) {
		this.#options = options;
		this.#cache = workspaceCacheFolder(options.cacheFolder, options.folder);
		const { cacheFolder, budgetBytes, clock, logger } = options;
		this.#budget = new CacheBudget({ cacheFolder, budgetBytes, keep: this.#cache, clock, logger });
		this.#roles = new Roles({
			...options,
			cache: this.#cache,
			indexerEvents: this.#eventsOf(),
			isOverBudget: () => this.#budget.isExceeded(),
		});
		this.#pause = createPause({ folder: this.#cache, clock });
		this.#upkeep = new RoleUpkeep({
			folder: options.folder,
			cache: this.#cache,
			clock,
			logger,
			roles: this.#roles,
			role: this.#role,
			takeAnother: () => this.#change(() => this.#roles.choose()),
			request: (request) => this.request(request),
			clear: () => this.clear(),
			followPause: () => this.#followPause(),
		});
	}

	async open(): Promise<void> {
		this.#change(() => this.#roles.choose());
		await this.#role.present;
		this.#upkeep.start();
	}

	get storePath(): string {
		const { last } = this.#role;
		invariant(last, 'a folder index is open before it is used');
		return last.kind === 'builder' ? last.store.path : last.storePath;
	}

	async request(request: IndexRequest): Promise<UpdateReport> {
		for (let wanted = request; ; ) {
			const asked = this.#role.present;
			const { indexer } = await asked;
			try {
				return await indexer.request(wanted);
			} catch (error) {
				if (this.#closed) throw error;
				if (this.#role.present === asked && !this.#replaceStore(error)) throw error;
				wanted = { ...request, paths: 'all' };
			}
		}
	}

	async prioritise(paths: readonly string[]): Promise<void> {
		this.#openFiles = paths;
		await (await this.#role.present).indexer.prioritise(paths);
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
		const { last, substitute } = this.#role;
		invariant(last, 'a folder index is open before it is used');
		const own = last.kind === 'builder';
		const aside = last.kind === 'builder' ? last.temporary?.notice : undefined;
		const failure = this.#failure ?? (aside === undefined ? this.#upkeep.lack : undefined);
		const notices = [...this.#notices, aside, this.#budget.notice].filter((notice) => notice !== undefined);
		const pid = substitute ? undefined : own ? process.pid : this.#roles.claims.builder()?.pid;
		const report = substitute ?? last.indexer.report();
		const pausedBy = this.#pause.by();
		return {
			...report,
			...(report.state === 'paused' && pausedBy !== undefined && pausedBy !== process.pid
				? { message: `paused in the editor of process ${pausedBy}` }
				: {}),
			...(failure === undefined ? {} : { state: 'error' as const, message: failure }),
			...(pid === undefined ? {} : { builder: { pid, own } }),
			...(notices.length > 0 ? { notices } : {}),
		};
	}

	addNotice(message: string): void {
		if (!this.#notices.includes(message)) this.#notices.push(message);
	}

	clear(): Promise<string | undefined> {
		this.#clearing ??= this.#clear().finally(() => {
			this.#clearing = undefined;
		});
		return this.#clearing;
	}

	abandon(): void {
		this.#pause.release();
		const { last } = this.#role;
		if (last?.kind === 'builder') last.claim?.release();
	}

	async close(): Promise<void> {
		this.#closed = true;
		this.#roles.close();
		this.#upkeep.close();
		const closed = this.#alone(async (role) => {
			this.#pause.release();
			if (role) await this.#roles.giveUp(role);
			throw new Error('the index was closed');
		}, this.#nothing);
		await closed.catch(() => {});
	}

	async #clear(): Promise<string | undefined> {
		if (this.#closed) return undefined;
		const before = this.storePath;
		let failure: { error: unknown } | undefined;
		const role = await this.#alone(async (present) => {
			if (!present) throw new HefError('cache-unavailable', this.#failure ?? 'the index could not be opened');
			try {
				await present.indexer.clear();
				return present;
			} catch (error) {
				failure = { error };
				await this.#roles.giveUp(present);
				return this.#roles.choose();
			}
		}, this.#nothing);
		if (failure) throw failure.error;
		// The one that builds is asked to; this one follows it to the new store.
		if (role.kind === 'follower') await this.#roles.until(() => this.storePath !== before);
		return this.#closed ? undefined : this.storePath;
	}

	/** Gives the present role up and takes another. */
	#change(choose: () => Promise<Role>): void {
		const replace = async (role: Role | undefined) => {
			if (role) await this.#roles.giveUp(role);
			return choose();
		};
		void this.#alone(replace, ({ indexer }) => {
			const report = indexer.report();
			return { ...report, state: report.state === 'ready' ? 'indexing' : report.state };
		});
	}

	/** Of a store that is being emptied or closed. */
	readonly #nothing = () => emptyReport(this.#options.folder, 'indexing');

	/** See {@link HeldRole.alone}. */
	#alone(task: (role: Role | undefined) => Promise<Role>, substitute: (role: Role) => WorkspaceReport): Promise<Role> {
		const next = this.#role.alone(task, substitute, async (role, isNew) => {
			if (isNew) await this.#take(role);
			this.#tell(this.storePath);
		});
		next.catch((error: unknown) => {
			if (this.#closed) return;
			this.#failure = messageOf(error);
			this.#options.logger.error(this.#failure);
		});
		return next;
	}

	async #take(role: Role): Promise<void> {
		this.#failure = undefined;
		this.#upkeep.taken();
		if (role.kind === 'builder' && role.temporary?.untilRoom) this.#upkeep.lacksRoom(role.temporary.notice);
		if (this.#paused) role.indexer.pause();
		else this.#followPause();
		await role.indexer.prioritise(this.#openFiles);
	}

	#eventsOf(): IndexerEvents {
		const { events } = this.#options;
		return {
			progress: events.progress,
			published: events.published,
			updated: (report) => {
				this.#upkeep.renew();
				this.#tellMove();
				this.#budget.enforce();
				events.updated(report);
			},
		};
	}

	/** The store moved by itself: it was compacted. */
	#tellMove(): void {
		if (this.#role.last && this.#toldPath !== this.storePath) this.#tell(this.storePath);
	}

	#tell(storePath: string): void {
		const isNews = this.#toldPath !== undefined && this.#toldPath !== storePath;
		this.#toldPath = storePath;
		if (isNews) this.#options.events.moved(storePath);
	}

	/**
	 * Whether a store that failed was replaced: opened anew at first, which finds damage, and then by a temporary one. What is stored
	 * on a disk that is full needs no second look, and is kept where a temporary store would find no room either.
	 */
	#replaceStore(error: unknown): boolean {
		const { last } = this.#role;
		if (!(error instanceof HefError) || last?.kind !== 'builder' || last.temporary) return false;
		const isFull = error instanceof DiskFull;
		if (isFull) this.#upkeep.lacksRoom(error.message);
		if (!this.#roles.mayBuildAside(error)) return false;
		const mayBeDamaged = !isFull && this.#cacheFailures++ === 0;
		this.#change(() => (mayBeDamaged ? this.#roles.choose() : this.#roles.buildAside(error)));
		return true;
	}

	/** The user may have paused or resumed in another editor. */
	#followPause(): void {
		const isPaused = this.#pause.by() !== undefined;
		if (isPaused === this.#paused) return;
		this.#paused = isPaused;
		if (isPaused) this.#role.last?.indexer.pause();
		else this.#role.last?.indexer.resume();
		this.#upkeep.renew();
		this.#options.events.paused?.(isPaused);
	}
}
