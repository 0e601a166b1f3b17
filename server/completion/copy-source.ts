/**
 * Where a completion copies from: the copy model at its cursor and the analogous lines, made once a cursor and once a line.
 *
 * Deliberately lacks: any say in what copying counts (`mixing.ts`).
 */
import { lastResults } from '../base/last-results.ts';
import { type Analogy, AnalogyFinder } from '../copying/analogies.ts';
import { type AnalogyOptions, createAnalogySession } from '../copying/analogy-session.ts';
import type { BlockTokenizer } from '../copying/block-tokens.ts';
import { type CopySession, createCopySession } from '../copying/copy-model.ts';
import { Likeness } from '../copying/matches.ts';
import type { NgramIndex } from '../copying/ngram-index.ts';
import type { AnalogyWeights, CopyWeights } from '../inference/copy-weights.ts';
import type { CopySource } from './decode.ts';
import type { CompletionRequest } from './types.ts';

/** The text around the cursor: what the prompt reads, what is written again, and what follows as far as it may be read. */
export interface TextsAround {
	kept: string;
	forced: string;
	suffix: string;
}

/** Lines of a block that are taken from one place. */
const BLOCK_LINES = 12;

export interface CopySourcesOptions {
	tokenizer: BlockTokenizer;
	weights: { copy: CopyWeights; analogy: AnalogyWeights };
}

export interface CopySources {
	/**
	 * Standing behind the prompt.
	 * @param block whether more than the line may be written
	 */
	at(texts: TextsAround, request: CompletionRequest, repository: NgramIndex | undefined, block: boolean): CopySource;
	/** Looks for analogous lines before a request at this place asks for them. */
	prepare(texts: TextsAround, request: CompletionRequest, repository: NgramIndex | undefined): void;
}

export function createCopySources({ tokenizer, weights }: CopySourcesOptions): CopySources {
	const likeness = new Likeness();
	const finder = new AnalogyFinder(tokenizer);
	const sessionAt = lastResults<{ session: CopySession; start: number }>(1);
	/** Of the line that is written and of the next one. */
	const analogiesAt = lastResults<readonly Analogy[]>(2);

	const isAnalogous = ({ without }: CompletionRequest) => !without?.includes('analogy');

	/** @param indentation of the cursor's line, in characters */
	const find = (
		{ before, indentation }: { before: string; indentation: number },
		{ suffix }: TextsAround,
		{ path, fresh }: CompletionRequest,
		repository: NgramIndex | undefined,
	) => {
		const after = suffix.includes('\n') ? suffix.slice(suffix.indexOf('\n')) : '';
		const endsBlock = indentationOf(/^.*\S/m.exec(after)?.[0] ?? '') < indentation;
		const search = () => finder.find({ before, after, endsBlock, path, repository });
		return fresh ? search() : analogiesAt([before, after, endsBlock, path, repository, repository?.version], search);
	};

	return {
		at(texts, request, repository, block) {
			const { path, without, fresh } = request;
			const { kept, forced, suffix } = texts;
			const create = () => {
				const prefix = kept + forced;
				const typed = prefix.slice(lineStart(prefix));
				const isAtEnd = typed.trim() !== '' && /^[^\S\n]*(?:\n|$)/.test(suffix);
				const options: AnalogyOptions = {
					...{ typed, forced, linesBehind: block ? BLOCK_LINES : 0, tokenizer },
					find: () => find(lineOf(prefix), texts, request, repository),
					findNext: block && isAtEnd ? () => find({ ...lineOf(prefix), before: `${prefix}\n` }, texts, request, repository) : undefined,
				};
				const analogies = isAnalogous(request) ? createAnalogySession(options) : undefined;
				const session = createCopySession({ prefix: kept, suffix, path, tokenizer, repository, analogies, likeness });
				return { session, start: session.length };
			};
			const place = [kept, forced, suffix, path, repository, repository?.version, isAnalogous(request), block];
			const { session, start } = fresh ? create() : sessionAt(place, create);
			session.truncate(start);
			return { session, weights: weights.copy, analogyWeights: weights.analogy, speculate: !without?.includes('speculation') };
		},
		prepare(texts, request, repository) {
			const prefix = texts.kept + texts.forced;
			if (isAnalogous(request)) find(lineOf(prefix), texts, request, repository);
		},
	};
}

/** What stands before the cursor's line, and how far that is indented. */
function lineOf(prefix: string): { before: string; indentation: number } {
	const start = lineStart(prefix);
	return { before: prefix.slice(0, start), indentation: indentationOf(prefix.slice(start)) };
}

function indentationOf(line: string): number {
	return line.length - line.trimStart().length;
}

function lineStart(prefix: string): number {
	return prefix.lastIndexOf('\n') + 1;
}
