/**
 * The list of what was published last, kept in the store beside the content itself, so that other processes can follow the one
 * that builds. Each entry is written in the transaction that it tells of.
 */
import type { StoreReader } from '../store/types.ts';

const COUNT_KEY = 'publications';
/** Entries kept; whoever is further behind reads everything again. */
const KEPT = 16;
/** A longer list is not worth its bytes. */
const LONGEST = 2000;

const entryKey = (number: number) => `publication/${number % KEPT}`;

/** Number of the last publication. */
export function publicationCount(store: Pick<StoreReader, 'getMeta'>): number {
	return Number(store.getMeta(COUNT_KEY) ?? 0);
}

/** What a transaction that changes these files adds to the metadata. */
export function publicationMeta(number: number, paths: readonly string[]): [key: string, value: string][] {
	const what = paths.length > LONGEST ? 'all' : paths;
	return [
		[COUNT_KEY, String(number)],
		[entryKey(number), JSON.stringify([number, what])],
	];
}

/** Paths published after the given number; `all` where the list does not reach back. */
export function publishedSince(store: Pick<StoreReader, 'getMeta'>, number: number): { number: number; paths: string[] | 'all' } {
	const last = publicationCount(store);
	if (last < number || last - number > KEPT) return { number: last, paths: 'all' };
	const paths = new Set<string>();
	for (let each = number + 1; each <= last; each++) {
		const [entry, what] = JSON.parse(store.getMeta(entryKey(each)) ?? '[]') as [number?, (string[] | 'all')?];
		if (entry !== each || what === undefined || what === 'all') return { number: last, paths: 'all' };
		for (const path of what) paths.add(path);
	}
	return { number: last, paths: [...paths] };
}
