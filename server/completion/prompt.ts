/**
 * Lays a prompt out as the bundle was trained on it and as the KV cache likes it (design decision 4):
 * `[pseudo-tokens | snippets] [entities] [suffix] [prefix]`, what typing changes last; of order `psm`
 * `[pseudo-tokens | snippets] [entities] [prefix] [suffix] [middle]`, where typing costs the suffix too.
 *
 * The start of the prefix window moves in steps of {@link WINDOW_STEP_LINES} lines, so that typing a new line does not
 * shift every position. Deliberately lacks: any choice of *what* context goes in.
 */
import { framePositions, HEADER_TOKENS, type PromptHeader, type PromptLayout } from '../inference/prompt-layout.ts';
import type { PromptPart, Tokenizer } from '../inference/types.ts';
import type { CompletionRequest } from './types.ts';

const WINDOW_STEP_LINES = 8;
/** What is left of a budget for snippets below which the next is left out rather than cut. */
const SHORTEST_SNIPPET = 24;
/** More characters than any budget of tokens needs; bounds the text that is tokenised for a huge line. */
const MAX_CHARS_PER_TOKEN = 8;

/** Text around the cursor that the generator reads. */
export interface Windows {
	prefixIds: number[];
	suffixIds: number[];
	/** Where the prefix window begins, as a UTF-16 offset into the prefix text. */
	prefixStart: number;
	/** UTF-16 length of the suffix text that was read. */
	suffixLength: number;
}

/** The context segments of one prompt. */
export interface Context {
	/** `keys.length` pseudo-tokens `[keys.length · hiddenSize]`. */
	pseudoTokens?: { keys: readonly string[]; embeddings: Float32Array };
	/** Best first. */
	snippets?: readonly { path: string; text: string }[];
	entities?: readonly string[];
}

/** What headers name. */
export interface Headings {
	/** Of the open file. */
	path: string;
	repository?: string;
}

export interface Prompt {
	parts: PromptPart[];
	/** Headers and marks count with what follows or precedes them. */
	tokens: { pseudo: number; snippets: number; entities: number; suffix: number; prefix: number };
}

/**
 * Positions of the context that {@link PromptLayout.total} counts, at most. Raw snippets are not counted: they stand in front of full
 * windows, as the baseline, as long as what it carries.
 */
export function contextPositions({ context, without }: Pick<CompletionRequest, 'context' | 'without'>, layout: PromptLayout): number {
	if (context !== 'hef' && context !== 'llavacode') return 0;
	const named = context === 'hef' && !without?.includes('entities');
	return layout.pseudoTokens.max + (named ? (layout.entities?.max ?? 0) : 0);
}

export interface WindowOptions {
	/** The healed prefix; texts use `\n`. */
	prefix: string;
	suffix: string;
	layout: PromptLayout;
	/** Positions of the context, for which the prefix window makes room where the layout's total asks for it. Default 0. */
	context?: number;
}

/** Cuts the text around the cursor to the layout's budgets. */
export function cutWindows({ prefix, suffix, layout, context = 0 }: WindowOptions, tokenizer: Tokenizer): Windows {
	const suffixBudget = layout.suffix.max - layout.suffix.before.length;
	const suffixText = suffix.slice(0, suffixBudget * MAX_CHARS_PER_TOKEN);
	const suffixIds = tokenizer.encode(suffixText).slice(0, suffixBudget);
	const prefixMax = longestPrefix(layout, context, layout.suffix.before.length + suffixIds.length);
	const { ids: prefixIds, start } = cutPrefix(prefix, prefixMax - layout.prefix.before.length, tokenizer);
	return { prefixIds, suffixIds, prefixStart: start, suffixLength: tokenizer.decode(suffixIds).length };
}

/**
 * Positions of the prefix segment: what the suffix that is there and the context leave of the layout's total. At least half of the
 * window, which the manifest's check sees to.
 */
function longestPrefix(layout: PromptLayout, context: number, suffix: number): number {
	const { total, prefix } = layout;
	if (total === undefined || context === 0) return prefix.max;
	return Math.min(prefix.max, total - framePositions(layout) - context - suffix);
}

