/**
 * Cuts files into chunks along their syntax, and finds what other files can name in them. `units.ts` says by which policy.
 *
 * Guarantees: chunks cover the file exactly, in order, each within the budget by the caller's tokenizer (a single code point
 * excepted); equal text under an equal name is cut equally, everywhere. Grammars load when needed, and stay.
 *
 * Deliberately lacks: any I/O beside grammars, any knowledge of models, and incremental parsing: a file is parsed in
 * milliseconds, and what did not change keeps its chunks because boundaries depend on nearby text alone.
 */
import { HefError, messageOf } from '../base/errors.ts';
import { silentLogger } from '../base/logger.ts';
import { LineIndex } from '../base/text.ts';
import { entitiesOf, findDefinitions } from './definitions.ts';
import { createGrammars } from './grammars.ts';
import { languageOf } from './languages.ts';
import { cutToBudget, lineUnits } from './line-units.ts';
import { syntaxUnits } from './syntax-units.ts';
import { createTokenBudget, type TokenBudget } from './token-budget.ts';
import type { Chunk, ChunkedFile, Chunker, ChunkerOptions } from './types.ts';
import { mergeUnits, type Span, type Unit } from './units.ts';

const DEFAULT_MAX_TOKENS = 512;

/** @throws HefError `usage` when `maxTokens` is no positive whole number. */
export function createChunker(options: ChunkerOptions): Chunker {
	const { maxTokens = DEFAULT_MAX_TOKENS, countTokens, logger = silentLogger } = options;
	if (!Number.isInteger(maxTokens) || maxTokens < 1)
		throw new HefError('usage', `maxTokens: expected a whole number above 0, got ${maxTokens}`);
	const grammars = createGrammars();

	const bySyntax = async (path: string, text: string, lines: LineIndex, budget: TokenBudget): Promise<ChunkedFile | undefined> => {
		const language = languageOf(path);
		if (!language) return undefined;
		try {
			return await grammars.parse(language, text, ({ root, matches }) => {
				const definitions = findDefinitions(text, matches);
				const units = syntaxUnits(text, root, definitions, budget);
				if (units.length === 0) return undefined;
				return { chunks: toChunks(text, units, lines, budget), entities: entitiesOf(definitions, lines), method: 'syntax' };
			});
		} catch (error) {
			logger.warn(`${path} is cut by blank lines: ${messageOf(error)}`);
			return undefined;
		}
	};

	return {
		async chunk(path, text) {
			const lines = new LineIndex(text);
			const budget = createTokenBudget(text, lines, maxTokens, countTokens);
			const parsed = text === '' ? undefined : await bySyntax(path, text, lines, budget);
			if (parsed) return parsed;
			const units = lineUnits(text, { start: 0, end: text.length }, budget);
			return { chunks: toChunks(text, units, lines, budget), entities: [], method: 'blankLines' };
		},
	};
}

function toChunks(text: string, units: readonly Unit[], lines: LineIndex, budget: TokenBudget): Chunk[] {
	return mergeUnits(text, units, budget)
		.flatMap((piece) => cutToBudget(text, piece, budget))
		.map(({ start, end }: Span) => ({
			startOffset: start,
			endOffset: end,
			startLine: lines.lineAt(start),
			endLine: lines.lineAt(end - 1),
		}));
}
