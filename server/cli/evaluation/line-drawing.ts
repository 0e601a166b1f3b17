/**
 * Draws benchmark lines from repositories, in the format that `eval` reads: `everyday` lines as a user meets them, `xfile` lines
 * that use a name defined in another file.
 *
 * Guarantees: the same folder, seed and count give the same lines; every repository gives the same number where it has them.
 * Deliberately lacks: any model, and any look at what a model finds easy.
 */
import { hashText } from '../../base/ids.ts';
import { languageOf } from '../../chunking/languages.ts';
import type { Chunker } from '../../chunking/types.ts';
import type { Workspace } from '../../workspace/types.ts';
import { seededRandom } from '../cursors.ts';
import { linesOf } from './code-lines.ts';
import { type CrossFileKind, crossFileLines, type SourceLines } from './cross-file-names.ts';

export const LINE_KINDS = ['everyday', 'xfile'] as const;
export type LineKind = (typeof LINE_KINDS)[number];

/** One line of a benchmark file. Offsets and columns count Unicode code points. */
export interface DrawnLine {
	id: string;
	language: string;
	repo: string;
	path: string;
	offset: number;
	/** The line to predict, without indentation. */
	gold: string;
	/** One-based. */
	line: number;
	/** Column in `gold` at which a mid-line cursor stands. */
	mid: number;
	kind: 'everyday' | CrossFileKind;
	test_file: boolean;
}

export interface LineSource {
	workspace: Pick<Workspace, 'list' | 'read'>;
	chunker: Chunker;
}

const LENGTH: Record<LineKind, readonly [min: number, max: number]> = { everyday: [8, 120], xfile: [15, 100] };
const MAX_PER_FILE = 4;
/** Share of the lines of test files that stay: tests are many, and repeat. */
const TEST_SHARE = { everyday: 0.4, xfile: 0.15 } as const;

/** Lines of one repository in random order, at most {@link MAX_PER_FILE} of a file. */
export async function drawLines(
	repo: string,
	source: LineSource,
	kind: LineKind,
	seed: number,
	languages: readonly string[],
): Promise<DrawnLine[]> {
	const random = seededRandom(Number.parseInt(hashText(`${kind}\n${repo}\n${seed}`).slice(0, 8), 16));
	const files = await readFiles(source, languages);
	const candidates = files.flatMap((file) => file.lines[kind].map((line) => ({ file, line })));
	const drawn: DrawnLine[] = [];
	const perFile = new Map<string, number>();
	for (const { file, line } of shuffled(candidates, random)) {
		const isTest = isTestFile(file.path);
		const wanted = random() < (isTest ? TEST_SHARE[kind] : 1);
		const column =
			kind === 'everyday' ? 1 + Math.floor(random() * ([...line.text].length - 1)) : codePoints(line.text.slice(0, line.column));
		const taken = perFile.get(file.path) ?? 0;
		if (!wanted || taken >= MAX_PER_FILE) continue;
		perFile.set(file.path, taken + 1);
		drawn.push({
			id: `${kind}/${repo}/${file.path}:${line.line + 1}`,
			language: file.language,
			repo,
			path: file.path,
			offset: codePoints(file.text.slice(0, line.start)),
			gold: line.text,
			line: line.line + 1,
			mid: column,
			kind: line.kind,
			test_file: isTest,
		});
	}
	return drawn;
}

/** `count` lines in all, as evenly spread over the repositories as they allow, in the order of path and line. */
export function spread(byRepository: readonly (readonly DrawnLine[])[], count: number): DrawnLine[] {
	const fewestFirst = [...byRepository].sort((a, b) => a.length - b.length);
	let left = count;
	const chosen = fewestFirst.flatMap((lines, i) => {
		const share = lines.slice(0, Math.round(left / (fewestFirst.length - i)));
		left -= share.length;
		return share;
	});
	const key = ({ repo, path }: DrawnLine) => `${repo}/${path}`;
	return chosen.sort((a, b) => (key(a) === key(b) ? a.line - b.line : key(a) < key(b) ? -1 : 1));
}

interface Candidates extends SourceLines {
	lines: Record<LineKind, { line: number; start: number; text: string; kind: DrawnLine['kind']; column: number }[]>;
}

async function readFiles({ workspace, chunker }: LineSource, languages: readonly string[]): Promise<Candidates[]> {
	const files: SourceLines[] = [];
	for (const { path } of await workspace.list()) {
		const id = languageOf(path)?.id;
		const language = id === 'tsx' ? 'typescript' : id;
		if (!language || !languages.includes(language)) continue;
		const source = await workspace.read(path);
		if (source.kind !== 'text') continue;
		const text = source.text.replaceAll('\r\n', '\n');
		const { entities } = await chunker.chunk(path, text);
		files.push({ path, text, language, entities, ...linesOf(text, language) });
	}
	const foreign = crossFileLines(files);
	return files.map((file) => ({
		...file,
		lines: {
			everyday: withLength(file.code, 'everyday').map((line) => ({ ...line, kind: 'everyday', column: 0 })),
			xfile: withLength(foreign.get(file.path) ?? [], 'xfile'),
		},
	}));
}

function withLength<T extends { text: string }>(lines: readonly T[], kind: LineKind): T[] {
	const [min, max] = LENGTH[kind];
	return lines.filter(({ text }) => text.length >= min && text.length <= max);
}

function isTestFile(path: string): boolean {
	return /(?:^|\/)(?:tests?|__tests__|specs?|testing|e2e)\/|(?:^|\/)test_|[._-](?:test|spec)\.|_test\.|(?:^|\/)conftest\.py$/i.test(path);
}

function codePoints(text: string): number {
	let n = 0;
	for (const _ of text) n++;
	return n;
}

/** Fisher and Yates. */
function shuffled<T>(items: readonly T[], random: () => number): T[] {
	const order = [...items];
	for (let i = order.length - 1; i > 0; i--) {
		const j = Math.floor(random() * (i + 1));
		[order[i], order[j]] = [order[j] as T, order[i] as T];
	}
	return order;
}
