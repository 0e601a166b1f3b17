/**
 * Which lines of a file are code that somebody writes by hand: no imports, no comments, nothing but brackets. Line by line and
 * language by language, by their first characters; a syntax tree would find a few more comments behind code, which do no harm.
 */

export interface CodeLine {
	/** Zero-based. */
	line: number;
	/** Offset (UTF-16) of the first character behind the indentation. */
	start: number;
	/** The line without indentation and white space at its end. */
	text: string;
}

export interface FileLines {
	code: CodeLine[];
	/** Lines of import statements. */
	imports: CodeLine[];
}

const IMPORT = /^(?:import\b|from\s+[\w.]+\s+import\b|export\s*(?:type\s*)?[{*]|use\s|using\s|#\s*include\b|package\s|require\b)/;
const HASH_COMMENTS = ['python', 'ruby', 'php'];

/** The lines of a text with `\n` line ends. @param language id of the grammar, as `languageOf` names it */
export function linesOf(text: string, language: string): FileLines {
	const found: FileLines = { code: [], imports: [] };
	const comments = createCommentScanner(language);
	let openBrackets = 0;
	let offset = 0;
	for (const [line, content] of text.split('\n').entries()) {
		const stripped = content.trim();
		const each = { line, start: offset + content.length - content.trimStart().length, text: stripped };
		offset += content.length + 1;
		if (stripped === '' || comments.isComment(stripped)) continue;
		if (openBrackets > 0 || IMPORT.test(stripped)) {
			// A statement over several lines ends where its brackets are closed.
			openBrackets = Math.max(0, openBrackets + count(stripped, /[({[]/g) - count(stripped, /[)}\]]/g));
			found.imports.push(each);
		} else if (/[\p{L}_]/u.test(stripped)) found.code.push(each);
	}
	return found;
}

function createCommentScanner(language: string): { isComment(line: string): boolean } {
	const hash = HASH_COMMENTS.includes(language);
	const python = language === 'python';
	let until: string | undefined;
	return {
		isComment(line) {
			if (until !== undefined) {
				if (line.includes(until)) until = undefined;
				return true;
			}
			if (hash ? line.startsWith('#') : line.startsWith('//')) return true;
			const opener = python ? /"""|'''/.exec(line)?.[0] : line.startsWith('/*') ? '/*' : undefined;
			if (opener === undefined) return false;
			const closer = python ? opener : '*/';
			const rest = line.slice(line.indexOf(opener) + opener.length);
			if (!rest.includes(closer)) until = closer;
			return true;
		},
	};
}

function count(text: string, pattern: RegExp): number {
	return text.match(pattern)?.length ?? 0;
}
