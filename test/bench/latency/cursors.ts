/**
 * Real cursors: lines of a benchmark file (`--data`, its repositories below `--repos`), or of this repository's own sources, so
 * that the suite runs for everyone. The line that will be typed is taken out of the text.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createRandom, type Random } from '../../support/random.ts';
import { root } from './server-parts.ts';

export interface Cursor {
	/** Workspace folder. */
	folder: string;
	path: string;
	text: string;
	/** UTF-16, where {@link gold} is to be typed. */
	offset: number;
	gold: string;
}

export interface CursorOptions {
	repos: string | undefined;
	data: string | undefined;
	/** Most cursors. */
	count: number;
	/** Most repositories that they are drawn from. */
	repositories: number;
}

const SEED = 5;
const OWN_SOURCES = ['server', 'shared', 'client-vscode', 'models/training/hef_training'];
/** A line worth typing, in characters. */
const MIN_LINE = 16;
const NOT_TYPED = /^\s*(?:import|from|\/\/|#|\*|\/\*)/;

export function realCursors({ repos, data, count, repositories }: CursorOptions): Cursor[] {
	const random = createRandom(SEED);
	return repos && data ? benchmarkCursors(repos, readExamples(data, random), count, repositories) : ownCursors(count, random);
}

/** The folder whose sources stand for a user's: `--repos`, else this repository. */
export function sourceFolders(repos: string | undefined): string[] {
	if (!repos) return OWN_SOURCES.map((name) => join(root, name));
	const names = readdirSync(repos, { withFileTypes: true }).filter((entry) => entry.isDirectory());
	return names.map(({ name }) => join(repos, name)).sort();
}

interface Example {
	repo: string;
	path: string;
	/** In code points. */
	offset: number;
	gold: string;
}

function readExamples(data: string, random: Random): Example[] {
	const lines = readFileSync(data, 'utf8').split('\n').filter(Boolean);
	const examples = lines.map((line) => JSON.parse(line) as Example).filter(({ gold }) => gold.trim().length >= MIN_LINE);
	return examples
		.map((example) => ({ example, at: random.next() }))
		.sort((a, b) => a.at - b.at)
		.map(({ example }) => example);
}

/** Each repository in turn, so that a few cursors come from all of them. */
function benchmarkCursors(repos: string, examples: readonly Example[], count: number, repositories: number): Cursor[] {
	const chosen = [...new Set(examples.map(({ repo }) => repo))].slice(0, repositories);
	const byRepo = chosen.map((name) => examples.filter(({ repo }) => repo === name));
	const inTurn = Array.from({ length: count }, (_, i) => byRepo[i % byRepo.length]?.[Math.floor(i / byRepo.length)]);
	return inTurn.filter((example) => example !== undefined).map((example) => cursorOf(repos, example));
}

function cursorOf(repos: string, { repo, path, offset, gold }: Example): Cursor {
	const folder = join(repos, repo);
	const points = Array.from(readFileSync(join(folder, path), 'utf8').replaceAll('\r\n', '\n'));
	const indentation = gold.length - gold.trimStart().length;
	const prefix = points.slice(0, offset).join('') + gold.slice(0, indentation);
	const suffix = points.slice(offset + Array.from(gold).length).join('');
	return { folder, path, text: prefix + suffix, offset: prefix.length, gold: gold.slice(indentation) };
}

function ownCursors(count: number, random: Random): Cursor[] {
	const paths = OWN_SOURCES.flatMap((folder) => sourcesBelow(join(root, folder)).map((path) => join(folder, path)));
	const cursors: Cursor[] = [];
	while (cursors.length < count) {
		const path = random.pick(paths);
		const text = readFileSync(join(root, path), 'utf8');
		const lines = text.split('\n');
		const line = random.below(lines.length);
		const gold = (lines[line] ?? '').trim();
		if (line < 5 || gold.length < MIN_LINE || NOT_TYPED.test(gold)) continue;
		const offset = lines.slice(0, line).join('\n').length + 1 + (lines[line] ?? '').indexOf(gold);
		cursors.push({ folder: root, path, text: text.slice(0, offset) + text.slice(offset + gold.length), offset, gold });
	}
	return cursors;
}

/** TypeScript, JavaScript and Python files, as paths relative to the folder, in order. */
export function sourcesBelow(folder: string): string[] {
	return readdirSync(folder, { recursive: true, encoding: 'utf8' })
		.filter((path) => /\.(?:tsx?|m?js|py)$/.test(path) && !/(?:^|[/\\])(?:node_modules|dist|\.git)[/\\]/.test(path))
		.sort();
}
