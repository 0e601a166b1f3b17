/**
 * From a file on disk to the record that the store keeps of it. Content that was chunked before, here or under another
 * name, is not chunked again.
 */
import { chunkId, contentHash, type SpaceId } from '../base/ids.ts';
import { chunkText } from '../chunking/chunk-text.ts';
import type { Chunker } from '../chunking/types.ts';
import { type FileRecord, type FileSummary, MAX_PATH_BYTES, type StoreReader } from '../store/types.ts';
import type { SkipReason, SourceFile, Workspace } from '../workspace/types.ts';
import type { KnownFiles } from './known-files.ts';

export interface RecordContext {
	workspace: Pick<Workspace, 'stat' | 'read'>;
	chunker: Chunker;
	spaceId: SpaceId;
	store: Pick<StoreReader, 'getFile'>;
	known: KnownFiles;
	/** Milliseconds since the epoch. */
	now(): number;
}

/** What a file is now; undefined when it is gone. `text` is '' when it was passed over. */
export interface ReadRecord {
	record: FileRecord;
	text: string;
}

/**
 * A file changed this shortly ago, or by its time only in the future, may change again without its time or size showing it:
 * clocks and file systems count coarsely, and clocks are set back (git calls such entries racily clean).
 */
const RACY_MS = 2000;

/** @param found the file as it was seen before; a change since then leaves a time that no longer fits, and is found later */
export async function readRecord(path: string, found: SourceFile | undefined, context: RecordContext): Promise<ReadRecord | undefined> {
	const file = found ?? (await context.workspace.stat(path));
	if (!file || Buffer.byteLength(path) > MAX_PATH_BYTES) return undefined;
	const source = await context.workspace.read(path);
	const times = { sizeBytes: file.sizeBytes, mtimeMs: trustedTime(file, context.now()) };
	if (source.kind === 'skipped') return passedOver(path, times, source.reason, context);
	const { text } = source;
	const hash = contentHash(text);
	const base = { contentHash: hash, ...times };
	const earlier = recordWithContent(path, hash, context);
	if (earlier) return { record: { ...base, chunks: earlier.chunks, entities: earlier.entities }, text };
	const { chunks, entities } = await context.chunker.chunk(path, text);
	return {
		record: {
			...base,
			chunks: chunks.map((chunk) => ({ id: chunkId(context.spaceId, chunkText(text, chunk)), ...chunk })),
			entities: entities.map(({ name, line }) => ({ name, line })),
		},
		text,
	};
}

/** A time that never fits makes the next comparison look at the content. */
function trustedTime(file: SourceFile, now: number): number {
	return now - file.mtimeMs < RACY_MS ? 0 : file.mtimeMs;
}

async function passedOver(
	path: string,
	times: { sizeBytes: number; mtimeMs: number },
	reason: SkipReason,
	{ workspace }: RecordContext,
): Promise<ReadRecord | undefined> {
	if (reason === 'unreadable' && !(await workspace.stat(path))) return undefined;
	return { record: { contentHash: contentHash(''), ...times, chunks: [], entities: [], skipped: reason }, text: '' };
}

function recordWithContent(path: string, hash: FileRecord['contentHash'], { known, store }: RecordContext): FileRecord | undefined {
	const candidates = known.get(path)?.contentHash === hash ? [path] : [];
	const other = known.withContent(hash, path);
	if (other !== undefined) candidates.push(other);
	for (const candidate of candidates) {
		const record = store.getFile(candidate);
		if (record?.contentHash === hash && record.skipped === undefined) return record;
	}
	return undefined;
}

/** A file that was never indexed and never will be says as little as one whose content is known. */
export function saysTheSame(record: FileRecord, known: FileSummary | undefined): boolean {
	if (!known) return record.skipped !== undefined;
	return record.contentHash === known.contentHash && record.skipped === known.skipped;
}
