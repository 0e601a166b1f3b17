/** Keeps the tables of measured bars in their documents: a row is replaced when its bar was measured again. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Where the table of a suite stands; of others in README.md beside this file. */
const DOCUMENTS: Readonly<Record<string, string>> = { latency: '../../docs/performance.md' };

/**
 * @param table Markdown, as from `tableOf`
 * @throws Error when the document has no section for the suite
 */
export function putIntoReadme(suite: string, table: string): void {
	const document = fileURLToPath(new URL(DOCUMENTS[suite] ?? 'README.md', import.meta.url));
	writeFileSync(document, replaceRows(readFileSync(document, 'utf8'), suite, table));
}

/** The text with `content` between `<!-- name -->` and `<!-- /name -->`. Throws Error when there is no such section. */
export function replaceSection(text: string, name: string, content: string): string {
	const { begin, from, to } = sectionIn(text, name);
	return `${text.slice(0, from)}${begin}${content}${text.slice(to)}`;
}

function sectionIn(text: string, name: string): { begin: string; from: number; to: number } {
	const [begin, end] = [`<!-- ${name} -->\n`, `<!-- /${name} -->`];
	const from = text.indexOf(begin);
	const to = text.indexOf(end, from);
	if (from < 0 || to < 0) throw new Error(`the document has no section ${begin.trim()} … ${end}`);
	return { begin, from, to };
}

/** The text with the table between `<!-- suite -->` and `<!-- /suite -->`; rows of other bars stay in their order. */
export function replaceRows(text: string, suite: string, table: string): string {
	const { from, to } = sectionIn(text, suite);
	const [head = '', ...fresh] = rowsOf(table);
	const rows = new Map(rowsOf(text.slice(from, to)).map((row) => [nameOf(row), row]));
	rows.delete(nameOf(head));
	for (const row of fresh) rows.set(nameOf(row), row);
	const rule = head.replace(/[^|]+/g, ' --- ').trim();
	return replaceSection(text, suite, `${[head, rule, ...rows.values()].join('\n')}\n`);
}

function rowsOf(table: string): string[] {
	const lines = table.split('\n').filter((line) => line.startsWith('|') && !/^\|[\s|-]*$/.test(line));
	return lines.map((line) => line.replace(/ {2,}/g, ' '));
}

function nameOf(row: string): string {
	return row.split('|')[1]?.trim() ?? '';
}
