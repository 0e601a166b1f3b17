/** Where a URI lies: in which of the workspace folders, and under which path. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Place {
	folder?: string;
	/** In the folder, `/` between names; without one, the whole path as the URI has it. */
	path: string;
}

/** The innermost of nested folders. What is not a file, but named like one of a folder, belongs to it too. */
export function placeOf(uri: string, folders: Iterable<string>): Place {
	const file = folderOf(uri) ?? pathOf(uri);
	const inside = [...folders].filter((folder) => file.startsWith(withSlash(folder))).sort((a, b) => b.length - a.length);
	const [folder] = inside;
	if (folder === undefined) return { path: file };
	return { folder, path: file.slice(withSlash(folder).length).replaceAll('\\', '/') };
}

/**
 * Whether a folder is the user's home, or holds it: editors that find no project open where they were started, and nobody wants all
 * that lies there read. One that git knows is a project all the same.
 */
export function holdsHome(folder: string, home: string): boolean {
	return withSlash(home).startsWith(withSlash(folder)) && !existsSync(join(folder, '.git'));
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

function withSlash(folder: string): string {
	const separator = folder.includes('\\') ? '\\' : '/';
	return folder.endsWith(separator) ? folder : folder + separator;
}
