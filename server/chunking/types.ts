/** What the chunker returns. */
import type { Logger } from '../base/logger.ts';

/** A piece of a file. The chunks of a file cover it exactly: no gap, no overlap, in order. */
export interface Chunk {
	/** UTF-16 offsets, end exclusive. */
	startOffset: number;
	endOffset: number;
	/** Zero-based lines that hold the first and the last character. */
	startLine: number;
	endLine: number;
}

export type EntityKind = 'function' | 'class' | 'method' | 'constant' | 'type' | 'field';

/** A definition that other files can name. */
export interface Entity {
	/** Qualified inside the file: `Class.method`, `outer.inner`. */
	name: string;
	kind: EntityKind;
	/** Zero-based line of the definition. */
	line: number;
}

export interface ChunkedFile {
	chunks: Chunk[];
	entities: Entity[];
	/** `syntax` when a grammar cut the file, `blankLines` otherwise. */
	method: 'syntax' | 'blankLines';
}

export interface Chunker {
	/**
	 * Chunks and entities of a file. Never throws on any text; a file that its grammar cannot parse is cut by blank lines.
	 * An empty text has no chunks.
	 */
	chunk(path: string, text: string): Promise<ChunkedFile>;
}

export interface ChunkerOptions {
	/** Most tokens in a chunk. Default 512. */
	maxTokens?: number;
	/** Tokens in a text, by the bundle's tokenizer. */
	countTokens(text: string): number;
	/** Told which files fell back to blank lines because their grammar failed, and why. Default silent. */
	logger?: Logger;
}
