/**
 * What the editor tests share: finding an editor, the configuration from README.md, a small repository to type in.
 *
 * Guarantees: the configuration that a test runs is the one that the README shows, but for paths and settings.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished, test } from 'vitest';
import { temporaryFolder } from '../support/temporary-folder.ts';

const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
/** Where setup.sh installs editors. */
export const EDITORS = process.env.HEF_EDITORS || join(homedir(), '.cache', 'hef-editors');
export const SERVER = join(root, 'server', 'bin', 'hef-language-server.js');

/** Path of a program that setup.sh installed, or of one in PATH; undefined when there is none. */
export function findProgram(name: string): string | undefined {
	const folders = [join(EDITORS, 'bin'), ...(process.env.PATH ?? '').split(delimiter)];
	return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

/** A test that needs the editor; skipped, and said so, without it. */
export function editorTest(name: string, missing: string | undefined, run: () => Promise<void>): void {
	const isMissing = missing !== undefined;
	if (isMissing) console.warn(`skipped: ${name}: ${missing} (bash test/editors/setup.sh installs it)`);
	test.skipIf(isMissing)(isMissing ? `${name} (${missing})` : name, { timeout: 180_000 }, run); // reason: the editor is not installed
}

/** The nth fenced block of a section of README.md, with this checkout's path and settings that show every suggestion. */
export function snippet(section: string, language: string, n = 0): string {
	const readme = readFileSync(new URL('README.md', import.meta.url), 'utf8');
	const text = readme.split(`\n## ${section}\n`)[1]?.split('\n## ')[0] ?? '';
	const blocks = [...text.matchAll(new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``, 'g'))];
	const block = blocks[n]?.[1];
	if (block === undefined) throw new Error(`README.md has no ${language} block ${n} under "${section}"`);
	return block.replaceAll('/path/to/hef-language-server', root).replaceAll(/(minConfidence\W+)0\.\d+/g, '$10');
}

const SHAPES = `class Circle {
	constructor(radius) {
		this.radius = radius;
	}

	area() {
		return Math.PI * this.radius ** 2;
	}
}

class Square {
	constructor(side) {
		this.side = side;
	}

	area() {
		return this.side ** 2;
	}
}

module.exports = { Circle, Square };
`;
/** The open file, without the text that the test types at its end. */
const REPORT = `const { Circle, Square } = require('./shapes.js');

function totalArea(shapes) {
	let total = 0;
	for (let i = 0; i < shapes.length;`;
/** Typed by the test: an editor asks for a suggestion when its user types. */
export const TYPED = ' i';

export interface Playground {
	/** A home for the editor: its configuration and caches stay in here. */
	home: string;
	folder: string;
	/** The file to type at the end of. */
	file: string;
	env: NodeJS.ProcessEnv;
	read(): string;
}

export function playground(): Playground {
	const home = temporaryFolder();
	const folder = join(home, 'work');
	const file = join(folder, 'src', 'report.js');
	mkdirSync(join(folder, 'src'), { recursive: true });
	mkdirSync(join(folder, '.git'));
	writeFileSync(join(folder, 'src', 'shapes.js'), SHAPES);
	writeFileSync(file, REPORT);
	const env = {
		...process.env,
		HOME: home,
		XDG_CONFIG_HOME: join(home, 'config'),
		XDG_DATA_HOME: join(home, 'data'),
		XDG_STATE_HOME: join(home, 'state'),
		XDG_CACHE_HOME: join(home, 'cache'),
		TERM: 'xterm-256color',
		LC_ALL: 'C.UTF-8',
	};
	return { home, folder, file, env, read: () => readFileSync(file, 'utf8') };
}

/** What was accepted: the text after the typed one; empty before the save and in the middle of it. Throws when text is gone. */
export function accepted(text: string): string {
	if (REPORT.startsWith(text)) return '';
	const start = REPORT + TYPED;
	if (!text.startsWith(start)) throw new Error(`the file lost its text: ${text}`);
	return text.slice(start.length).trimEnd();
}

export async function until<T>(what: string, probe: () => T | Promise<T>, timeoutMs = 20_000): Promise<NonNullable<T>> {
	const deadline = Date.now() + timeoutMs;
	for (;;) {
		const value = await probe();
		if (value) return value;
		if (Date.now() > deadline) throw new Error(`timed out after ${timeoutMs} ms: ${what}`);
		await new Promise((resolve) => setTimeout(resolve, 50));
	}
}

/** Keeps a picture or a screen for people, when HEF_EDITOR_SHOTS asks for it. */
export function keep(name: string, content: string | Uint8Array): void {
	const folder = process.env.HEF_EDITOR_SHOTS;
	if (!folder) return;
	mkdirSync(folder, { recursive: true });
	writeFileSync(join(folder, name), content);
}

/** Runs when the test ends, however it ends. */
export function atEnd(task: () => void | Promise<void>): void {
	onTestFinished(async () => task());
}
