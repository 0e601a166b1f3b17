/** How far a request is decoded: a line, or a block where one begins or was asked for. */
import type { BlockDetector } from './block-start.ts';
import type { DecodeOptions } from './decode.ts';
import type { Split } from './split.ts';
import { endOfBlock, endOfLine } from './stop-rules.ts';
import type { CompletionRequest } from './types.ts';

const LINE_TOKENS = 64;
const BLOCK_TOKENS = 192;
const LINE_BUDGET_MS = 2000;
const BLOCK_BUDGET_MS = 4000;

export type DecodeRules = Pick<DecodeOptions, 'maxNewTokens' | 'stop' | 'timeBudgetMs' | 'singleLine' | 'isHopeless'>;

export function rulesOf(request: CompletionRequest, split: Split, blocks: BlockDetector): DecodeRules {
	// What is right does not depend on how busy the machine is that measures it.
	const within = (timeBudgetMs: number) => (request.gold === undefined ? timeBudgetMs : Number.POSITIVE_INFINITY);
	return wantsBlock(request, split, blocks)
		? { maxNewTokens: BLOCK_TOKENS, stop: endOfBlock(split.linePrefix), timeBudgetMs: within(BLOCK_BUDGET_MS), singleLine: false }
		: { maxNewTokens: LINE_TOKENS, stop: endOfLine, timeBudgetMs: within(LINE_BUDGET_MS), singleLine: true };
}

function wantsBlock(request: CompletionRequest, split: Split, blocks: BlockDetector): boolean {
	if (request.multiLine === 'never') return false;
	return request.multiLine === 'always' || request.explicit || blocks.beginsBlock(request.path, split);
}
