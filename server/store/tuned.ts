/**
 * Which bundles vectors were imported for, beside the embedder's own: a note in the metadata, so that nobody looks for vectors that
 * nobody imported.
 */
import type { StoreReader } from './types.ts';

const TUNED_KEY = 'tunedBundles';

/** Bundles that vectors were imported for. */
export function tunedBundles(store: Pick<StoreReader, 'getMeta'>): string[] {
	return store.getMeta(TUNED_KEY)?.split(' ') ?? [];
}

/** The metadata to write with the vectors of one more bundle. */
export function withTunedBundle(store: Pick<StoreReader, 'getMeta'>, bundleId: string): readonly [key: string, value: string] {
	return [TUNED_KEY, [...new Set([...tunedBundles(store), bundleId])].join(' ')];
}
