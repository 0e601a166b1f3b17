/**
 * Who builds the index of a folder: this process, with the claim or in a temporary store of its own, or another one, which this
 * one follows.
 *
 * Guarantees: a store is opened, here or to be read, only once its builder knows that it can be trusted; a claim under which no
 * store could be opened is given back. A cache that cannot be used is replaced by a temporary one where that is wanted.
 */
import { rmSync } from 'node:fs';
import { HefError, messageOf } from '../base/errors.ts';
import { type BuilderNote, type Claim, createClaims, OPENING, RENEW_MS, UNKNOWN_SPACE } from '../store/claim.ts';
import { openDonors } from '../store/donors.ts';
import { type Knock, knock } from '../store/knocks.ts';
import { DiskFull, existingStorePath, makeCacheFolder, openStore, openStoreReader, storeFormat } from '../store/lmdb-store.ts';
import { isOnTemporaryDisk, makeTemporaryFolder } from '../store/temporary-store.ts';
import type { Store } from '../store/types.ts';
import { createFollower, type Follower } from './follower.ts';
import type { FolderIndexOptions, Indexer, IndexerEvents, IndexerOptions } from './types.ts';

/** A builder that was just started needs a moment to make its store. */
const STORE_WAIT_MS = 10_000;
export const LOOK_AGAIN_MS = 100;

/** Builds, with a claim or in a store of its own, or follows. */
export type Role =
	| { kind: 'builder'; indexer: Indexer; store: Store; claim?: Claim; temporary?: Temporary }
	| { kind: 'follower'; indexer: Follower; storePath: string };

/** A store that goes with this process. */
interface Temporary {
	folder: string;
	/** Why, for the status. */
	notice: string;
	/** Whether the cache is to be used again once its disk has room. */
	untilRoom: boolean;
}

export interface RolesOptions extends FolderIndexOptions {
	/** The workspace's cache folder. */
	cache: string;
	/** What the indexer of either role tells. */
	indexerEvents: IndexerEvents;
	isOverBudget(): boolean;
}

export class Roles {
	readonly claims: ReturnType<typeof createClaims>;
	readonly #options: RolesOptions;
	#closed = false;

	constructor(options: RolesOptions) {
		this.#options = options;
		this.claims = createClaims({ folder: options.cache, space: storeFormat(options.spaceId) });
	}

