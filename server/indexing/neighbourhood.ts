/**
 * Which files a source text imports, as far as names tell: relative specifiers, dotted modules, included headers. Used to
 * order work, so a wrong guess costs a little time and nothing else.
 *
 * Deliberately lacks: parsing, package managers, and path aliases.
 */
import { posix } from 'node:path';
import type { Workspace } from '../workspace/types.ts';

const QUOTED = /(?:\bfrom|\bimport|\brequire|\brequire_relative|#\s*include|@import|@use)\s*\(?\s*["'<]([^"'<>\n]+)["'>]/g;
const DOTTED_FROM = /^[ \t]*from[ \t]+(\.*)([\w.]*)[ \t]+import[ \t]+([\w, \t]+)/gm;
const DOTTED_IMPORT = /^[ \t]*(?:import|using)[ \t]+(?:static[ \t]+)?([\w.]+)/gm;
const RUST_MODULE = /^[ \t]*(?:pub[ \t]+)?mod[ \t]+(\w+);/gm;
const RUST_USE = /^[ \t]*(?:pub[ \t]+)?use[ \t]+(?:crate|super|self)::([\w:]+)/gm;
/** A file that stands for its folder. */
const FOLDER_FILE = /\/(?:index|__init__|mod)$/;

/** Open files whose imports are looked up: the ones that the user looked at last. */
const FILES_READ = 8;

/** Tells of a path whether one of these files imports it, as they are on disk. */
export async function importsOfFiles(paths: readonly string[], workspace: Pick<Workspace, 'read'>): Promise<(other: string) => boolean> {
	const tests: ((path: string) => boolean)[] = [];
	for (const path of paths.slice(0, FILES_READ)) {
		const source = await workspace.read(path);
		if (source.kind === 'text') tests.push(importsOf(path, source.text));
	}
	return (other) => tests.some((imports) => imports(other));
}

/** Tells of a path whether the text may import it. Paths are relative to the folder, `/` between names. */
export function importsOf(path: string, text: string): (other: string) => boolean {
	/** Paths without extension, and endings of such. */
	const exact = new Set<string>();
	const endings = new Set<string>();
	const folder = posix.dirname(path);
	const add = (target: string, from: string | undefined): void => {
		const name = from === undefined ? target : posix.normalize(posix.join(from, target));
		for (const form of [name, withoutExtension(name)]) (from === undefined ? endings : exact).add(form.replace(/^\.?\//, ''));
	};
	for (const [, name = ''] of text.matchAll(QUOTED)) {
		add(name, folder);
		if (!name.startsWith('.')) add(name, undefined);
	}
	for (const [, dots = '', name = '', members = ''] of text.matchAll(DOTTED_FROM)) {
		const from = dots === '' ? undefined : posix.join(folder, '../'.repeat(dots.length - 1));
		const module = name.replaceAll('.', '/');
		if (module !== '') add(module, from);
		for (const member of members.split(',')) add(posix.join(module, member.trim().split(/\s/)[0] ?? ''), from);
	}
	for (const [, name = ''] of text.matchAll(DOTTED_IMPORT)) add(name.replaceAll('.', '/'), undefined);
	for (const [, name = ''] of text.matchAll(RUST_MODULE)) add(name, folder);
	for (const [, name = ''] of text.matchAll(RUST_USE)) {
		const names = name.split('::');
		add(names.join('/'), undefined);
		add(names.slice(0, -1).join('/'), undefined);
	}
	exact.delete('');
	endings.delete('');

	return (other) => {
		const stem = withoutExtension(other);
		const forms = [other, stem, stem.replace(FOLDER_FILE, '')];
		if (forms.some((form) => exact.has(form) || endings.has(form))) return other !== path;
		for (const form of forms) {
			for (let at = form.indexOf('/'); at >= 0; at = form.indexOf('/', at + 1)) if (endings.has(form.slice(at + 1))) return other !== path;
		}
		return false;
	};
}

function withoutExtension(path: string): string {
	const dot = path.lastIndexOf('.');
	return dot > path.lastIndexOf('/') + 1 ? path.slice(0, dot) : path;
}
