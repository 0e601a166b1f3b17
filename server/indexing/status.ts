/** One folder's index in the words that the status shows. */
import type { UpdateReport, WorkspaceReport, WorkspaceState } from 'hef-shared';
import type { Store } from '../store/types.ts';
import type { KnownFiles } from './known-files.ts';
import type { IndexerOptions } from './types.ts';

export interface IndexState {
	state: WorkspaceState;
	/** Why work stopped. */
	error: string | undefined;
	known: KnownFiles;
	/** Paths that wait. */
	waiting: readonly string[];
	/** Why single files could not be indexed, by path. */
	failed: ReadonlyMap<string, string>;
	lastUpdate: UpdateReport | null;
}

/** The report without the vector index, which is not known here: its part is empty. */
export function describeIndex(
	{ workspace, store, hierarchy }: Pick<IndexerOptions, 'workspace' | 'hierarchy'> & { store: Pick<Store, 'sizeBytes' | 'recovered'> },
	{ state, error, known, waiting, failed, lastUpdate }: IndexState,
): WorkspaceReport {
	const skipped = known.skipped();
	const passedOver = Object.values(skipped).reduce((sum, count) => sum + count, 0);
	const [failure] = failed;
	const message = error ?? (failure && `${failed.size} files could not be indexed, among them ${failure[0]}: ${failure[1]}`);
	return {
		folder: workspace.folder,
		state,
		...(message ? { message } : {}),
		files: known.size - passedOver,
		searchable: share(known.size, waiting.filter((path) => !known.get(path)).length),
		chunks: hierarchy.chunkCount,
		nodes: hierarchy.nodeCount,
		nodesByLevel: hierarchy.nodesByLevel(),
		stale: waiting.filter((path) => known.get(path)).length + failed.size,
		pending: waiting.length,
		storeBytes: store.sizeBytes(),
		hnsw: { size: 0, tombstones: 0, recallAt32: null },
		lastUpdate,
		skipped: failed.size > 0 ? { ...skipped, failed: failed.size } : skipped,
		...(store.recovered.length > 0 ? { recovered: [...store.recovered] } : {}),
	};
}

/** What part of all files is known. */
export function share(known: number, unknown: number): number {
	return known + unknown === 0 ? 1 : known / (known + unknown);
}

/** The report of a folder of which nothing is indexed, or not yet. */
export function emptyReport(folder: string, state: WorkspaceState, message?: string): WorkspaceReport {
	return {
		folder,
		state,
		...(message === undefined ? {} : { message }),
		files: 0,
		searchable: 0,
		chunks: 0,
		nodes: 0,
		nodesByLevel: { chunk: 0, file: 0, directory: 0, repository: 0 },
		stale: 0,
		pending: 0,
		storeBytes: 0,
		hnsw: { size: 0, tombstones: 0, recallAt32: null },
		lastUpdate: null,
		skipped: {},
	};
}
