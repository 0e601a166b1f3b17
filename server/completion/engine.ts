/**
 * One completion, from the text around the cursor to a suggestion or the reason for none.
 *
 * Guarantees: never waits for the index; cancelled requests answer undefined within one decode step or one piece of the
 * prefill; every answer carries what stood behind it (nodes, tokens, times). What the next request will need can be computed
 * before it comes ({@link CompletionEngine.prepareNext}): it changes how long an answer takes, never what it says.
 * Deliberately lacks: threads, LSP, and any state of a request that another could overwrite.
 */
import { basename } from 'node:path';
import type { CompletionReport, StageTimings, TokenCounts } from 'hef-shared';
import type { Cancellation } from '../base/cancellation.ts';
import type { NodeId } from '../base/ids.ts';
import { lastResults } from '../base/last-results.ts';
import { createGrammars } from '../chunking/grammars.ts';
import { createBlockTokenizer } from '../copying/block-tokens.ts';
import type { CopySession } from '../copying/copy-model.ts';
import type { NgramIndex } from '../copying/ngram-index.ts';
import type { Bundle } from '../inference/bundle.ts';
import type { Models, Prefilled } from '../inference/types.ts';
import type { SnippetSource } from '../retrieval/snippets.ts';
import type { WorkspaceView } from '../retrieval/view.ts';
import { decodeAlternatives } from './alternatives.ts';
import { createBlockDetector } from './block-start.ts';
import { createCommentDetector } from './comments.ts';
import { featuresOf, highestConfidence } from './confidence.ts';
import { type ContextQuery, createContextGatherer } from './context.ts';
import { decodeCopies } from './copy-only.ts';
import { createCopySources, type TextsAround } from './copy-source.ts';
import { traceCopying } from './copy-trace.ts';
import { type CopySource, type Decoded, decodeGreedily, scoreText } from './decode.ts';
import { type DecodeRules, rulesOf } from './decode-rules.ts';
import { healPrefix } from './healing.ts';
import { createJudge, type Judge } from './judge.ts';
import type { NameUses } from './name-uses.ts';
import { nextPlace } from './next-place.ts';
import { countPositions } from './position-count.ts';
import { buildPrompt, type Context, contextPositions, cutWindows, type Prompt, type Windows } from './prompt.ts';
import { decodeMostProbable } from './search.ts';
import { countNewlines, inMiddleOfLine, type Split, splitAt } from './split.ts';
import { createSuggestionCache } from './suggestion-cache.ts';
import type { CompletionRequest } from './types.ts';

/** What there is of a workspace folder. */
export interface FolderSources {
	view?: WorkspaceView;
	snippets?: SnippetSource;
	copies?: NgramIndex | undefined;
	names?: NameUses;
}

export interface EngineOptions {
	bundle: Bundle;
	models: Models;
	/** The index of a folder, as far as it is there. */
	workspace(folder: string): FolderSources | undefined;
	/** Whether the copy model takes part. Default true. */
	copy?: boolean;
	now(): number;
}

export interface CompletionEngine {
	/** The answer that needs no model, if there is one. May be called while another method runs. */
	recall(request: CompletionRequest): CompletionReport | undefined;
	/** Undefined when cancelled. Calls of this and the methods below must not overlap. */
	complete(request: CompletionRequest, cancellation: Cancellation): Promise<CompletionReport | undefined>;
	/** Renews the context of a place and reads its prompt, so that a request there has only new tokens to read. */
	prepare(request: CompletionRequest, cancellation: Cancellation): Promise<void>;
	/** Prepares what will likely be asked after an answered request: its place where the context was stale, and the next line. */
	prepareNext(request: CompletionRequest, answer: CompletionReport, cancellation: Cancellation): Promise<void>;
	/** Makes pseudo-tokens of a view's nodes before a request asks for them. False where there is no room for more. */
	projectAhead(nodes: readonly NodeId[], view: WorkspaceView): Promise<boolean>;
	/** Forgets what is held for a document. */
	forget(uri: string): void;
}

/** Positions that are read at a time while nobody waits: whoever comes waits for the end of such a run. */
const IDLE_PIECE = 32;

interface Generated {
	decoded: Decoded;
	prefilled: Prefilled;
}

