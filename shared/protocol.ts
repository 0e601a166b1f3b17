/** Commands, requests and notifications beside the standard protocol. */
import type { CompletionReport } from './report.ts';

/** `workspace/executeCommand` names. */
export const COMMANDS = {
	/** Answers a {@link StatusReport}. */
	status: 'hef.status',
	/** Reconciles every workspace folder with the disk; answers a {@link StatusReport}, or an error while nothing can be indexed (off, failed). */
	reindex: 'hef.reindex',
	/**
	 * Deletes the cache of every open workspace folder and rebuilds; answers a {@link StatusReport}. While the server is off or
	 * could not start, nothing is rebuilt, and a message says what was deleted.
	 */
	clearCache: 'hef.clearCache',
	/** Stops indexing before the next chunk until {@link COMMANDS.resume}; completions go on. Answers a {@link StatusReport}. */
	pause: 'hef.pause',
	/** Answers a {@link StatusReport}. */
	resume: 'hef.resume',
	/** Argument: optional document URI. Answers {@link ExplainResult}: why the last suggestion, or why none. */
	explain: 'hef.explain',
	/** Sent by the client's accept; the argument is the document's URI. Answers null. */
	accepted: 'hef.accepted',
} as const;

/** Client → server request. No params; answers a {@link StatusReport}. */
export const STATUS_REQUEST = 'hef/status';
/**
 * Client → server notification, no params: the user came back to the editor. The index is compared with the disk, in case the
 * watcher missed something. Clients without it lose nothing but time: the same happens when a document is opened after a minute
 * of silence.
 */
export const FOCUS_NOTIFICATION = 'hef/focus';
/** Server → client notification with {@link StatusChangedParams}, for clients that set `initializationOptions.statusNotifications`. */
export const STATUS_CHANGED_NOTIFICATION = 'hef/statusChanged';

export type StatusKind = 'starting' | 'indexing' | 'ready' | 'paused' | 'off' | 'error';

export interface StatusChangedParams {
	kind: StatusKind;
	/** One line for a status bar's tooltip. */
	message: string;
	/** 0–1 while indexing. */
	progress?: number;
}

export type ExplainResult = (CompletionReport & { uri: string; version: number }) | null;
