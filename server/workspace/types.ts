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

export interface Workspace {
	/** Absolute path. */
	readonly folder: string;
	/** All source files that the filter lets through, in path order. Throws HefError `workspace-unreadable`. */
	list(): Promise<SourceFile[]>;
	/** Current state of one path; undefined when it is gone, ignored or no regular file. */
	stat(path: string): Promise<SourceFile | undefined>;
	read(path: string): Promise<SourceText>;
	/** Whether the file may be indexed and completed. */
	includes(path: string): boolean;
	/** Calls back with batches of changed relative paths (changed, created or gone). The returned function stops. */
	watch(onChange: (paths: string[]) => void, onProblem: (message: string) => void): Promise<() => Promise<void>>;
}
