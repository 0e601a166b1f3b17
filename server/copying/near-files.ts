/**
 * Which files of a repository are near to where somebody works: those of the same directory first, then those with which most of the
 * directory's path is in common, of these the newest, then by path.
 *
 * Guarantees: pure; of several directories each has an equal share of any beginning of the order, in bytes, as far as files are nearer
 * to it than to others, and in whichever order they are named. Directories that are returned to in turn stay the same ones.
 * Deliberately lacks: imports. What is copied from is mostly written by the same hands, beside it.
 */

export interface DatedFile {
	path: string;
	/** {@link directoryOf} the path. */
	directory: string;
	sizeBytes: number;
	changedMs: number;
}

export interface Ranks {
	of: ReadonlyMap<string, number>;
	nFitting: number;
}

/** Directories whose neighbourhood counts. Many share what they have in common; each more leaves less to the others. */
const MOST_DIRECTORIES = 4;
/** Files between two yields. */
const SLICE = 256;

/** With a `/` at its end; empty at the root. */
export function directoryOf(path: string): string {
	return path.slice(0, path.lastIndexOf('/') + 1);
}

/**
 * The directories that were looked at last, the last one first.
 * @param open paths of open files, the one looked at last first
 * @param before what this answered before
 */
export function lastDirectories(open: readonly string[], before: readonly string[]): string[] {
	const [last, ...others] = open.map(directoryOf);
	return [...new Set([...(last === undefined ? [] : [last]), ...before, ...others])].slice(0, MOST_DIRECTORIES);
}

export function byAge(a: DatedFile, b: DatedFile): number {
	if (a.changedMs !== b.changedMs) return a.changedMs < b.changedMs ? 1 : -1;
	return a.path < b.path ? -1 : 1;
}

/**
 * All files, the nearest first. A file counts as near to the directory that it is nearest to; those that are as far from each come last.
 * @param files as {@link byAge} sorts them
 */
export function* nearestFirst<T extends DatedFile>(files: readonly T[], directories: readonly string[]): Generator<void, readonly T[]> {
	const lists = [...directories].sort().map((directory) => ({ directory, byLevel: [] as T[][] }));
	const rest: T[][] = [];
	const placesOf = (directory: string) => {
		const levels = lists.map((list) => levelOf(directory, list.directory));
		const level = Math.max(0, ...levels);
		const isFarFromAll = levels.every((each) => each === level);
		const nearest = isFarFromAll ? [rest] : lists.filter((_, i) => levels[i] === level).map(({ byLevel }) => byLevel);
		return nearest.map((byLevel) => {
			byLevel[level] ??= [];
			return byLevel[level];
		});
	};
	const places = new Map<string, T[][]>();
	for (const [i, file] of files.entries()) {
		const own = places.get(file.directory) ?? placesOf(file.directory);
		places.set(file.directory, own);
		for (const place of own) place.push(file);
		if (i % SLICE === 0) yield;
	}
	const inOrder = (byLevel: T[][]) => byLevel.reverse().flat();
	const order = yield* inEqualShares(lists.map(({ byLevel }) => inOrder(byLevel)));
	return [...order, ...inOrder(rest)];
}

/** Each list in its order, whichever has given least so far. */
function* inEqualShares<T extends DatedFile>(lists: readonly (readonly T[])[]): Generator<void, Set<T>> {
	const order = new Set<T>();
	let waiting = lists.map((files) => ({ files, next: 0, bytes: 0 }));
	for (let step = 1; waiting.length > 0; step++) {
		const list = waiting.reduce((least, each) => (each.bytes < least.bytes ? each : least));
		while (list.next < list.files.length && order.has(list.files[list.next] as T)) list.next++;
		const file = list.files[list.next];
		if (file) {
			order.add(file);
			list.bytes += file.sizeBytes;
		} else waiting = waiting.filter((each) => each !== list);
		if (step % SLICE === 0) yield;
	}
	return order;
}

/** Positions by path, and how many of the first files have so many bytes together. */
export function* ranksOf(nearest: readonly DatedFile[], mostBytes: number): Generator<void, Ranks> {
	const of = new Map<string, number>();
	let bytes = 0;
	let nFitting = 0;
	for (const { path, sizeBytes } of nearest) {
		bytes += sizeBytes;
		if (bytes <= mostBytes) nFitting++;
		of.set(path, of.size);
		if (of.size % SLICE === 0) yield;
	}
	return { of, nFitting };
}

/** How near a directory is to the one where somebody works; higher is nearer. */
function levelOf(directory: string, place: string): number {
	const names = place.split('/');
	if (directory === place) return names.length;
	const own = directory.split('/');
	// Behind the last `/` of either is no name.
	const most = Math.min(own.length, names.length) - 1;
	let level = 0;
	while (level < most && own[level] === names[level]) level++;
	return level;
}
