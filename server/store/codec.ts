/**
 * Bytes of stored values. Every value carries a checksum that covers its key as well, so that a flipped bit, or a value
 * found under another key, decodes to undefined.
 *
 * Vector: `crc32 u32 | space tag 8 bytes | dimension × f16`. File record: `crc32 u32 | header length u32 | header JSON |
 * chunks`, each chunk `id 16 bytes | start offset, end offset, start line, end line u32`. Little-endian.
 */
import { crc32 } from 'node:zlib';
import { type ContentHash, hashText, type NodeId, type SpaceId } from '../base/ids.ts';
import { fromFloat16, toFloat16 } from './float16.ts';
import type { FileChunks, FileRecord, FileSummary, StoredChunk } from './types.ts';

const CRC_BYTES = 4;
const TAG_BYTES = 8;
const CHUNK_BYTES = 32;
const WORD_BYTES = 4;
const ID_WORDS = 4;
const TEXT_CRC_DIGITS = 8;
/** Before the keys of metadata, beside which the root database holds what the store says of itself. */
export const META_PREFIX = 'user:';

/** Eight bytes that stand for a vector space and for this layout: with another layout they have to differ. */
export function spaceTag(space: SpaceId): Buffer {
	return Buffer.from(hashText(space), 'hex').subarray(0, TAG_BYTES);
}

export function nodeKey(id: NodeId): Buffer {
	return Buffer.from(id, 'hex');
}

export function nodeIdOf(key: Uint8Array): NodeId {
	return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('hex') as NodeId;
}

export function encodeVector(key: Buffer, tag: Buffer, vector: Float32Array): Buffer {
	const halves = toFloat16(vector);
	const value = Buffer.alloc(CRC_BYTES + TAG_BYTES + halves.byteLength);
	tag.copy(value, CRC_BYTES);
	for (let i = 0, at = CRC_BYTES + TAG_BYTES; i < halves.length; i++, at += 2) {
		value[at] = halves[i] as number;
		value[at + 1] = (halves[i] as number) >>> 8;
	}
	return seal(key, value);
}

/** Whether the value is an intact vector of this key, space and dimension. */
export function isIntactVector(key: Buffer, tag: Buffer, dimension: number, value: Buffer): boolean {
	if (value.length !== CRC_BYTES + TAG_BYTES + 2 * dimension) return false;
	return tag.equals(value.subarray(CRC_BYTES, CRC_BYTES + TAG_BYTES)) && isSealed(key, value);
}

export function decodeVector(key: Buffer, tag: Buffer, dimension: number, value: Buffer): Float32Array | undefined {
	return isIntactVector(key, tag, dimension, value) ? fromFloat16(value.subarray(CRC_BYTES + TAG_BYTES)) : undefined;
}

interface RecordHeader {
	hash: ContentHash;
	size: number;
	mtime: number;
	entities: [name: string, line: number][];
	skipped?: string;
}

export function encodeRecord(key: Buffer, record: FileRecord): Buffer {
	const { contentHash, sizeBytes, mtimeMs, chunks, entities, skipped } = record;
	const fields: RecordHeader = {
		hash: contentHash,
		size: sizeBytes,
		mtime: mtimeMs,
		entities: entities.map((e) => [e.name, e.line]),
		...(skipped === undefined ? {} : { skipped }),
	};
	const header = Buffer.from(JSON.stringify(fields), 'utf8');
	const start = CRC_BYTES + 4 + header.length;
	const value = Buffer.alloc(start + chunks.length * CHUNK_BYTES);
	value.writeUInt32LE(header.length, CRC_BYTES);
	header.copy(value, CRC_BYTES + 4);
	for (const [i, chunk] of chunks.entries()) {
		const at = start + i * CHUNK_BYTES;
		value.write(chunk.id, at, 'hex');
		value.writeUInt32LE(chunk.startOffset, at + 16);
		value.writeUInt32LE(chunk.endOffset, at + 20);
		value.writeUInt32LE(chunk.startLine, at + 24);
		value.writeUInt32LE(chunk.endLine, at + 28);
	}
	return seal(key, value);
}