	async choose(): Promise<Role> {
		try {
			makeCacheFolder(this.#options.cache);
			const taken = this.claims.take();
			if ('claim' in taken) return await this.#build(taken.claim);
			if (this.#mayFollow(taken.builder)) return await this.#follow();
			const why = `Process ${taken.builder.pid} indexes this folder with another model bundle`;
			if (this.#options.mayBuildAside) return await this.#buildInTemporary(`${why}.`, false);
			throw new HefError('cache-unavailable', `${why}: end it first, or choose another cache folder with --cache.`);
		} catch (error) {
			if (this.#closed || !this.mayBuildAside(error)) throw error;
			return this.buildAside(error);
		}
	}

	/** Whether a temporary store may be tried after a failure of the cache. One on a disk that is full would fill it altogether. */
	mayBuildAside(error: unknown): boolean {
		const { mayBuildAside, cache } = this.#options;
		if (!mayBuildAside || (error instanceof HefError && error.code !== 'cache-unavailable')) return false;
		return !(error instanceof DiskFull && isOnTemporaryDisk(cache));
	}

	/** Builds in a temporary folder, which goes with the process. */
	buildAside(error: unknown): Promise<Role> {
		return this.#buildInTemporary(messageOf(error), error instanceof DiskFull);
	}

	async #build(claim: Claim): Promise<Role> {
		const { spaceId, dimension, folder, events } = this.#options;
		const stopRenewing = this.#keepRenewing(claim);
		try {
			const store = await openStore({ folder: this.#options.cache, spaceId, dimension, workspaceFolder: folder });
			for (const message of store.recovered) events.problem(`${folder}: ${message}`);
			const indexer = this.#options.createIndexer(store, this.#partsOf({ except: this.#options.cache }));
			claim.renew(indexer.activity());
			return { kind: 'builder', store, claim, indexer };
		} catch (error) {
			claim.release();
			throw error;
		} finally {
			stopRenewing();
		}
	}

	/** A large index that has to be read through first is long in opening, which is what a claim that was taken says. */
	#keepRenewing(claim: Claim): () => void {
		let cancel = () => {};
		const again = () => {
			claim.renew({ state: OPENING, pending: 0 });
			cancel = this.#options.clock.schedule(RENEW_MS, again);
		};
		cancel = this.#options.clock.schedule(RENEW_MS, again);
		return () => cancel();
	}

	async #buildInTemporary(why: string, untilRoom: boolean): Promise<Role> {
		const { spaceId, dimension, folder, events } = this.#options;
		const temporary = makeTemporaryFolder();
		const until = untilRoom ? 'until there is room, or the end of this run' : 'for this run, and is built again next time';
		const notice = `${why}${why.endsWith('.') ? '' : '.'} The index is kept in a temporary folder ${until}.`;
		try {
			const store = await openStore({ folder: temporary, spaceId, dimension });
			const indexer = this.#options.createIndexer(store, this.#partsOf({}));
			events.problem(`${folder}: ${notice}`);
			return { kind: 'builder', store, temporary: { folder: temporary, notice, untilRoom }, indexer };
		} catch (error) {
			rmSync(temporary, { recursive: true, force: true });
			throw error;
		}
	}

	async #follow(): Promise<Role> {
		const { spaceId, dimension, workspace, clock, createHierarchy } = this.#options;
		const place = () => existingStorePath(this.#options.cache);
		const isSettled = (builder = this.claims.builder()) =>
			builder === undefined || !this.#mayFollow(builder) || (builder.state !== OPENING && place() !== undefined);
		await this.until(isSettled);
		if (this.#closed) throw new Error('the index was closed');
		const storePath = place();
		const builder = this.claims.builder();
		// Without a builder that has checked it, nobody knows that the file can be trusted.
		if (storePath === undefined || builder === undefined || builder.state === OPENING || !this.#mayFollow(builder)) return this.choose();
		const store = openStoreReader({ path: storePath, spaceId, dimension });
		const indexer = await createFollower({
			workspace,
			store,
			hierarchy: createHierarchy(),
			clock,
			events: this.#options.indexerEvents,
			ask: (request) => this.#ask(request),
			builder: () => this.claims.builder(),
		});
		return { kind: 'follower', indexer, storePath };
	}

	#ask(request: Knock): void {
		try {
			knock(this.#options.cache, request);
		} catch (error) {
			// The builder finds by itself what changed.
			if (request.clear) throw error;
			this.#options.logger.warn(messageOf(error));
		}
	}

	/** Whether what it builds is of use here, as far as it says yet. */
	#mayFollow({ space }: BuilderNote): boolean {
		return space === UNKNOWN_SPACE || space === storeFormat(this.#options.spaceId);
	}

	async giveUp(role: Role): Promise<void> {
		await role.indexer.close().catch((error: unknown) => this.#options.logger.warn(messageOf(error)));
		if (role.kind !== 'builder') return;
		role.claim?.release();
		if (role.temporary) rmSync(role.temporary.folder, { recursive: true, force: true });
	}

	/** Nobody waits any more. */
	close(): void {
		this.#closed = true;
	}

	/** @param except what is built itself; a temporary store begins with what the cache has. */
	#partsOf(except: { except?: string }): Pick<IndexerOptions, 'events' | 'isOverBudget' | 'openDonors'> {
		const { cacheFolder, spaceId, dimension, indexerEvents, isOverBudget } = this.#options;
		return {
			events: indexerEvents,
			isOverBudget,
			openDonors: () => openDonors({ cacheFolder, ...except, spaceId, dimension }),
		};
	}

	/** Resolves when it is so, and after a while in any case. */
	async until(isSo: () => boolean): Promise<void> {
		const { clock } = this.#options;
		for (let waited = 0; !isSo() && waited < STORE_WAIT_MS && !this.#closed; waited += LOOK_AGAIN_MS)
			await new Promise<void>((resolve) => clock.schedule(LOOK_AGAIN_MS, resolve));
	}
}
