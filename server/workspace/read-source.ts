/**
 * The text of a source file as an editor shows it: UTF-8 without its byte order mark, line ends as they are. What is no such
 * text has a reason instead; a file that vanishes or changes meanwhile is a reason too, never an error.
 *
 * Read at once: four calls to the thread pool and back take ten times as long as reading a source file.
 */
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import type { SourceKind } from './source-kinds.ts';
import type { SkipReason, SourceText } from './types.ts';

export const MAX_SOURCE_BYTES = 1_000_000;
/** Larger data was hardly written by hand. */
export const MAX_DATA_BYTES = 64_000;

const BINARY_PROBE_BYTES = 8192;
/** People break lines before this. */
const LONG_LINE = 1000;

export function readSource(absolutePath: string, kind: SourceKind): SourceText {
	try {
		const bytes = readWithin(absolutePath, kind === 'data' ? MAX_DATA_BYTES : MAX_SOURCE_BYTES);
		if (!bytes) return skipped('tooLarge');
		if (bytes.subarray(0, BINARY_PROBE_BYTES).includes(0)) return skipped('binary');
		const text = decode(bytes);
		if (text === undefined) return skipped('notUtf8');
		return kind !== 'prose' && isMinified(text) ? skipped('generated') : { kind: 'text', text };
	} catch {
		return skipped('unreadable');
	}
}

function skipped(reason: SkipReason): SourceText {
	return { kind: 'skipped', reason };
}

/** Content of a regular file, or undefined when it is longer. Its size is that of the open file, which cannot be replaced. */
function readWithin(path: string, maxBytes: number): Uint8Array | undefined {
	// Opening a pipe would wait for somebody who writes.
	const file = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
	try {
		const stats = fstatSync(file);
		if (!stats.isFile()) throw new Error('no regular file');
		if (stats.size > maxBytes) return undefined;
		const bytes = readFileSync(file);
		return bytes.length > maxBytes ? undefined : bytes;
	} finally {
		closeSync(file);
	}
}

function decode(bytes: Uint8Array): string | undefined {
	try {
		return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
	} catch {
		return undefined;
	}
}

/** Whether long lines hold most of the text. */
function isMinified(text: string): boolean {
	let inLongLines = 0;
	for (let start = 0; start < text.length; ) {
		const next = text.indexOf('\n', start);
		const end = next < 0 ? text.length : next + 1;
		if (end - start > LONG_LINE) inLongLines += end - start;
		start = end;
	}
	return inLongLines * 2 > text.length;
}