export function decodeRecord(key: Buffer, value: Buffer): FileRecord | undefined {
	if (!isSealed(key, value)) return undefined;
	const header = headerOf(value);
	return { ...summaryOf(header), chunks: chunksOf(value), entities: header.entities.map(([name, line]) => ({ name, line })) };
}

/** The header as {@link encodeRecord} writes it for a file that was not passed over, up to its entities, which are most of it. */
const HEADER_START = /^\{"hash":"([0-9a-f]+)","size":(\d+),"mtime":([0-9.e+-]+),"entities":\[/;
const HEADER_START_BYTES = 120;
const HEADER_END = ']}';

/** Of most files without a look at their entities. */
export function decodeSummary(key: Buffer, value: Buffer): FileSummary | undefined {
	if (!isSealed(key, value)) return undefined;
	const end = headerEndOf(value);
	const [, hash, size, mtime] =
		value.toString('latin1', end - HEADER_END.length, end) === HEADER_END
			? (HEADER_START.exec(value.toString('latin1', CRC_BYTES + 4, Math.min(end, CRC_BYTES + 4 + HEADER_START_BYTES))) ?? [])
			: [];
	if (hash === undefined) return summaryOf(headerOf(value));
	return { contentHash: hash as ContentHash, sizeBytes: Number(size), mtimeMs: Number(mtime) };
}

/** Of most files without a look at anything else. */
export function decodeChunks(key: Buffer, value: Buffer): FileChunks | undefined {
	if (!isSealed(key, value)) return undefined;
	const chunks = chunksOf(value);
	const { skipped } = chunks.length > 0 ? {} : headerOf(value);
	return { chunks, ...(skipped === undefined ? {} : { skipped }) };
}

function summaryOf({ hash, size, mtime, skipped }: RecordHeader): FileSummary {
	return { contentHash: hash, sizeBytes: size, mtimeMs: mtime, ...(skipped === undefined ? {} : { skipped }) };
}

function headerEndOf(value: Buffer): number {
	return CRC_BYTES + 4 + value.readUInt32LE(CRC_BYTES);
}

function headerOf(value: Buffer): RecordHeader {
	return JSON.parse(value.toString('utf8', CRC_BYTES + 4, headerEndOf(value))) as RecordHeader;
}

function chunksOf(value: Buffer): StoredChunk[] {
	const start = headerEndOf(value);
	// Little-endian, as every machine is that the server runs on: read one by one, numbers take most of a start.
	const words = new Uint32Array((value.length - start) / WORD_BYTES);
	new Uint8Array(words.buffer).set(value.subarray(start));
	const chunks: StoredChunk[] = [];
	for (let at = start, word = ID_WORDS; at < value.length; at += CHUNK_BYTES, word += CHUNK_BYTES / WORD_BYTES) {
		chunks.push({
			id: value.toString('hex', at, at + ID_WORDS * WORD_BYTES) as NodeId,
			startOffset: words[word] as number,
			endOffset: words[word + 1] as number,
			startLine: words[word + 2] as number,
			endLine: words[word + 3] as number,
		});
	}
	return chunks;
}

/** Metadata is text, with its checksum in front: eight hexadecimal digits. */
export function sealText(key: string, text: string): string {
	return crc32(text, crc32(key)).toString(16).padStart(TEXT_CRC_DIGITS, '0') + text;
}

export function unsealText(key: string, sealed: string): string | undefined {
	const text = sealed.slice(TEXT_CRC_DIGITS);
	return sealText(key, text) === sealed ? text : undefined;
}

function seal(key: Buffer, value: Buffer): Buffer {
	value.writeUInt32LE(checksum(key, value), 0);
	return value;
}

/** Whether the value carries the checksum of itself and its key. */
export function isSealed(key: Buffer, value: Buffer): boolean {
	return value.length >= CRC_BYTES && value.readUInt32LE(0) === checksum(key, value);
}

function checksum(key: Buffer, value: Buffer): number {
	return crc32(value.subarray(CRC_BYTES), crc32(key));
}
