/**
 * The paths of a folder's files, found by the module that a file is and by the directory that it lies in. Kept as files come and
 * go, so that a completion need not look at every path of the workspace.
 *
 * Deliberately lacks: resolving. A module is the last name of its path, in any language.
 */

export class PathIndex implements Iterable<string> {
	readonly #paths = new Set<string>();
	readonly #byModule = new Map<string, Set<string>>();
	readonly #byDirectory = new Map<string, Set<string>>();

	add(path: string): void {
		if (this.#paths.has(path)) return;
		this.#paths.add(path);
		put(this.#byDirectory, directoryOf(path), path);
		const name = moduleName(path);
		if (name !== undefined) put(this.#byModule, name, path);
	}

	delete(path: string): void {
		if (!this.#paths.delete(path)) return;
		take(this.#byDirectory, directoryOf(path), path);
		const name = moduleName(path);
		if (name !== undefined) take(this.#byModule, name, path);
	}

	/** In the order in which they came. */
	[Symbol.iterator](): Iterator<string> {
		return this.#paths[Symbol.iterator]();
	}

	/** Files with this {@link moduleName}. */
	ofModule(name: string): Iterable<string> {
		return this.#byModule.get(name) ?? [];
	}

	/** Files that lie in the directory of the path itself; the path's own file among them. */
	beside(path: string): Iterable<string> {
		return this.#byDirectory.get(directoryOf(path)) ?? [];
	}
}

function put(map: Map<string, Set<string>>, key: string, path: string): void {
	const paths = map.get(key);
	if (paths) paths.add(path);
	else map.set(key, new Set([path]));
}

function take(map: Map<string, Set<string>>, key: string, path: string): void {
	const paths = map.get(key);
	paths?.delete(path);
	if (paths?.size === 0) map.delete(key);
}

function directoryOf(path: string): string {
	return path.slice(0, path.lastIndexOf('/') + 1);
}

const EXTENSIONS = new Set('js jsx ts tsx cjs cjsx mjs mjsx cts ctsx mts mtsx py go rs java rb php cs h hpp cc cpp'.split(' '));
/** Files that stand for their folder. */
const FOLDER_FILES = new Set(['index', '__init__', 'mod']);

/** The last name of a module or path: `./store/types.js`, `pkg.store.types` and `src/store/types.ts` all end in the same one. */
export function moduleName(module: string): string | undefined {
	const dot = module.lastIndexOf('.');
	const path = dot !== -1 && EXTENSIONS.has(module.slice(dot + 1)) ? module.slice(0, dot) : module;
	return path.split(/[/.:]/).findLast((name) => name !== '' && !FOLDER_FILES.has(name));
}