export function createCompletionEngine({ bundle, models, workspace, copy = true, now }: EngineOptions): CompletionEngine {
	const { manifest } = bundle;
	const layout = manifest.prompt;
	const gatherer = createContextGatherer({ models, layout, now });
	const remembered = createSuggestionCache();
	/** Answered requests whose context is worth renewing. */
	const outdated = new WeakSet<CompletionReport>();
	const blocks = createBlockDetector(createGrammars());
	const isInComment = createCommentDetector();
	/** Of the place asked about, and of the next one that is prepared. */
	const windowsAt = lastResults<Windows>(2);
	const sources = createCopySources({ tokenizer: createBlockTokenizer(models.tokenizer), weights: manifest });
	const copiesOf = ({ folder }: CompletionRequest) => (folder === undefined ? undefined : workspace(folder)?.copies);
	const copySourceAt = (texts: TextsAround, request: CompletionRequest, { singleLine, block }: DecodeRules) =>
		sources.at(texts, request, copiesOf(request), !singleLine || block !== undefined);

	const hasIndex = ({ folder }: CompletionRequest): boolean => folder !== undefined && (workspace(folder)?.view?.size ?? 0) > 0;

	const windowsOf = (split: Split, request: CompletionRequest) => {
		const healed = healPrefix(split.prefix, models.tokenizer);
		const suffix = request.without?.includes('suffix') ? '' : split.suffix;
		const context = hasIndex(request) ? contextPositions(request, layout) : 0;
		const cut = () => cutWindows({ prefix: healed.kept, suffix, layout, context }, models.tokenizer);
		return { ...healed, suffix, windows: request.fresh ? cut() : windowsAt([healed.kept, suffix, context], cut) };
	};

	const promptOf = (windows: Windows, context: Context, { path, folder }: CompletionRequest): Prompt => {
		const headings = { path, ...(folder === undefined ? {} : { repository: basename(folder) }) };
		return buildPrompt(windows, context, layout, models.tokenizer, headings);
	};

	const contextQuery = (split: Split, windows: Windows, request: CompletionRequest): ContextQuery => {
		const place = request.folder === undefined ? undefined : workspace(request.folder);
		const visibleText = split.prefix.slice(windows.prefixStart) + split.suffix.slice(0, windows.suffixLength);
		const startLine = countNewlines(split.prefix, windows.prefixStart);
		const visible = { path: request.path, startLine, endLine: startLine + countNewlines(visibleText) };
		return { request, view: place?.view, snippets: place?.snippets, names: place?.names, prefix: split.prefix, visible, visibleText };
	};

	/** Stops where nothing that follows would be shown. An evaluation wants all of it. */
	const untilHopeless = (request: CompletionRequest, { linePrefix }: Split, rules: DecodeRules): DecodeRules => {
		if (request.explicit || request.fresh || request.gold !== undefined) return rules;
		const highest = (decoded: Omit<Decoded, 'text' | 'reason'>) =>
			highestConfidence(featuresOf(decoded, linePrefix), manifest.confidence, rules.maxNewTokens);
		return { ...rules, isHopeless: (decoded) => highest(decoded) < request.minConfidence };
	};

	const generate = async (
		prompt: Prompt,
		forced: string,
		copied: CopySource | undefined,
		rules: DecodeRules,
		{ without, most = 1 }: CompletionRequest,
		{ shown, isWorthless }: Judge,
		cancellation: Cancellation,
	) => {
		const started = now();
		const generator = countPositions(await models.generator());
		const prefilled = await generator.prefill(prompt.parts, cancellation);
		if (!prefilled) return undefined;
		const prefilledAt = now();
		const { logits, positions } = prefilled;
		const known = without?.includes('known') ? undefined : prefilled.known;
		const from = { generator, tokenizer: models.tokenizer, logits, positions, known, forced, copy: copied };
		const options = { ...from, ...rules, isWorthless, cancellation, now };
		const search = !without?.includes('search');
		const one = rules.singleLine && search ? decodeMostProbable : decodeGreedily;
		const all = search && (most > 1 || rules.block) ? await decodeAlternatives({ ...options, most, shown }) : [await one(options)];
		const [decoded] = all;
		if (!decoded || decoded.reason === 'cancelled') return undefined;
		const read = positions - prefilled.reused + generator.positionsRead;
		return { decoded, all, prefilled, read, prefillMs: prefilledAt - started, decodeMs: now() - prefilledAt };
	};

	/** After a completion, so that its times are those of a completion. */
	const weigh = async (text: string, forced: string, split: Split, { decoded, prefilled }: Generated, session?: CopySession) => {
		const generator = await models.generator();
		const from = { generator, tokenizer: models.tokenizer, logits: prefilled.logits, forced, text };
		generator.truncate(prefilled.positions);
		const gold = await scoreText(from);
		generator.truncate(prefilled.positions);
		const copying = session && (await traceCopying({ ...from, session }));
		return { gold, features: featuresOf(decoded, split.linePrefix), ...(copying ? { copying } : {}) };
	};

	const report = (request: CompletionRequest, parts: Partial<CompletionReport>): CompletionReport => ({
		items: [],
		suppressed: null,
		nodes: [],
		tokens: { pseudo: 0, entities: 0, suffix: 0, prefix: 0, generated: 0 },
		timingsMs: { tokenize: 0, embed: 0, retrieve: 0, project: 0, prefill: 0, decode: 0, total: 0 },
		bundle: manifest.name,
		executionProvider: models.executionProvider.name,
		context: request.context,
		...parts,
	});

	/** What may not be read does not judge either. */
	const judgeOf = (request: CompletionRequest, split: Split): Judge =>
		createJudge(request, request.without?.includes('suffix') ? { ...split, suffix: '' } : split, manifest.confidence);

	/** What the copy model alone would write. */
	const copyOnly = (request: CompletionRequest, split: Split, cancellation: Cancellation, started: number) => {
		const texts = windowsOf(split, request);
		const tokenized = now();
		const rules = rulesOf(request, split, blocks);
		const { session } = copySourceAt(texts, request, rules);
		const decoded = decodeCopies({
			session,
			tokenizer: models.tokenizer,
			forced: texts.forced,
			...rules,
			cancellation,
		});
		if (decoded.reason === 'cancelled') return undefined;
		const answer = report(request, judgeOf(request, split).judge([decoded]));
		answer.tokens.generated = decoded.nTokens;
		Object.assign(answer.timingsMs, { tokenize: tokenized - started, decode: now() - tokenized, total: now() - started });
		return answer;
	};

	const run = async (request: CompletionRequest, split: Split, cancellation: Cancellation, started: number) => {
		const { windows, ...texts } = windowsOf(split, request);
		const { forced } = texts;
		const tokenized = now();
		const context = await gatherer.gather(contextQuery(split, windows, request));
		if (cancellation.aborted) return undefined;
		const prompt = promptOf(windows, context, request);
		const rules = untilHopeless(request, split, rulesOf(request, split, blocks));
		const copied = copy && !request.without?.includes('copy') ? copySourceAt(texts, request, rules) : undefined;
		// A measured request is cold, whatever ran before it.
		if (request.fresh) (await models.generator()).truncate(0);
		const judge = judgeOf(request, split);
		const generated = await generate(prompt, forced, copied, rules, request, judge, cancellation);
		if (!generated) return undefined;
		const timingsMs: StageTimings = {
			tokenize: tokenized - started,
			...context.timingsMs,
			prefill: generated.prefillMs,
			decode: generated.decodeMs,
			total: now() - started,
		};
		const { decoded, prefilled, read } = generated;
		const tokens: TokenCounts = { ...prompt.tokens, generated: decoded.nTokens, reused: prefilled.reused, read };
		const { nodes, notes } = context;
		const entities = [...(context.entities ?? [])];
		const traced = request.traceCopying ? copySourceAt(texts, request, rules).session : undefined;
		const evidence = request.gold === undefined ? undefined : await weigh(request.gold, forced, split, generated, traced);
		const answer = report(request, {
			...judge.judge(generated.all),
			...{ nodes, entities, notes, tokens, timingsMs },
			...(evidence ? { evidence } : {}),
		});
		if (!context.provisional && !request.fresh) remembered.add(request, split, answer);
		if (context.stale) outdated.add(answer);
		return answer;
	};

	const recall = (request: CompletionRequest, split: Split, started: number): CompletionReport | undefined => {
		if (!request.explicit && inMiddleOfLine(split)) return report(request, { suppressed: 'middleOfLine' });
		const known = request.fresh ? undefined : remembered.find(request, split);
		// A suggestion that holds a comment goes on in it.
		const goesOn = known !== undefined && known.items.length > 0;
		if (!goesOn && !request.explicit && !request.comments && isInComment(request.path, split.prefix))
			return report(request, { suppressed: 'inComment' });
		return known && { ...known, timingsMs: { ...report(request, {}).timingsMs, total: now() - started } };
	};

	const prepare = async (request: CompletionRequest, split: Split, cancellation: Cancellation): Promise<void> => {
		const { windows, ...texts } = windowsOf(split, request);
		const context = await gatherer.gather(contextQuery(split, windows, request), true);
		if (cancellation.aborted) return;
		const generator = await models.generator();
		await generator.prefill(promptOf(windows, context, request).parts, cancellation, IDLE_PIECE);
		if (copy && !cancellation.aborted) sources.prepare(texts, request, copiesOf(request));
	};

	const isHeld = (request: CompletionRequest, split: Split): boolean =>
		gatherer.isHeld(contextQuery(split, windowsOf(split, request).windows, request));

	return {
		recall: (request) => recall(request, splitAt(request.text, request.offset), now()),
		async complete(request, cancellation) {
			const started = now();
			const split = splitAt(request.text, request.offset);
			const known = recall(request, split, started);
			if (known) return known;
			if (request.context === 'copy') return copyOnly(request, split, cancellation, started);
			return run(request, split, cancellation, started);
		},
		async prepare(request, cancellation) {
			const split = splitAt(request.text, request.offset);
			if (request.context !== 'copy' && !recall(request, split, 0)) await prepare(request, split, cancellation);
		},
		async prepareNext(request, answer, cancellation) {
			if (outdated.has(answer)) await prepare(request, splitAt(request.text, request.offset), cancellation);
			const next = request.context === 'none' || request.context === 'copy' ? undefined : nextPlace(request, answer);
			if (!next || cancellation.aborted) return;
			const split = splitAt(next.text, next.offset);
			if (!isHeld(next, split)) await prepare(next, split, cancellation);
		},
		projectAhead: gatherer.projectAhead,
		forget(uri) {
			gatherer.forget(uri);
			remembered.forget(uri);
		},
	};
}
