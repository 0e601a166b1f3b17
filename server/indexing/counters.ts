/** Counts one stretch of work into the {@link UpdateReport} that the user sees. */
import type { UpdateReport } from 'hef-shared';

export class Counters {
	readonly #reasons = new Set<string>();
	readonly #startedMs: number;
	filesChanged = 0;
	chunksReused = 0;
	nodesReused = 0;
	nodesRemoved = 0;
	/** Files looked at, for progress. */
	filesDone = 0;

	constructor(nowMs: number) {
		this.#startedMs = nowMs;
	}

	addReason(reason: string): void {
		this.#reasons.add(reason);
	}

	/** All that asked, in order of asking: `start, save`. */
	get reason(): string {
		return [...this.#reasons].join(', ');
	}

	report(made: { embedded: number; fused: number }, nowMs: number): UpdateReport {
		const { reason, filesChanged, chunksReused, nodesReused, nodesRemoved } = this;
		return {
			reason,
			filesChanged,
			chunksEmbedded: made.embedded,
			chunksReused,
			nodesFused: made.fused,
			nodesReused,
			nodesRemoved,
			durationMs: Math.round(nowMs - this.#startedMs),
		};
	}
}
