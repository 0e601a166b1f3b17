/** What a completion is asked with. */
import type { CompletionMode, MultiLineMode, NodeLevel } from 'hef-shared';

export interface CompletionRequest {
	/** Names the document; any string. */
	uri: string;
	/** Absolute path of the workspace folder that holds the document; undefined outside of all. */
	folder?: string;
	/** Relative to the folder with `/`, or the file's name. */
	path: string;
	/** The whole document as the editor has it. */
	text: string;
	/** Cursor, as a UTF-16 offset into the text. */
	offset: number;
	context: CompletionMode;
	multiLine: MultiLineMode;
	/** Invoked by hand: shown below the confidence threshold too, and in the middle of a line. */
	explicit: boolean;
	/** Suggestions to choose from at most. What is beyond the first costs time. Default 1. */
	most?: number;
	/** Suggestions below are suppressed as `lowConfidence`. */
	minConfidence: number;
	/** Whether to complete inside comments too. Default no. */
	comments?: boolean;
	/** Text of the entry that the editor's own list has selected; the suggestion must continue it. */
	selected?: string;
	/** Evaluation: no answer from caches, nothing held or kept from an earlier request, so that times are cold ones. */
	fresh?: boolean;
	/** Evaluation: what to leave out. Without speculation, or what is known from earlier requests, the answer is the same. */
	without?: readonly ('suffix' | 'entities' | 'copy' | 'analogy' | 'speculation' | 'search' | 'known')[];
	/** Evaluation: pseudo-tokens to use instead of the bundle's K. */
	k?: number;
	/** Evaluation: levels of the hierarchy that retrieval may return. Default all. */
	levels?: readonly NodeLevel[];
	/**
	 * Evaluation: what should come. The report then tells its log-probability and what the confidence was computed from, and
	 * decoding takes the time it needs.
	 */
	gold?: string;
	/** Evaluation: with {@link gold}, the report also tells what the copy model's weight is fitted from. */
	traceCopying?: boolean;
}
