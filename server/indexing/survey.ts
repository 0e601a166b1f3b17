/** Finds the files whose content may differ from what is indexed, without reading any. */
import type { SourceFile, Workspace } from '../workspace/types.ts';
import type { KnownFiles } from './known-files.ts';

export interface Suspect {
	path: string;
	/** Undefined when the file is gone. */
	file: SourceFile | undefined;
}

/** Compares the whole folder by size and time. @throws HefError `workspace-unreadable` */
export async function compareFolder(workspace: Workspace, known: KnownFiles): Promise<Suspect[]> {
	const files = await workspace.list();
	const listed = new Set(files.map(({ path }) => path));
	const suspects: Suspect[] = files.filter((file) => !known.looksUnchanged(file)).map((file) => ({ path: file.path, file }));
	for (const path of known.paths()) if (!listed.has(path)) suspects.push({ path, file: undefined });
	return suspects;
}

/** The named files, whatever their times say; a name that is no file stands for the known files below it, whether it is there or not. */
export async function lookAt(paths: readonly string[], workspace: Workspace, known: KnownFiles): Promise<Suspect[]> {
	const suspects = new Map<string, Suspect>();
	/** Folders, if anything. */
	const others = new Set<string>();
	for (const path of paths) {
		const file = await workspace.stat(path);
		if (file || known.get(path)) suspects.set(path, { path, file });
		else others.add(path);
	}
	const below = others.size === 0 ? [] : [...known.paths()].filter((path) => !suspects.has(path) && isBelow(path, others));
	for (const path of below) suspects.set(path, { path, file: await workspace.stat(path) });
	return [...suspects.values()];
}

function isBelow(path: string, folders: ReadonlySet<string>): boolean {
	for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) if (folders.has(path.slice(0, at))) return true;
	return false;
}
