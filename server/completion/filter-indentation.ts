/** Indents the lines of a text as the document does: tabs or spaces, and how many. */
import type { Candidate } from './filters.ts';

/** Lines around the cursor that say how the document indents. */
const REACH_LINES = 200;
const USUAL_WIDTH = 4;

/** The first line goes on where the cursor stands and has none of its own. */
export function adoptIndentation(candidate: Candidate): Candidate {
	const { text, prefix, suffix } = candidate;
	if (!text.includes('\n')) return candidate;
	const around = [...prefix.split('\n').slice(-REACH_LINES), ...suffix.split('\n', REACH_LINES).slice(1)];
	const style = styleOf(around);
	const [first, ...lines] = text.split('\n');
	const own = styleOf(lines);
	if (!style || !own || own.character === style.character) return candidate;
	const unit = style.character.repeat(style.width);
	const adopted = lines.map((line) => {
		const white = /^[ \t]*/.exec(line)?.[0] ?? '';
		const columns = [...white].reduce((sum, character) => sum + (character === '\t' ? own.columns : 1), 0);
		const levels = Math.floor(columns / own.columns);
		return unit.repeat(levels) + ' '.repeat(columns % own.columns) + line.slice(white.length);
	});
	return { ...candidate, text: [first, ...adopted].join('\n') };
}

interface Style {
	character: ' ' | '\t';
	/** Characters of one level. */
	width: number;
	/** Columns of one level in the text at hand. */
	columns: number;
}

/** How most of the indented lines begin; undefined without any. */
function styleOf(lines: readonly string[]): Style | undefined {
	const indented = lines.filter((line) => /^[ \t]+\S/.test(line));
	if (indented.length === 0) return undefined;
	const tabs = indented.filter((line) => line.startsWith('\t')).length;
	if (tabs * 2 >= indented.length) return { character: '\t', width: 1, columns: USUAL_WIDTH };
	const width = spacesOf(indented);
	return { character: ' ', width, columns: width };
}

/** The most frequent step from one line's indentation to the next. */
function spacesOf(lines: readonly string[]): number {
	const counts = new Map<number, number>();
	let before = 0;
	for (const line of lines) {
		const columns = /^ */.exec(line)?.[0].length ?? 0;
		const step = Math.abs(columns - before);
		before = columns;
		if (step > 1 && step <= 8) counts.set(step, (counts.get(step) ?? 0) + 1);
	}
	const [most] = [...counts].sort((a, b) => b[1] - a[1] || a[0] - b[0]);
	return most?.[0] ?? USUAL_WIDTH;
}
