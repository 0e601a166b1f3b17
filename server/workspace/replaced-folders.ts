/**
 * Notices that another folder lies in the place of one that is watched. A watch stays with its folder, not with the name: one that
 * is deleted or moved away and made anew before chokidar looks again goes on unwatched, and the topmost one does so in any case.
 *
 * Deliberately lacks: an answer to what changed. Who is told has to watch anew, and to compare.
 */
import { statSync } from 'node:fs';
import { basename } from 'node:path';
import type { Clock } from '../base/clock.ts';

export interface ReplacedFoldersOptions {
	clock: Pick<Clock, 'schedule'>;
	/** How soon it is looked after something moved, when chokidar has seen what it sees. */
	quietMs: number;
	/** How often it is looked whether a topmost folder that is gone has come back. */
	awayMs: number;
	onReplaced(): void;
}

export class ReplacedFolders {
	readonly #options: ReplacedFoldersOptions;
	#root = '';
	/** Of the topmost folder; undefined when nothing is watched there. */
	#identity: string | undefined;
	/** Folders below it that were moved or deleted, as far as chokidar has not said so. */
	readonly #moved = new Set<string>();
	#isReady = false;
	#cancel = () => {};

	constructor(options: ReplacedFoldersOptions) {
		this.#options = options;
	}

	/** @param root absolute; what lies there is about to be watched, if there is anything */
	begin(root: string): void {
		this.#cancel();
		this.#isReady = false;
		this.#root = root;
		this.#identity = identityOf(root);
		this.#moved.clear();
	}

	/** It is watched. */
	ready(): void {
		this.#isReady = true;
		this.#lookIn(this.#options.quietMs);
	}

	/** What the watch of a path told, about a name in it or about itself, by its own name. */
	told(event: string, name: string, watchedPath: string | undefined): void {
		if (event !== 'rename' || watchedPath === undefined || basename(watchedPath) !== name) return;
		if (watchedPath !== this.#root) this.#moved.add(watchedPath);
		this.#lookIn(this.#options.quietMs);
	}

	/** Chokidar has seen a folder go, and will see it come back unless it is the topmost one. */
	seen(path: string): void {
		this.#moved.delete(path);
		if (path !== this.#root) return;
		this.#identity = undefined;
		this.#lookIn(this.#options.quietMs);
	}

	stop(): void {
		this.#cancel();
	}

	#lookIn(ms: number): void {
		this.#cancel();
		if (this.#isReady) this.#cancel = this.#options.clock.schedule(ms, () => this.#look());
	}

	#look(): void {
		const present = identityOf(this.#root);
		if (present === undefined) {
			this.#lookIn(this.#options.awayMs);
			return;
		}
		const isReplaced = present !== this.#identity || [...this.#moved].some((path) => identityOf(path) !== undefined);
		this.#moved.clear();
		if (isReplaced) this.#options.onReplaced();
	}
}

/** Tells folders apart, wherever they are moved; undefined when there is none. Numbers are given again at once. */
function identityOf(path: string): string | undefined {
	const stats = statSync(path, { throwIfNoEntry: false });
	return stats?.isDirectory() ? `${stats.dev}:${stats.ino}:${stats.birthtimeMs}` : undefined;
}
