/**
 * Typed-through: text that agrees with a remembered suggestion is answered from it, with no model call, also after
 * backspace. The key is all that an answer depends on: the texts before and after the cursor, by their hashes, and the
 * request's settings. A hash stands for a version of the document more exactly than a number would: undoing finds the old one.
 *
 * Guarantees: what is remembered stays below a number of bytes; the documents asked about last are remembered longest.
 */
import type { CompletionReport } from 'hef-shared';
import { LRUCache } from 'lru-cache';
import { hashText } from '../base/ids.ts';
import { LineIndex } from '../base/text.ts';
import { eolAt, type Split } from './split.ts';
import type { CompletionRequest } from './types.ts';

interface Remembered {
	prefixLength: number;
	prefixHash: string;
	suffixHash: string;
	settings: string;
	answer: CompletionReport;
	/** What it suggests, with `\n` line ends; empty where nothing. */
	text: string;
}

export interface SuggestionCache {
	/** The rest of a remembered suggestion that the typed text agrees with; its `tokens.generated` is 0. */
	find(request: CompletionRequest, split: Split): CompletionReport | undefined;
	add(request: CompletionRequest, split: Split, answer: CompletionReport): void;
	forget(uri: string): void;
	/** Of memory, about. */
	readonly bytes: number;
}

const BUDGET_BYTES = 4 << 20;
const PER_DOCUMENT = 20;

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
				if (known.suffixHash !== suffixHash || known.prefixHash !== hashText(split.prefix.slice(0, known.prefixLength))) continue;
				return restOf(known, request, split.prefix.slice(known.prefixLength));
			}
			return undefined;
		},
		add(request, split, answer) {
			const known: Remembered = {
				prefixLength: split.prefix.length,
				prefixHash: hashText(split.prefix),
				suffixHash: hashText(split.suffix),
				settings: settingsKey(request),
				answer,
				text: answer.items[0]?.insertText.replaceAll(/\r\n?/g, '\n') ?? '',
			};
			documents.set(request.uri, [known, ...(documents.get(request.uri) ?? [])].slice(0, PER_DOCUMENT));
		},
		forget: (uri) => documents.delete(uri),
	};
}

/** Whether the text typed behind the remembered place, if it is that place, is a beginning of the suggestion and leaves a rest. */
function goesOn({ prefixLength, text }: Remembered, prefix: string): boolean {
	if (prefix.length === prefixLength) return true;
	if (prefix.length < prefixLength || prefix.length - prefixLength >= text.length) return false;
	return text.startsWith(prefix.slice(prefixLength));
}

function restOf({ answer, text }: Remembered, request: CompletionRequest, typed: string): CompletionReport {
	const tokens = { ...answer.tokens, generated: 0 };
	const [item] = answer.items;
	if (!item || typed === '') return { ...answer, tokens };
	const start = new LineIndex(request.text).positionAt(request.offset);
	const replaced = item.range.end.character - item.range.start.character;
	const range = { start, end: { line: start.line, character: start.character + replaced } };
	const rest = text.slice(typed.length);
	// Only what the editor closed by itself is left.
	if (rest === request.text.slice(request.offset, request.offset + replaced))
		return { ...answer, tokens, items: [], suppressed: 'repeatsSuffix' };
	const insertText = rest.replaceAll('\n', eolAt(request.text, request.offset));
	return { ...answer, tokens, items: [{ ...item, insertText, range }] };
}

function settingsKey({ context, multiLine, explicit, minConfidence, selected }: CompletionRequest): string {
	return JSON.stringify([context, multiLine, explicit, minConfidence, selected]);
}

/** Hashes, timings and counts, the text twice, and the nodes, whose paths are most of an answer. */
function bytesOf({ answer, text }: Remembered): number {
	const nodes = answer.nodes.reduce((sum, { path }) => sum + 100 + 2 * path.length, 0);
	const entities = (answer.entities ?? []).reduce((sum, name) => sum + 20 + 2 * name.length, 0);
	return 1000 + 4 * text.length + nodes + entities;
}
