/**
 * Which files wait to be indexed, for whom, and in which order.
 *
 * Guarantees: a path waits once, however often it is asked for, and keeps every request that asked; named paths come
 * first, then open files, then what they import, then their folders, then what changed last.
 */
import type { SourceFile } from '../workspace/types.ts';

export interface WorkItem {
	path: string;
	/** Undefined when the file is gone. */
	file: SourceFile | undefined;
	/** Named by a request rather than found by a comparison. */
	urgent: boolean;
	/** Requests that wait for this file. */
	requests: Set<symbol>;
}

/** Rank of what nobody asked for and no open file is near to. */
const REST = 4;

export class WorkList {
	readonly #items = new Map<string, WorkItem>();
	/** Next item last; undefined after a change of content or order. */
	#order: WorkItem[] | undefined;
	#openFiles: ReadonlySet<string> = new Set();
	#openFolders: ReadonlySet<string> = new Set();
	#imported: (path: string) => boolean = () => false;
	#sizeBytes = 0;
	#tookNear = false;

	get size(): number {
		return this.#items.size;
	}

	/** Bytes of all files that wait. */
	get sizeBytes(): number {
		return this.#sizeBytes;
	}

	paths(): Iterable<string> {
		return this.#items.keys();
	}

	/** Adds a file, or lets the request wait for it too; what is known of the file is taken from here. */
	add(path: string, file: SourceFile | undefined, options: { urgent: boolean; request: symbol }): void {
		const waiting = this.#items.get(path);
		const requests = (waiting?.requests ?? new Set()).add(options.request);
		this.#sizeBytes += (file?.sizeBytes ?? 0) - (waiting?.file?.sizeBytes ?? 0);
		this.#items.set(path, { path, file, urgent: options.urgent || (waiting?.urgent ?? false), requests });
		this.#order = undefined;
	}

	/** Open files, and which others they import. */
	prioritise(paths: readonly string[], imported: (path: string) => boolean = () => false): void {
		this.#imported = imported;
		this.#openFiles = new Set(paths);
		this.#openFolders = new Set(paths.map(folderOf));
		this.#order = undefined;
	}

	/** Whether what comes next is neither asked for nor near an open file, after a file that was. */
	get atBorder(): boolean {
		const next = this.#ordered().at(-1);
		return this.#tookNear && next !== undefined && this.#rank(next) === REST;
	}

	take(): WorkItem | undefined {
		const next = this.#ordered().pop();
		if (!next) return undefined;
		this.#tookNear = this.#rank(next) !== REST;
		this.#items.delete(next.path);
		this.#sizeBytes -= next.file?.sizeBytes ?? 0;
		return next;
	}

	clear(): void {
		this.#items.clear();
		this.#sizeBytes = 0;
		this.#order = undefined;
	}

	#ordered(): WorkItem[] {
		this.#order ??= [...this.#items.values()]
			.map((item) => ({ item, rank: this.#rank(item) }))
			.sort((a, b) => b.rank - a.rank || mtimeOf(a.item) - mtimeOf(b.item))
			.map(({ item }) => item);
		return this.#order;
	}

	/** Lower comes first. */
	#rank(item: WorkItem): number {
		if (item.urgent) return 0;
		if (this.#openFiles.has(item.path)) return 1;
		if (this.#imported(item.path)) return 2;
		return this.#openFolders.has(folderOf(item.path)) ? 3 : REST;
	}
}

function folderOf(path: string): string {
	return path.slice(0, path.lastIndexOf('/') + 1);
}

/** Files that are gone cost nothing, so they go first. */
function mtimeOf(item: WorkItem): number {
	return item.file?.mtimeMs ?? Number.POSITIVE_INFINITY;
}
