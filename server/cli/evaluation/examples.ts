/** Benchmark lines on disk (`benchmarks/README.md` has the format; `lines` writes it), and where their cursors stand. */
import { readFile } from 'node:fs/promises';
import { HefError, messageOf } from '../../base/errors.ts';
import { CROSS_FILE_KINDS, type CrossFileKind } from './cross-file-names.ts';

export interface Example {
	id: string;
	language: string;
	repo: string;
	path: string;
	/** Unicode code points, as Python counts. */
	offset: number;
	gold: string;
	/** Column in the gold line (code points) at which a mid-line cursor stands. */
	mid?: number;
	/** Of a line that needs a name of another file (`lines --kind xfile`), which stands at `mid`: how it is used. */
	kind?: string;
}

/** An example's file as it is while typing, and what should come. */
export interface Cursor {
	/** The file on disk: without the gold line. */
	saved: string;
	/** The document up to the cursor, and after it. */
	prefix: string;
	suffix: string;
	gold: string;
}

/** @throws HefError `workspace-unreadable` that names the line which is no example */
export async function readExamples(file: string): Promise<Example[]> {
	const fail = (why: string, cause?: unknown): never => {
		throw new HefError('workspace-unreadable', `cannot read examples from ${file}: ${why}`, { cause });
	};
	const text = await readFile(file, 'utf8').catch((error: unknown) => fail(messageOf(error), error));
	const lines = text.split('\n').map((line, i) => ({ line, at: `line ${i + 1}` }));
	const examples = lines.filter(({ line }) => line.trim() !== '').map(({ line, at }) => parseExample(line) ?? fail(`${at} is no example`));
	return examples.length > 0 ? examples : fail('it holds none');
}

/** Undefined when the line lacks what every example has. */
function parseExample(line: string): Example | undefined {
	try {
		const value = JSON.parse(line) as Partial<Example> | null;
		const isExample = ['id', 'repo', 'path', 'gold'].every((key) => typeof value?.[key as keyof Example] === 'string');
		return isExample && Number.isInteger(value?.offset) && [value?.repo, value?.path].every(staysInside) ? (value as Example) : undefined;
	} catch {
		return undefined;
	}
}

/** Copies are made, written and deleted under these names. */
function staysInside(path = ''): boolean {
	return path.split(/[\\/]/).every((name) => name !== '' && name !== '.' && name !== '..');
}

/** The name of another file that the line needs; undefined where the benchmark names none. */
export function neededName({ gold, mid, kind }: Example): string | undefined {
	if (mid === undefined || !CROSS_FILE_KINDS.includes(kind as CrossFileKind)) return undefined;
	return /^[\p{L}_$][\p{L}\p{N}_$]*/u.exec([...gold].slice(mid).join(''))?.[0];
}

/** Evenly spread, so that a limited run sees every repository. */
export function sample(examples: readonly Example[], limit: number): Example[] {
	if (examples.length <= limit) return [...examples];
	return Array.from({ length: limit }, (_, i) => examples[Math.floor((i * examples.length) / limit)] as Example);
}

/** @param text of the whole file, with `\n` line ends */
export function cursorOf({ offset, gold, mid = 0 }: Example, text: string, atMid: boolean): Cursor {
	const points = [...text];
	const goldPoints = [...gold];
	const cut = atMid ? mid : 0;
	const before = points.slice(0, offset).join('');
	const suffix = points.slice(offset + goldPoints.length).join('');
	const typed = goldPoints.slice(0, cut).join('');
	return { saved: before + suffix, prefix: before + typed, suffix, gold: goldPoints.slice(cut).join('') };
}
