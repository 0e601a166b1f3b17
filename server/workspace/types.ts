/** The source files of a workspace folder: which they are, what they hold, when they change. */

export interface SourceFile {
	/** Relative to the folder, `/` between names. */
	path: string;
	sizeBytes: number;
	mtimeMs: number;
}

export type SkipReason = 'binary' | 'tooLarge' | 'notUtf8' | 'unreadable' | 'generated';

export type SourceText = { kind: 'text'; text: string } | { kind: 'skipped'; reason: SkipReason };

/** Decides what is neither indexed nor completed. Sees relative paths with `/`. */
export interface PathFilter {
	ignores(path: string, isDirectory: boolean): boolean;
}

/**
 * What a batch of changes calls for: `files` to look at the paths; `rules` (an ignore file changed), `branch` (`.git/HEAD`
 * moved) and `missed` (the watcher failed for a moment) to compare the whole folder.
 */
export type ChangeReason = 'files' | 'rules' | 'branch' | 'missed';

/** What the user should know about watching: `warning` when there is something to do about it. */
export type OnWatchProblem = (message: string, severity: 'warning' | 'notice') => void;

export interface Workspace {
	/** Absolute path. */
	readonly folder: string;
	/** All source files that the filter lets through, in path order. Throws HefError `workspace-unreadable`. */
	list(): Promise<SourceFile[]>;
	/** Current state of one path; undefined when it is gone, ignored or no regular file. Throws when the folder itself is gone, as `list` does. */
	stat(path: string): Promise<SourceFile | undefined>;
	read(path: string): Promise<SourceText>;
	/**
	 * Whether the file may be indexed and completed.
	 * @param named the name that says what kind of file it is, where its own has no ending. Default the path
	 */
	includes(path: string, named?: string): boolean;
	/**
	 * Calls back with batches of changed relative paths (changed, created or gone; ignore files and `.git/HEAD` among them),
	 * and from then on judges paths by the rules of that moment. Resolves when it sees changes; the returned function stops.
	 */
	watch(onChange: (paths: string[], reason: ChangeReason) => void, onProblem: OnWatchProblem): Promise<() => Promise<void>>;
}
