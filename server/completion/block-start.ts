/**
 * Whether a block begins at the cursor, so that more than a line is worth suggesting.
 *
 * The text must look like it: the line ends with an opener of its language, and the next line is not deeper already. Then the
 * syntax tree of the lines around has the last word where the language has a grammar: `{` of an object literal or an import,
 * `:` of a slice or a type, begin no block. Only the lines from the last one without indentation are parsed; a whole file would
 * take longer than the model. Deliberately lacks: a wait for the grammar, which is loaded when it is first wanted.
 */
import type { Grammars, SyntaxNode } from '../chunking/grammars.ts';
import { languageOf } from '../chunking/languages.ts';
import type { Split } from './split.ts';
import { indentationOf } from './stop-rules.ts';

export interface BlockDetector {
	/** @param path of the document, for its language */
	beginsBlock(path: string, split: Pick<Split, 'prefix' | 'linePrefix' | 'suffix'>): boolean;
}

/** Characters before and after the cursor that are read at most. */
const REACH_BEFORE = 6000;
const REACH_AFTER = 1500;
/** Nodes whose opener begins no block, by the grammars' names. */
const NO_BLOCK =
	/^(?:object|object_pattern|object_type|named_imports|export_clause|dictionary|pair|set|slice|lambda|type|typed_parameter|template_substitution|literal_value|initializer_list|array_initializer|initializer_expression|field_initializer_list|use_list|token_tree|struct_pattern|hash|arguments?|argument_list|formal_parameters|parameters|parenthesized_expression|subscript.*|array.*|list.*)$/;

/** What ends a line that opens a block. Everything but `{` depends on the language. */
const OPENERS: readonly (readonly [paths: RegExp, opener: RegExp])[] = [
	[/\.(?:py|pyi|pyw)$/i, /^\s*(?:(?:async\s+)?(?:def|class|if|elif|else|for|while|try|except|finally|with|match|case)\b.*|[)\]}].*):\s*$/],
	[/\.(?:rb|rake|gemspec|lua|sh|bash|ex|exs|jl)$/i, /(?:\{|\b(?:do|then|else|begin|ensure)\b(?:\s*\|[^|]*\|)?)\s*$/],
	[/\.(?:[cm]?[jt]sx?|java|kt|scala|cs|php|dart|swift|go|rs|c|h|cc|cpp|cxx|hh|hpp)$/i, /(?:\{|=>|\b(?:case\b.*|default\s*):)\s*$/],
];
const ANY_OPENER = /(?:[{:]|=>|->|\bthen|\bdo|\belse)\s*$/;

export function createBlockDetector(grammars: Pick<Grammars, 'parseNow'>): BlockDetector {
	return {
		beginsBlock(path, split) {
			if (!looksLikeBlock(path, split)) return false;
			const language = languageOf(path);
			const opener = /[{:]\s*$/.exec(split.prefix);
			if (!language || !opener) return true;
			const { text, start } = surroundings(split, opener[0].startsWith(':'));
			const type = grammars.parseNow(language, text, (root) => parentTypeAt(root, opener.index - start));
			return type === undefined || !NO_BLOCK.test(type);
		},
	};
}

/** What the text alone says. */
export function looksLikeBlock(path: string, { linePrefix, suffix }: Pick<Split, 'linePrefix' | 'suffix'>): boolean {
	const opener = OPENERS.find(([paths]) => paths.test(path))?.[1] ?? ANY_OPENER;
	if (!opener.test(linePrefix.slice(-REACH_BEFORE))) return false;
	const [rest = '', ...following] = suffix.split('\n', 20);
	if (!/^[)\]};,\s]*$/.test(rest)) return false;
	const next = following.find((line) => line.trim() !== '');
	return next === undefined || indentationOf(next) <= indentationOf(linePrefix);
}

/** The lines around the cursor, with a body in the block, so that they parse as what they will be. */
function surroundings({ prefix, linePrefix, suffix }: Pick<Split, 'prefix' | 'linePrefix' | 'suffix'>, colon: boolean) {
	const earliest = Math.max(0, prefix.length - REACH_BEFORE);
	const lineStart = prefix.length - linePrefix.length;
	const start = Math.max(lastOuterLine(prefix, lineStart), earliest === 0 ? 0 : prefix.indexOf('\n', earliest) + 1);
	const indentation = /^[ \t]*/.exec(linePrefix)?.[0] ?? '';
	const after = suffix.slice(0, REACH_AFTER);
	const isClosed = /^\s*[)\]}]/.test(after);
	const body = colon ? `\n${indentation}    pass\n` : isClosed ? '' : `\n${indentation}}`;
	return { text: prefix.slice(start) + body + after, start };
}

/** Start of the last line before the cursor's that begins with a word: where a definition of the outermost level may begin. */
function lastOuterLine(prefix: string, lineStart: number): number {
	for (let at = lineStart; at > 0; at = prefix.lastIndexOf('\n', at - 2) + 1) if (/[\p{L}_@]/u.test(prefix.charAt(at))) return at;
	return 0;
}

/** Type of the node around the token at an offset; undefined where the grammar did not understand it. */
function parentTypeAt(root: SyntaxNode, offset: number): string | undefined {
	let parent: SyntaxNode | undefined;
	let node: SyntaxNode = root;
	for (;;) {
		const child = node.children.find((each) => each && each.startIndex <= offset && offset < each.endIndex);
		if (!child) break;
		parent = node;
		node = child;
	}
	return parent && parent.type !== 'ERROR' ? parent.type : undefined;
}
