/** Real cursor positions of a folder's sources, drawn with a fixed seed: what `demo` and `bench` complete at. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HefError } from '../base/errors.ts';

export interface Cursor {
	path: string;
	/** The file with the rest of the cursor's line removed, as it is while typing. */
	text: string;
	offset: number;
	/** What stood there. */
	gold: string;
	line: number;
	column: number;
}

/** mulberry32: small, seeded, good enough to draw samples. */
export function seededRandom(seed: number): () => number {
	let state = seed >>> 0;
	return () => {
		state = (state + 0x6d2b79f5) >>> 0;
		let t = state;
		t = Math.imul(t ^ (t >>> 15), t | 1);
		t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
		return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
	};
}

const MIN_LINE = 12;
/** What a file begins with says little. */
const HEADER_LINES = 5;

/**
 * Up to `count` cursors at or inside lines that are no import, comment or bracket.
 * @throws HefError `workspace-unreadable` when there is no such line
 */
export async function drawCursors(folder: string, paths: readonly string[], count: number, seed = 1): Promise<Cursor[]> {
	const random = seededRandom(seed);
	const cursors: Cursor[] = [];
	for (let tries = 0; cursors.length < count && tries < count * 20 && paths.length > 0; tries++) {
		const path = paths[Math.floor(random() * paths.length)] as string;
		const text = await readFile(join(folder, path), 'utf8');
		const cursor = cursorIn(path, text, random);
		if (cursor) cursors.push(cursor);
	}
	if (cursors.length > 0) return cursors;
	const message = `${folder} has no place to complete at: a line of code of ${MIN_LINE} characters or more, behind the first ${HEADER_LINES} lines of a file`;
	throw new HefError('workspace-unreadable', message);
}

function cursorIn(path: string, text: string, random: () => number): Cursor | undefined {
	const lines = text.split('\n');
	const line = Math.floor(random() * lines.length);
	const content = (lines[line] ?? '').trimEnd();
	const code = content.trim();
	if (line < HEADER_LINES || code.length < MIN_LINE || /^(?:import|from|export \{|\/\/|#|\*|\/\*|[)}\]])/.test(code)) return undefined;
	const indentation = content.length - content.trimStart().length;
	const column = indentation + Math.floor(random() * Math.max(1, code.length - 6));
	const start = lines.slice(0, line).reduce((sum, each) => sum + each.length + 1, 0);
	const offset = start + column;
	return { path, text: text.slice(0, offset) + text.slice(start + content.length), offset, gold: content.slice(column), line, column };
}
