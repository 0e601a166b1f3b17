/** What the store holds of every file, small enough to keep in memory, and by content. */
import type { ContentHash } from '../base/ids.ts';
import type { FileSummary } from '../store/types.ts';
import type { SourceFile } from '../workspace/types.ts';

export class KnownFiles {
	readonly #files = new Map<string, FileSummary>();
	readonly #byContent = new Map<ContentHash, string>();

	get size(): number {
		return this.#files.size;
	}

	get(path: string): FileSummary | undefined {
		return this.#files.get(path);
	}

	paths(): Iterable<string> {
		return this.#files.keys();
	}

	set(path: string, record: FileSummary | null): void {
		if (record === null) {
			this.#files.delete(path);
			return;
		}
		const { contentHash, sizeBytes, mtimeMs, skipped } = record;
		this.#files.set(path, { contentHash, sizeBytes, mtimeMs, ...(skipped === undefined ? {} : { skipped }) });
		if (skipped === undefined) this.#byContent.set(contentHash, path);
	}

	/** A path whose last record had this content, if its language is the same; it may be gone since. */
	withContent(hash: ContentHash, path: string): string | undefined {
		const other = this.#byContent.get(hash);
		return other !== undefined && extensionOf(other) === extensionOf(path) ? other : undefined;
	}

	/** Whether size and time say that the file is as it was. */
	looksUnchanged(file: SourceFile): boolean {
		const known = this.#files.get(file.path);
		return known !== undefined && known.sizeBytes === file.sizeBytes && known.mtimeMs === file.mtimeMs;
	}

	clear(): void {
		this.#files.clear();
		this.#byContent.clear();
	}

	/** Files passed over, by reason. */
	skipped(): Record<string, number> {
		const counts: Record<string, number> = {};
		for (const { skipped } of this.#files.values()) if (skipped !== undefined) counts[skipped] = (counts[skipped] ?? 0) + 1;
		return counts;
	}
}

function extensionOf(path: string): string {
	const name = path.slice(path.lastIndexOf('/') + 1);
	const dot = name.lastIndexOf('.');
	return dot <= 0 ? name : name.slice(dot);
}
