/** The budget of the cache as one folder's index sees it: looked at once a minute, its own garbage first, then other workspaces. */
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import { keepWithinBudget, sizeOf } from '../store/cache-folder.ts';

export interface CacheBudgetOptions {
	cacheFolder: string;
	/** Undefined: no limit. */
	budgetBytes: number | undefined;
	/** The workspace's own folder in the cache, which stays. */
	keep: string;
	clock: Clock;
	logger: Logger;
}

const LOOK_AGAIN_MS = 60_000;

export class CacheBudget {
	readonly #options: CacheBudgetOptions;
	#lookedMs = Number.NEGATIVE_INFINITY;
	/** What the user should know, when nothing more can be deleted. */
	notice: string | undefined;

	constructor(options: CacheBudgetOptions) {
		this.#options = options;
	}

	/** Whether the index's own garbage has to go. */
	isExceeded(): boolean {
		const { budgetBytes, cacheFolder } = this.#options;
		return budgetBytes !== undefined && this.#isDue() && sizeOf(cacheFolder) > budgetBytes;
	}

	/** Deletes what was not used for longest, until the cache is within its budget. */
	enforce(): void {
		const { budgetBytes, cacheFolder, keep, clock, logger } = this.#options;
		if (budgetBytes === undefined || !this.#isDue()) return;
		this.#lookedMs = clock.elapsed();
		const { overBytes, removed } = keepWithinBudget({ cacheFolder, budgetBytes, keep });
		for (const { folder, path } of removed) logger.info(`the index of ${folder ?? path} was deleted to keep the cache within its budget`);
		const over = `${Math.ceil(overBytes / 1e6)} MB`;
		this.notice = overBytes > 0 ? `The indexes of the open folders alone take ${over} more than hef.cacheBudgetBytes allows.` : undefined;
	}

	#isDue(): boolean {
		return this.#options.clock.elapsed() - this.#lookedMs >= LOOK_AGAIN_MS;
	}
}
