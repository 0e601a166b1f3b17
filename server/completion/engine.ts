/**
 * One completion, from the text around the cursor to a suggestion or the reason for none.
 *
 * Guarantees: never waits for the index; cancelled requests answer undefined within one decode step or one piece of the
 * prefill; every answer carries what stood behind it (nodes, tokens, times).
 * Deliberately lacks: threads, LSP, and any state of a request that another could overwrite.
 */
import type { CompletionReport, StageTimings, TokenCounts } from 'hef-shared';
import type { Cancellation } from '../base/cancellation.ts';
import { LineIndex } from '../base/text.ts';
import type { Bundle } from '../inference/bundle.ts';
import type { Models, Prefilled } from '../inference/types.ts';
import type { SnippetSource } from '../retrieval/snippets.ts';
import type { WorkspaceView } from '../retrieval/view.ts';
import { confidenceOf, featuresOf } from './confidence.ts';
import { createContextGatherer, type GatheredContext } from './context.ts';
import { type Decoded, decodeGreedily, scoreText } from './decode.ts';
import { filterCandidate } from './filters.ts';
import { healPrefix } from './healing.ts';
import { buildPrompt, cutWindows, type Prompt, type Windows } from './prompt.ts';
import { beginsBlock, endOfBlock, endOfLine } from './stop-rules.ts';
import { createSuggestionCache } from './suggestion-cache.ts';
import type { CompletionRequest } from './types.ts';

const LINE_TOKENS = 64;
const BLOCK_TOKENS = 192;
const LINE_BUDGET_MS = 2000;
const BLOCK_BUDGET_MS = 4000;

export interface EngineOptions {
	bundle: Bundle;
	models: Models;
	/** The index of a folder, as far as it is there. */
	workspace(folder: string): { view: WorkspaceView; snippets: SnippetSource } | undefined;
	now(): number;
}

export interface CompletionEngine {
	/** Undefined when cancelled. Calls must not overlap. */
	complete(request: CompletionRequest, cancellation: Cancellation): Promise<CompletionReport | undefined>;
	/** Forgets what is held for a document. */
	forget(uri: string): void;
}

/** The text of a request, cut at the cursor, with `\n` line ends. */
interface Split {
	prefix: string;
	suffix: string;
	/** Line of the cursor up to it. */
	linePrefix: string;
	crlf: boolean;
}

