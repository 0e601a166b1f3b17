/**
 * Typed-through: text that agrees with a remembered suggestion is answered from it, with no model call, also after
 * backspace. The key is all that an answer depends on: the texts before and after the cursor, by their hashes, and the
 * request's place and settings. A hash stands for a version of the document more exactly than a number would: undoing finds the old one.
 * Closers that the editor added behind the cursor while that was typed, or that were typed over, make no difference.
 *
 * Guarantees: what is remembered stays below a number of bytes; the documents asked about last are remembered longest.
 */
import type { CompletionItem, CompletionReport } from 'hef-shared';
import { LRUCache } from 'lru-cache';
import { hashText } from '../base/ids.ts';
import { LineIndex } from '../base/text.ts';
import { joinWithRestOfLine } from './filter-brackets.ts';
import { eolAt, type Split } from './split.ts';
import type { CompletionRequest } from './types.ts';

interface Remembered {
	prefixLength: number;
	prefixHash: string;
	suffixHash: string;
	settings: string;
	answer: CompletionReport;
	/** What it suggests, each with `\n` line ends. */
	texts: string[];
	/** What stays behind the first of them. */
	tailLength: number;
	tailHash: string;
}

export interface SuggestionCache {
	/** The rest of the remembered suggestions that the typed text agrees with; its `tokens.generated` is 0. */
	find(request: CompletionRequest, split: Split): CompletionReport | undefined;
	add(request: CompletionRequest, split: Split, answer: CompletionReport): void;
	forget(uri: string): void;
	/** Of memory, about. */
	readonly bytes: number;
}

const BUDGET_BYTES = 4 << 20;
const PER_DOCUMENT = 20;
/** Of closers that stand between the cursor and what stays. */
const MOST_CLOSERS = 8;

export function createSuggestionCache(budgetBytes = BUDGET_BYTES): SuggestionCache {
	const documents = new LRUCache<string, Remembered[]>({
		maxSize: budgetBytes,
		sizeCalculation: (list) => list.reduce((sum, known) => sum + bytesOf(known), 1),
	});
	return {
		get bytes() {
			return documents.calculatedSize;
		},
		find(request, split) {
			const settings = settingsKey(request);
			const candidates = (documents.get(request.uri) ?? []).filter((known) => known.settings === settings && goesOn(known, split.prefix));
			if (candidates.length === 0) return undefined;
			const suffixHash = hashText(split.suffix);
			for (const known of candidates) {
				if (known.prefixHash !== hashText(split.prefix.slice(0, known.prefixLength))) continue;
				const typed = split.prefix.slice(known.prefixLength);
				const rest = known.suffixHash === suffixHash ? restOf(known, request, typed) : restAmongClosers(known, request, split, typed);
				if (rest) return rest;
			}
			return undefined;
		},
		add(request, split, answer) {
			const tail = split.suffix.slice(replacedBy(answer.items[0]));
			const suffixHash = hashText(split.suffix);
			const known: Remembered = {
				prefixLength: split.prefix.length,
				prefixHash: hashText(split.prefix),
				suffixHash,
				settings: settingsKey(request),
				answer,
				texts: answer.items.map(({ insertText }) => insertText.replaceAll(/\r\n?/g, '\n')),
				tailLength: tail.length,
				tailHash: tail.length === split.suffix.length ? suffixHash : hashText(tail),
			};
			documents.set(request.uri, [known, ...(documents.get(request.uri) ?? [])].slice(0, PER_DOCUMENT));
		},
		forget: (uri) => documents.delete(uri),
	};
}

/** Whether the text typed behind the remembered place, if it is that place, is a beginning of a suggestion and leaves a rest. */
function goesOn({ prefixLength, texts }: Remembered, prefix: string): boolean {
	if (prefix.length === prefixLength) return true;
	const agrees = (text: string) => prefix.length - prefixLength < text.length && text.startsWith(prefix.slice(prefixLength));
	return prefix.length > prefixLength && texts.some(agrees);
}

function restOf({ answer, texts }: Remembered, request: CompletionRequest, typed: string): CompletionReport {
	const tokens = { ...answer.tokens, generated: 0, read: 0 };
	if (answer.items.length === 0) return { ...answer, tokens };
	const start = new LineIndex(request.text).positionAt(request.offset);
	const items = answer.items.flatMap((item, i): CompletionItem[] => {
		const rest = texts[i]?.startsWith(typed) ? texts[i].slice(typed.length) : '';
		const replaced = replacedBy(item);
		// It does not go on like this, or only what the editor closed by itself is left.
		if (rest === '' || rest === request.text.slice(request.offset, request.offset + replaced)) return [];
		const range = { start, end: { line: start.line, character: start.character + replaced } };
		return [{ ...item, insertText: rest.replaceAll('\n', eolAt(request.text, request.offset)), range }];
	});
	return { ...answer, tokens, items, ...(items.length === 0 ? { suppressed: 'repeatsSuffix' } : {}) };
}

/**
 * The rest of the first suggestion where nothing but closers stands between the cursor and what it leaves: of these it replaces what it
 * closes itself. Undefined where it does not fit them as it is.
 */
function restAmongClosers(known: Remembered, request: CompletionRequest, split: Split, typed: string): CompletionReport | undefined {
	const { answer, texts, tailLength, tailHash } = known;
	const nClosers = split.suffix.length - tailLength;
	const closers = split.suffix.slice(0, Math.max(0, nClosers));
	const [item] = answer.items;
	const [text = ''] = texts;
	if (!item || typed === '' || !text.startsWith(typed) || nClosers < 0 || nClosers > MOST_CLOSERS) return undefined;
	if (!/^[)\]}>"'`;,]*$/.test(closers) || hashText(split.suffix.slice(nClosers)) !== tailHash) return undefined;
	const rest = text.slice(typed.length);
	const joined = joinWithRestOfLine({ ...split, text: rest, replaces: 0, complete: true });
	if (joined.text !== rest && joined.text + closers.slice(joined.replaces) !== rest) return undefined;
	const range = { ...item.range, end: { ...item.range.start, character: item.range.start.character + joined.replaces } };
	const fitted = { ...answer, items: [{ ...item, range }] };
	return restOf({ ...known, answer: fitted, texts: [typed + joined.text] }, request, typed);
}

/** Characters right of the cursor that it takes the place of. */
function replacedBy(item: CompletionItem | undefined): number {
	return item ? item.range.end.character - item.range.start.character : 0;
}

function settingsKey(request: CompletionRequest): string {
	const { folder, path, context, multiLine, explicit, minConfidence, most = 1, comments, selected } = request;
	return JSON.stringify([folder, path, context, multiLine, explicit, minConfidence, most, comments, selected]);
}

/** Hashes, timings and counts, each text twice, and the nodes, whose paths are most of an answer. */
function bytesOf({ answer, texts }: Remembered): number {
	const nodes = answer.nodes.reduce((sum, { path }) => sum + 100 + 2 * path.length, 0);
	const entities = (answer.entities ?? []).reduce((sum, name) => sum + 20 + 2 * name.length, 0);
	const text = texts.reduce((sum, { length }) => sum + 4 * length, 0);
	return 1000 + text + nodes + entities;
}
