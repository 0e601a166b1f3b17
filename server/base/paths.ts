/** Paths as the file system has them, and which folders nobody means as a whole. */
import { existsSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** Where the links in a path lead, as far as there is something. */
export function realPath(path: string): string {
	try {
		return realpathSync.native(path);
	} catch {
		return dirname(path) === path ? path : join(realPath(dirname(path)), basename(path));
	}
}

/** With a separator at its end, of the kind that it has. */
export function withSlash(folder: string): string {
	const separator = folder.includes('\\') ? '\\' : '/';
	return folder.endsWith(separator) ? folder : folder + separator;
}

/**
 * Whether a folder is the user's home, or holds it: editors that find no project open where they were started, and nobody wants all
 * that lies there read. One that git knows is a project all the same.
 */
export function holdsHome(folder: string, home: string): boolean {
	return withSlash(home).startsWith(withSlash(folder)) && !existsSync(join(folder, '.git'));
}
