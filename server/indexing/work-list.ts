/**
 * Which files wait to be indexed, for whom, and in which order.
 *
 * Guarantees: a path waits once, however often it is asked for, and keeps every request that asked; named paths come
 * first, then open files, then their folders, then what changed last.
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

export class WorkList {
	readonly #items = new Map<string, WorkItem>();
	/** Next item last; undefined after a change of content or order. */
	#order: WorkItem[] | undefined;
	#openFiles: ReadonlySet<string> = new Set();
	#openFolders: ReadonlySet<string> = new Set();

	get size(): number {
		return this.#items.size;
	}

	paths(): Iterable<string> {
		return this.#items.keys();
	}

	/** Adds a file, or lets the request wait for it too; what is known of the file is taken from here. */
	add(path: string, file: SourceFile | undefined, options: { urgent: boolean; request: symbol }): void {
		const waiting = this.#items.get(path);
		const requests = (waiting?.requests ?? new Set()).add(options.request);
		this.#items.set(path, { path, file, urgent: options.urgent || (waiting?.urgent ?? false), requests });
		this.#order = undefined;
	}

	prioritise(paths: readonly string[]): void {
		this.#openFiles = new Set(paths);
		this.#openFolders = new Set(paths.map(folderOf));
		this.#order = undefined;
	}

	take(): WorkItem | undefined {
		this.#order ??= [...this.#items.values()].sort((a, b) => this.#rank(b) - this.#rank(a) || mtimeOf(a) - mtimeOf(b));
		const next = this.#order.pop();
		if (next) this.#items.delete(next.path);
		return next;
	}

	/** Puts back what was taken and not finished. */
	putBack(item: WorkItem): void {
		for (const request of item.requests) this.add(item.path, item.file, { urgent: item.urgent, request });
	}

	clear(): void {
		this.#items.clear();
		this.#order = undefined;
	}

	/** Lower comes first. */
	#rank(item: WorkItem): number {
		if (item.urgent) return 0;
		if (this.#openFiles.has(item.path)) return 1;
		return this.#openFolders.has(folderOf(item.path)) ? 2 : 3;
	}
}

function folderOf(path: string): string {
	return path.slice(0, path.lastIndexOf('/') + 1);
}

/** Files that are gone cost nothing, so they go first. */
function mtimeOf(item: WorkItem): number {
	return item.file?.mtimeMs ?? Number.POSITIVE_INFINITY;
}