function cutPrefix(prefix: string, budget: number, tokenizer: Tokenizer): { ids: number[]; start: number } {
	const earliest = Math.max(0, prefix.length - budget * MAX_CHARS_PER_TOKEN);
	const starts = windowStarts(prefix, earliest);
	// A later start is a shorter text: the first start that fits is found by bisection, with few tokenisations.
	let low = 0;
	let high = starts.length;
	let best: { ids: number[]; start: number } | undefined;
	while (low < high) {
		const middle = (low + high) >> 1;
		const start = starts[middle] as number;
		const ids = tokenizer.encode(prefix.slice(start));
		if (ids.length <= budget) {
			best = { ids, start };
			high = middle;
		} else low = middle + 1;
	}
	if (best) return best;
	// Not even the text since the last step fits: the last tokens, wherever they begin.
	const start = Math.max(earliest, starts.at(-1) ?? 0);
	const ids = tokenizer.encode(prefix.slice(start)).slice(-budget);
	return { ids, start: prefix.length - tokenizer.decode(ids).length };
}

/** Offsets of every {@link WINDOW_STEP_LINES}-th line from `earliest` on; the text's own start where it is near enough. */
function windowStarts(text: string, earliest: number): number[] {
	const starts: number[] = earliest === 0 ? [0] : [];
	let line = 0;
	for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) {
		line++;
		if (line % WINDOW_STEP_LINES === 0 && at + 1 >= earliest && at + 1 < text.length) starts.push(at + 1);
	}
	return starts;
}

/** Joins the segments. Segments that the bundle's layout does not have are left out. */
export function buildPrompt(
	windows: Windows,
	context: Context,
	layout: PromptLayout,
	tokenizer: Tokenizer,
	headings: Headings = { path: '' },
): Prompt {
	const parts: PromptPart[] = [];
	const pseudo = context.pseudoTokens;
	if (pseudo && pseudo.keys.length > 0) parts.push({ kind: 'embeddings', keys: pseudo.keys, embeddings: pseudo.embeddings });
	const repositoryIds = headings.repository === undefined ? [] : headerIds(layout.repository, headings, tokenizer);
	const snippetIds = snippetsIds(context.snippets, headings, layout, tokenizer);
	const entityIds = entitiesIds(context.entities, layout.entities, tokenizer);
	const fileIds = headerIds(layout.file, headings, tokenizer);
	const prefixIds = [...layout.prefix.before, ...windows.prefixIds];
	const suffixIds = [...layout.suffix.before, ...windows.suffixIds, ...(layout.middle?.before ?? [])];
	const around = layout.order === 'psm' ? [...prefixIds, ...suffixIds] : [...suffixIds, ...prefixIds];
	parts.push({ kind: 'tokens', ids: [...repositoryIds, ...snippetIds, ...entityIds, ...fileIds, ...around] });
	return {
		parts,
		tokens: {
			pseudo: pseudo?.keys.length ?? 0,
			snippets: snippetIds.length,
			entities: entityIds.length,
			suffix: suffixIds.length,
			prefix: repositoryIds.length + fileIds.length + prefixIds.length,
		},
	};
}

function headerIds(header: PromptHeader | undefined, { path, repository = '' }: Headings, tokenizer: Tokenizer): number[] {
	if (!header) return [];
	const names: Record<string, string> = { path, repository };
	const text = header.text.replaceAll(/\{(path|repository)\}/g, (_, name: string) => names[name] ?? '');
	return [...header.before, ...tokenizer.encode(text).slice(-HEADER_TOKENS)];
}

/** With headers of their own, the best stands last, nearest to the cursor; without, all are one text, the best first. */
function snippetsIds(
	snippets: Context['snippets'],
	headings: Headings,
	{ snippets: segment }: PromptLayout,
	tokenizer: Tokenizer,
): number[] {
	if (!segment || !snippets || snippets.length === 0) return [];
	const { each, before, max, separator = '\n' } = segment;
	if (!each) return [...before, ...tokenizer.encode(snippets.map(({ text }) => text).join(separator))].slice(0, max);
	const chosen: number[][] = [];
	let left = max - before.length;
	for (const { path, text } of snippets) {
		const ids = [...headerIds(each, { ...headings, path }, tokenizer), ...tokenizer.encode(text + separator)];
		if (ids.length > left && left < each.before.length + SHORTEST_SNIPPET) break;
		chosen.unshift(ids.slice(0, left));
		left -= ids.length;
		if (left <= 0) break;
	}
	return [...before, ...chosen.flat()];
}

function entitiesIds(names: readonly string[] | undefined, segment: PromptLayout['entities'], tokenizer: Tokenizer): number[] {
	if (!segment || !names || names.length === 0) return [];
	return [...segment.before, ...tokenizer.encode(names.join(segment.separator ?? '\n'))].slice(0, segment.max);
}
