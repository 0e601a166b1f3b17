/**
 * When a folder's index is searched for vectors that damage took, and what was found: once after a start, a moment after it where
 * somebody waits for the start.
 */
import type { Clock } from '../base/clock.ts';
import type { NodeId } from '../base/ids.ts';
import type { StoredIndex } from './stored-index.ts';
import type { Suspect } from './survey.ts';

/** How long after a start that is answered soon vectors are looked for. */
export const VERIFY_AFTER_MS = 2000;

export interface DamageSearchOptions {
	clock: Pick<Clock, 'schedule'>;
	stored: Pick<StoredIndex, 'findDamage'>;
	/** Asked when the moment has come. */
	mayBegin(): boolean;
	/** Told that the search {@link DamageSearch.isDue}. */
	begin(): void;
}

export class DamageSearch {
	readonly #options: DamageSearchOptions;
	#isDue = false;
	#cancel = () => {};
	/** Inner nodes whose vectors were found missing; whoever makes them takes them out. */
	missingNodes: NodeId[] = [];

	constructor(options: DamageSearchOptions) {
		this.#options = options;
	}

	/** Whether to search once nothing else waits. */
	get isDue(): boolean {
		return this.#isDue;
	}

	/** Not while everything else starts: on two cores the one would wait for the other. */
	searchLater(): void {
		const { clock, mayBegin, begin } = this.#options;
		this.#cancel();
		this.#cancel = clock.schedule(VERIFY_AFTER_MS, () => {
			if (!mayBegin()) return;
			this.#isDue = true;
			begin();
		});
	}

	/** Looks for every vector. @returns files whose chunks lack theirs; inner nodes that do are in {@link missingNodes} */
	async search(checkpoint: () => Promise<void>): Promise<Suspect[]> {
		this.cancel();
		const { files, nodes } = await this.#options.stored.findDamage(checkpoint);
		this.missingNodes = nodes;
		return files;
	}

	/** Nothing is to be searched any more, and what was found says nothing. */
	cancel(): void {
		this.#cancel();
		this.#isDue = false;
		this.missingNodes = [];
	}
}
