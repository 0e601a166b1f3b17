/**
 * Where a completion copies from: the copy model at its cursor and the analogous lines, made once a cursor and once a line.
 *
 * Deliberately lacks: any say in what copying counts (`mixing.ts`).
 */
import { lastResults } from '../base/last-results.ts';
import { type Analogy, AnalogyFinder } from '../copying/analogies.ts';
import { createAnalogySession } from '../copying/analogy-session.ts';
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

export interface CopySourcesOptions {
	tokenizer: BlockTokenizer;
	/** Without weights of their own analogous lines are not looked for, but to fit some. */
	weights: { copy: CopyWeights; analogy?: AnalogyWeights };
}

export type CopySourceAt = (texts: TextsAround, request: CompletionRequest, repository: NgramIndex | undefined) => CopySource;

export function createCopySources({ tokenizer, weights }: CopySourcesOptions): CopySourceAt {
	const likeness = new Likeness();
	const finder = new AnalogyFinder(tokenizer);
	const sessionAt = lastResults<{ session: CopySession; start: number }>(1);
	/** Of the line that is written and of the next one. */
	const analogiesAt = lastResults<readonly Analogy[]>(2);

	const analogiesOf = ({ kept, forced, suffix }: TextsAround, { path, fresh }: CompletionRequest, repository: NgramIndex | undefined) => {
		const prefix = kept + forced;
		const before = prefix.slice(0, prefix.lastIndexOf('\n') + 1);
		const after = suffix.includes('\n') ? suffix.slice(suffix.indexOf('\n')) : '';
		const search = () => finder.find({ before, after, path, repository });
		const find = () => (fresh ? search() : analogiesAt([before, after, path, repository, repository?.version], search));
		return createAnalogySession({ typed: prefix.slice(before.length), forced, tokenizer, find });
	};

	return (texts, request, repository) => {
		const { path, without, fresh } = request;
		const { kept, forced, suffix } = texts;
		const isAnalogous = (weights.analogy !== undefined || request.traceCopying === true) && !without?.includes('analogy');
		const create = () => {
			const analogies = isAnalogous ? analogiesOf(texts, request, repository) : undefined;
			const session = createCopySession({ prefix: kept, suffix, path, tokenizer, repository, analogies, likeness });
			return { session, start: session.length };
		};
		const place = [kept, forced, suffix, path, repository, repository?.version, isAnalogous];
		const { session, start } = fresh ? create() : sessionAt(place, create);
		session.truncate(start);
		return { session, weights: weights.copy, analogyWeights: weights.analogy, speculate: !without?.includes('speculation') };
	};
}