export function createCompletionEngine({ bundle, models, workspace, now }: EngineOptions): CompletionEngine {
	const { manifest } = bundle;
	const layout = manifest.prompt;
	const gatherer = createContextGatherer({ models, layout, now });
	const remembered = createSuggestionCache();

	const windowsOf = (split: Split, request: CompletionRequest) => {
		const healed = healPrefix(split.prefix, models.tokenizer);
		const suffix = request.without?.includes('suffix') ? '' : split.suffix;
		return { forced: healed.forced, windows: cutWindows(healed.kept, suffix, layout, models.tokenizer) };
	};

	const gather = (split: Split, windows: Windows, request: CompletionRequest): Promise<GatheredContext> => {
		const place = request.folder === undefined ? undefined : workspace(request.folder);
		const visibleText = split.prefix.slice(windows.prefixStart) + split.suffix.slice(0, windows.suffixLength);
		const startLine = countNewlines(split.prefix, windows.prefixStart);
		const visible = { path: request.path, startLine, endLine: startLine + countNewlines(visibleText) };
		return gatherer.gather({ request, view: place?.view, snippets: place?.snippets, prefix: split.prefix, visible, visibleText });
	};

	const generate = async (prompt: Prompt, forced: string, split: Split, request: CompletionRequest, cancellation: Cancellation) => {
		const block = wantsBlock(request, split);
		const started = now();
		const generator = await models.generator();
		const prefilled = await generator.prefill(prompt.parts, cancellation);
		if (!prefilled) return undefined;
		const prefilledAt = now();
		const decoded = await decodeGreedily({
			generator,
			tokenizer: models.tokenizer,
			logits: prefilled.logits,
			forced,
			maxNewTokens: block ? BLOCK_TOKENS : LINE_TOKENS,
			stop: block ? endOfBlock(split.linePrefix) : endOfLine,
			cancellation,
			timeBudgetMs: block ? BLOCK_BUDGET_MS : LINE_BUDGET_MS,
			now,
		});
		if (decoded.reason === 'cancelled') return undefined;
		return { decoded, prefilled, prefillMs: prefilledAt - started, decodeMs: now() - prefilledAt };
	};

	/** After a completion, so that its times are those of a completion. */
	const weigh = async (text: string, forced: string, split: Split, { decoded, prefilled }: { decoded: Decoded; prefilled: Prefilled }) => {
		const generator = await models.generator();
		generator.truncate(prefilled.positions);
		const gold = await scoreText({ generator, tokenizer: models.tokenizer, logits: prefilled.logits, forced, text });
		return { gold, features: featuresOf(decoded, split.linePrefix) };
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

	const judge = (request: CompletionRequest, split: Split, decoded: Decoded): Pick<CompletionReport, 'items' | 'suppressed'> => {
		const verdict = filterCandidate({ text: decoded.text, linePrefix: split.linePrefix, suffix: split.suffix });
		if (verdict.kind === 'refuse') return { items: [], suppressed: verdict.reason };
		const confidence = confidenceOf(featuresOf(decoded, split.linePrefix), manifest.confidence);
		if (request.selected !== undefined && !continuesSelection(split.linePrefix, verdict.text, request.selected))
			return { items: [], suppressed: 'selectedEntryDiffers' };
		if (confidence < request.minConfidence && !request.explicit) return { items: [], suppressed: 'lowConfidence' };
		return { items: [itemAt(request, verdict.text, verdict.replaces, confidence, split.crlf)], suppressed: null };
	};

	const run = async (request: CompletionRequest, split: Split, cancellation: Cancellation, started: number) => {
		const { forced, windows } = windowsOf(split, request);
		const tokenized = now();
		const context = await gather(split, windows, request);
		if (cancellation.aborted) return undefined;
		const prompt = buildPrompt(windows, context, layout, models.tokenizer);
		const generated = await generate(prompt, forced, split, request, cancellation);
		if (!generated) return undefined;
		const timingsMs: StageTimings = {
			tokenize: tokenized - started,
			...context.timingsMs,
			prefill: generated.prefillMs,
			decode: generated.decodeMs,
			total: now() - started,
		};
		const tokens: TokenCounts = { ...prompt.tokens, generated: generated.decoded.nTokens, reused: generated.prefilled.reused };
		const { nodes, notes } = context;
		const entities = [...(context.entities ?? [])];
		const evidence = request.gold === undefined ? undefined : await weigh(request.gold, forced, split, generated);
		const answer = report(request, {
			...judge(request, split, generated.decoded),
			...{ nodes, entities, notes, tokens, timingsMs },
			...(evidence ? { evidence } : {}),
		});
		if (!context.provisional && !request.fresh) remembered.add(request, split, answer);
		return answer;
	};

	return {
		async complete(request, cancellation) {
			const started = now();
			const split = splitAt(request.text, request.offset);
			if (!request.explicit && inMiddleOfLine(split)) return report(request, { suppressed: 'middleOfLine' });
			const known = request.fresh ? undefined : remembered.find(request, split);
			if (known) return { ...known, timingsMs: { ...report(request, {}).timingsMs, total: now() - started } };
			return run(request, split, cancellation, started);
		},
		forget(uri) {
			gatherer.forget(uri);
			remembered.forget(uri);
		},
	};
}

function splitAt(text: string, offset: number): Split {
	const normalise = (part: string) => part.replaceAll('\r\n', '\n');
	const prefix = normalise(text.slice(0, offset));
	return {
		prefix,
		suffix: normalise(text.slice(offset)),
		linePrefix: prefix.slice(prefix.lastIndexOf('\n') + 1),
		crlf: text.includes('\r\n'),
	};
}

/** Something other than closing punctuation stands right of the cursor: a suggestion there disturbs more than it helps. */
function inMiddleOfLine({ suffix }: Split): boolean {
	const rest = suffix.split('\n', 1)[0] ?? '';
	return !/^\s*[)>}\]"'`]*\s*[:{;,]?\s*$/.test(rest);
}

function wantsBlock(request: CompletionRequest, { linePrefix, suffix }: Split): boolean {
	if (request.multiLine === 'never') return false;
	if (request.multiLine === 'always') return true;
	return request.explicit || beginsBlock(linePrefix, suffix);
}

/** What the line would read with the suggestion must begin with what it would read with the editor's selected entry. */
function continuesSelection(linePrefix: string, text: string, selected: string): boolean {
	const line = linePrefix + text;
	for (let n = Math.min(selected.length, linePrefix.length); n >= 0; n--) {
		if (linePrefix.endsWith(selected.slice(0, n))) return line.startsWith(linePrefix + selected.slice(n));
	}
	return false;
}

function itemAt(request: CompletionRequest, text: string, replaces: number, confidence: number, crlf: boolean) {
	const lines = new LineIndex(request.text);
	return {
		insertText: crlf ? text.replaceAll('\n', '\r\n') : text,
		range: { start: lines.positionAt(request.offset), end: lines.positionAt(request.offset + replaces) },
		confidence,
	};
}

function countNewlines(text: string, end = text.length): number {
	let n = 0;
	for (let at = text.indexOf('\n'); at !== -1 && at < end; at = text.indexOf('\n', at + 1)) n++;
	return n;
}
