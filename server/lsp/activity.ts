/**
 * What a session does, in the one line that the editor shows: whether models are being loaded, and which folders are being opened,
 * indexed or paused.
 *
 * Guarantees: as long as any folder is at work, or models are being loaded, nothing says "ready"; a folder that was being indexed is
 * told to be idle once it is not, whatever ended it.
 *
 * Deliberately lacks: starting, stopping or pausing anything. It is told what was.
 */
import { basename } from 'node:path';
import type { StatusChangedParams } from 'hef-shared';
import type { IndexProgress } from '../services.ts';
import { progressText } from './progress.ts';

export interface ActivityOptions {
	/** Those that the user has open. */
	folders: Pick<ReadonlyMap<string, unknown>, 'keys'>;
	changed(state: StatusChangedParams): void;
	/** Nothing of the folder is being indexed any more. */
	idle(folder: string): void;
}

const LOADING: StatusChangedParams = { kind: 'starting', message: 'Loading the models' };

export class Activity {
	readonly #options: ActivityOptions;
	#state: StatusChangedParams = { kind: 'starting', message: 'Starting' };
	/** Models are being loaded, while folders are opened already. */
	#loading = false;
	/** Folders whose index completion does not have yet. */
	readonly #opening = new Set<string>();
	readonly #indexing = new Set<string>();
	/** Asked for in this editor: folders that are opened later are paused too. */
	#paused = false;
	/** Folders whose indexing is paused, here or in another editor. */
	readonly #pausedFolders = new Set<string>();

	constructor(options: ActivityOptions) {
		this.#options = options;
	}

	get state(): StatusChangedParams {
		return this.#state;
	}

	/** In this editor, of all folders. */
	get paused(): boolean {
		return this.#paused;
	}

	/** In this editor or in another one, of any folder. */
	get pausedAnywhere(): boolean {
		return this.#paused || this.#pausedFolders.size > 0;
	}

	/** A state that says nothing of folders: off, or failed. */
	show(state: StatusChangedParams): void {
		this.#state = state;
		this.#options.changed(state);
	}

	loads(): void {
		this.#loading = true;
		this.show(LOADING);
	}

	loaded(): void {
		this.#loading = false;
		this.#showRest();
	}

	pause(): void {
		this.#paused = true;
	}

	resume(): void {
		this.#paused = false;
	}

	isOpening(folder: string): boolean {
		return this.#opening.has(folder);
	}

	opens(folder: string): void {
		this.#opening.add(folder);
		if (!this.#allPaused()) this.show({ kind: 'indexing', message: `Opening ${basename(folder)}` });
	}

	opened(folder: string): void {
		this.#opening.delete(folder);
		this.#showRest();
	}

	progress(progress: IndexProgress): void {
		const { folder, filesDone, filesTotal, remainingMs } = progress;
		this.#indexing.add(folder);
		if (this.#allPaused()) return;
		const share = filesTotal === 0 ? 1 : filesDone / filesTotal;
		this.show({ kind: 'indexing', message: `Indexing ${progressText({ filesDone, filesTotal, remainingMs })}`, progress: share });
	}

	updated(folder: string): void {
		this.#idle(folder);
		this.#showRest();
	}

	/** Resumed anywhere means that this editor's own pause is over. */
	pausedIn(folder: string, isPaused: boolean): void {
		if (isPaused) this.#pausedFolders.add(folder);
		else {
			this.#pausedFolders.delete(folder);
			this.#paused = false;
		}
		this.showAnew();
	}

	/** After a pause began or ended. */
	showAnew(): void {
		if (this.#state.kind === 'starting') return;
		if (!this.#allPaused() && this.#isBusy()) this.show({ kind: 'indexing', message: 'Indexing' });
		else this.#showRest();
	}

	/** The folder was closed. */
	closed(folder: string): void {
		this.#opening.delete(folder);
		this.#pausedFolders.delete(folder);
		if (this.#indexing.has(folder)) this.#idle(folder);
		this.#showRest();
	}

	/** Everything was closed. */
	stopped(): void {
		this.#opening.clear();
		this.#pausedFolders.clear();
		for (const folder of this.#indexing) this.#idle(folder);
	}

	/** What there is to say when some work has ended; while other work goes on, that stays. */
	#showRest(): void {
		if (this.#loading) this.show(LOADING);
		else if (this.#allPaused()) this.show({ kind: 'paused', message: 'Indexing is paused' });
		else if (!this.#isBusy()) this.show({ kind: 'ready', message: 'Ready' });
	}

	#idle(folder: string): void {
		this.#indexing.delete(folder);
		this.#options.idle(folder);
	}

	#isBusy(): boolean {
		return this.#opening.size + this.#indexing.size > 0;
	}

	#allPaused(): boolean {
		const { folders } = this.#options;
		return this.#paused || (this.#pausedFolders.size > 0 && [...folders.keys()].every((folder) => this.#pausedFolders.has(folder)));
	}
}
