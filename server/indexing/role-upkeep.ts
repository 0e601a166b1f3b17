/**
 * What the role of a folder's index needs from time to time: whoever builds renews the claim and does what others ask for, whoever
 * follows reads what was published and takes over from a builder that is gone, and whoever has no role tries to get one.
 *
 * Guarantees: news of other processes are seen within half a second; a store that cannot be opened, or has no room on its disk, is
 * tried again, ever more rarely.
 *
 * Deliberately lacks: taking a role. It says when another one is to be taken.
 */
import type { Clock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { RENEW_MS } from '../store/claim.ts';
import { takeKnocks } from '../store/knocks.ts';
import { existingStorePath } from '../store/lmdb-store.ts';
import { hasRoom } from '../store/room.ts';
import type { HeldRole } from './held-role.ts';
import type { Role, Roles } from './role.ts';
import type { IndexRequest } from './types.ts';

/** How soon news of other processes are seen. */
export const TICK_MS = 500;
/** How soon a store is tried again that could not be opened: each try may copy it. The wait doubles up to the longest. */
const TRY_AGAIN_MS = 10_000;
const LONGEST_WAIT_MS = 320_000;
const AT_ONCE = { atMs: Number.NEGATIVE_INFINITY, waitMs: TRY_AGAIN_MS };

export interface RoleUpkeepOptions {
	folder: string;
	/** The workspace's cache folder. */
	cache: string;
	clock: Clock;
	logger: Logger;
	roles: Pick<Roles, 'claims'>;
	role: Pick<HeldRole, 'present' | 'last' | 'substitute'>;
	/** Gives the present role up and takes the one that there is to have; {@link HeldRole.present} waits for it. */
	takeAnother(): void;
	request(request: IndexRequest): Promise<unknown>;
	clear(): Promise<unknown>;
	/** Called first each time. */
	followPause(): void;
}

export class RoleUpkeep {
	readonly #options: RoleUpkeepOptions;
	#cancel = () => {};
	#closed = false;
	#renewedMs = 0;
	#nextTry = AT_ONCE;
	#lack: string | undefined;
	/** When it is looked whether there is room again. */
	#lookMs: number | undefined;
	#lookAfterMs = TRY_AGAIN_MS;

	constructor(options: RoleUpkeepOptions) {
		this.#options = options;
	}

	start(): void {
		if (this.#closed) return;
		const { clock, logger } = this.#options;
		this.#cancel = clock.schedule(TICK_MS, () => {
			this.#tick()
				.catch((error: unknown) => logger.warn(messageOf(error)))
				.finally(() => this.start());
		});
	}

	close(): void {
		this.#closed = true;
		this.#cancel();
	}

	/** Why the cache was found without room; undefined when there is some again, as far as is known. */
	get lack(): string | undefined {
		return this.#lack;
	}

	lacksRoom(why: string): void {
		this.#lack = why;
		if (this.#lookMs !== undefined) return;
		this.#lookMs = this.#options.clock.elapsed() + this.#lookAfterMs;
		this.#lookAfterMs = Math.min(2 * this.#lookAfterMs, LONGEST_WAIT_MS);
	}

	/** A role was taken. */
	taken(): void {
		this.#nextTry = AT_ONCE;
	}

	/** Tells the others how far this process is, or learns that another one took over. */
	renew(): void {
		const { clock, role, takeAnother } = this.#options;
		const { last, substitute } = role;
		if (last?.kind !== 'builder' || !last.claim || this.#closed || substitute) return;
		this.#renewedMs = clock.elapsed();
		if (last.claim.renew(last.indexer.activity())) return;
		delete last.claim;
		takeAnother();
	}

	async #tick(): Promise<void> {
		this.#options.followPause();
		const role = await this.#options.role.present.catch(() => undefined);
		if (this.#closed) return;
		if (!role) return this.#tryAgain();
		if (role.kind === 'follower') return this.#followOn(role);
		if (role.claim) await this.#buildOn();
		if (role.claim || role.temporary?.untilRoom) await this.#lookForRoom(role);
	}

	/** No role could be taken: not even a temporary store. The disk may have room again. */
	#tryAgain(): void {
		const now = this.#options.clock.elapsed();
		const { atMs, waitMs } = this.#nextTry;
		if (now < atMs) return;
		this.#nextTry = { atMs: now + waitMs, waitMs: Math.min(2 * waitMs, LONGEST_WAIT_MS) };
		this.#options.takeAnother();
		this.#options.role.present.then(
			() => this.#compare('missed'),
			() => {},
		);
	}

	/** What could not be written for want of room is made again once there is some, in the cache. */
	async #lookForRoom({ temporary, store }: Role & { kind: 'builder' }): Promise<void> {
		const { clock, cache, takeAnother, role } = this.#options;
		if (this.#lack === undefined || this.#lookMs === undefined || clock.elapsed() < this.#lookMs) return;
		this.#lookMs = undefined;
		// Some to spare, or the work of moving there would be for nothing.
		if (!hasRoom(cache, temporary ? 2 * store.sizeBytes() : 0)) return this.lacksRoom(this.#lack);
		this.#lack = undefined;
		if (temporary) takeAnother();
		await role.present;
		void this.#compare('missed').then((isDone) => {
			if (isDone) this.#lookAfterMs = TRY_AGAIN_MS;
		});
	}

	/** Makes up for what was missed meanwhile. Resolves with whether it could. */
	#compare(reason: string): Promise<boolean> {
		return this.#options.request({ paths: 'all', reason }).then(
			() => true,
			(error: unknown) => {
				this.#options.logger.error(messageOf(error));
				return false;
			},
		);
	}

	async #followOn({ indexer, storePath }: Role & { kind: 'follower' }): Promise<void> {
		const { logger, folder, cache, roles, role, takeAnother } = this.#options;
		if (roles.claims.builder() === undefined) {
			logger.info(`${folder}: the process that built the index is gone; this one takes over if no other does`);
			takeAnother();
			await role.present;
			void this.#compare('takeover');
			return;
		}
		const newest = existingStorePath(cache);
		if (newest === undefined || newest === storePath) return indexer.poll();
		takeAnother();
		await role.present;
	}

	async #buildOn(): Promise<void> {
		const { cache, clock, logger, clear, request } = this.#options;
		for (const { paths, reason, clear: isToClear } of takeKnocks(cache)) {
			if (isToClear) await clear();
			request({ paths, reason }).catch((error: unknown) => logger.warn(messageOf(error)));
		}
		if (clock.elapsed() - this.#renewedMs >= RENEW_MS) this.renew();
	}
}
