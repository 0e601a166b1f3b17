/** How far a request is decoded: a line, or a block where one begins or was asked for. */

import type { AlternativesOptions } from './alternatives.ts';
import type { BlockDetector } from './block-start.ts';
import type { DecodeOptions } from './decode.ts';
import type { SearchOptions } from './search.ts';
import type { Split } from './split.ts';
import { endOfBlock, endOfFirstLine, endOfLine } from './stop-rules.ts';
import type { CompletionRequest } from './types.ts';

const LINE_TOKENS = 64;
const BLOCK_TOKENS = 192;
const LINE_BUDGET_MS = 2000;
const BLOCK_BUDGET_MS = 4000;
/**
 * While somebody types. A small generator writes a line and two others in half of that; one of half a billion parameters on a CPU is not
 * through with the first, and would have its user wait for the others.
 */
const SEARCH_WITHIN_MS = 100;
/** Whoever asks by hand waits for what there is to choose from, but not for long. */
const OTHERS_BUDGET_MS = 1000;

export type DecodeRules = Pick<DecodeOptions, 'maxNewTokens' | 'stop' | 'timeBudgetMs' | 'singleLine' | 'isHopeless'> &
	Pick<AlternativesOptions, 'block' | 'othersBudgetMs'> &
	Pick<SearchOptions, 'searchWithinMs'>;

export function rulesOf(request: CompletionRequest, split: Split, blocks: BlockDetector): DecodeRules {
	// What is right does not depend on how busy the machine is that measures it.
	const within = (budgetMs: number) => (request.gold === undefined ? budgetMs : Number.POSITIVE_INFINITY);
	const othersBudgetMs = within(OTHERS_BUDGET_MS);
	const { multiLine, explicit, most = 1 } = request;
	const searchWithinMs = explicit ? Number.POSITIVE_INFINITY : within(SEARCH_WITHIN_MS);
	const ending = { maxNewTokens: LINE_TOKENS, stop: endOfLine, singleLine: true };
	const line = { ...ending, timeBudgetMs: within(LINE_BUDGET_MS), searchWithinMs, othersBudgetMs };
	if (multiLine === 'never') return line;
	const block = { maxNewTokens: BLOCK_TOKENS, stop: endOfBlock(split.linePrefix) };
	const timeBudgetMs = within(BLOCK_BUDGET_MS);
	if (multiLine === 'always' || blocks.beginsBlock(request.path, split)) {
		// Where there is something to choose from, it differs in the first line.
		const first = most > 1 ? { maxNewTokens: LINE_TOKENS, stop: endOfFirstLine, block } : block;
		return { ...first, timeBudgetMs, singleLine: false, othersBudgetMs };
	}
	return explicit ? { ...line, timeBudgetMs, block } : line;
}
