/**
 * Typed-through: text that agrees with a remembered suggestion is answered from it, with no model call, also after
 * backspace. The text after the cursor and the request's settings are part of the key.
 */
import type { CompletionReport } from 'hef-shared';
import { LRUCache } from 'lru-cache';
import { LineIndex } from '../base/text.ts';
import type { CompletionRequest } from './types.ts';

interface Remembered {
	prefix: string;
	suffix: string;
	settings: string;
	answer: CompletionReport;
}

interface Split {
	prefix: string;
	suffix: string;
}

export interface SuggestionCache {
	/** The rest of a remembered suggestion that the typed text agrees with; its `tokens.generated` is 0. */
	find(request: CompletionRequest, split: Split): CompletionReport | undefined;
	add(request: CompletionRequest, split: Split, answer: CompletionReport): void;
	forget(uri: string): void;
}

const DOCUMENTS = 32;
const PER_DOCUMENT = 20;

export function createSuggestionCache(): SuggestionCache {
	const documents = new LRUCache<string, Remembered[]>({ max: DOCUMENTS });
	return {
		find(request, split) {
			const settings = settingsKey(request);
			for (const candidate of documents.get(request.uri) ?? []) {
				if (candidate.settings !== settings || candidate.suffix !== split.suffix) continue;
				const answer = continued(candidate, request, split.prefix);
				if (answer) return answer;
			}
			return undefined;
		},
		add(request, split, answer) {
			const list = documents.get(request.uri) ?? [];
			list.unshift({ prefix: split.prefix, suffix: split.suffix, settings: settingsKey(request), answer });
			documents.set(request.uri, list.slice(0, PER_DOCUMENT));
		},
		forget: (uri) => documents.delete(uri),
	};
}

function continued(known: Remembered, request: CompletionRequest, prefix: string): CompletionReport | undefined {
	const tokens = { ...known.answer.tokens, generated: 0 };
	if (prefix === known.prefix) return { ...known.answer, tokens };
	const [item] = known.answer.items;
	if (!item || !prefix.startsWith(known.prefix)) return undefined;
	const typed = prefix.slice(known.prefix.length);
	const insertText = item.insertText.replaceAll('\r\n', '\n');
	if (!insertText.startsWith(typed) || insertText.length === typed.length) return undefined;
	const start = new LineIndex(request.text).positionAt(request.offset);
	const replaced = item.range.end.character - item.range.start.character;
	const range = { start, end: { line: start.line, character: start.character + replaced } };
	const rest = insertText.slice(typed.length);
	const crlf = item.insertText.includes('\r\n');
	return { ...known.answer, tokens, items: [{ ...item, insertText: crlf ? rest.replaceAll('\n', '\r\n') : rest, range }] };
}

function settingsKey({ context, multiLine, explicit, minConfidence, selected }: CompletionRequest): string {
	return JSON.stringify([context, multiLine, explicit, minConfidence, selected]);
}
