/** Where a URI lies: in which of the workspace folders, and under which path. */
import { fileURLToPath } from 'node:url';
import { realPath, withSlash } from '../base/paths.ts';

export interface Place {
	folder?: string;
	/** In the folder, `/` between names; without one, the whole path as the URI has it. */
	path: string;
}

/**
 * The innermost of nested folders. What is not a file, but named like one of a folder, belongs to it too, and so does a file that links
 * lead there: some editors follow them and some do not.
 * @param folders each with its {@link realPath}
 */
export function placeOf(uri: string, folders: ReadonlyMap<string, string>): Place {
	const file = folderOf(uri);
	const path = file ?? pathOf(uri);
	const named = [...folders.keys()].map((folder) => [folder, folder] as const);
	return placeIn(named, path) ?? (file === undefined ? undefined : placeIn(folders, realPath(file))) ?? { path };
}

/** @param folders each with the path that it has here */
function placeIn(folders: Iterable<readonly [folder: string, path: string]>, file: string): Place | undefined {
	const inside = [...folders].filter(([, path]) => file.startsWith(withSlash(path))).sort(([, a], [, b]) => b.length - a.length);
	const [innermost] = inside;
	return innermost && { folder: innermost[0], path: file.slice(withSlash(innermost[1]).length).replaceAll('\\', '/') };
}

/** The absolute path that a `file:` URI names, without a slash at its end; undefined for any other. */
export function folderOf(uri: string): string | undefined {
	if (!uri.startsWith('file:')) return undefined;
	try {
		const path = fileURLToPath(uri);
		return path.length > 1 ? path.replace(/[/\\]$/, '') : path;
	} catch {
		return undefined;
	}
}

/** The path of a URI that names no file of this machine, without query and fragment. */
function pathOf(uri: string): string {
	try {
		return decodeURIComponent(new URL(uri).pathname);
	} catch {
		return uri;
	}
}
