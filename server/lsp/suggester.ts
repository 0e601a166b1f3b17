/**
 * From a position in an open document to a suggestion: what both completion features share.
 *
 * Guarantees: `superseded` when a newer request for the document came or the document changed meanwhile; a refused file
 * (secret, ignored, language switched off) reaches no model.
 */
import type { CompletionReport, ExplainResult, Position } from 'hef-shared';
import { ErrorCodes, LSPErrorCodes, ResponseError, type TextDocuments } from 'vscode-languageserver';
import type { TextDocument } from 'vscode-languageserver-textdocument';
import type { Session } from './session.ts';

export interface SuggestionQuery {
	uri: string;
	position: Position;
	explicit: boolean;
	selected?: string;
}

export type Suggestion = { kind: 'superseded' } | { kind: 'answer'; report: CompletionReport };

export interface Suggester {
	suggest(query: SuggestionQuery, signal: AbortSignal): Promise<Suggestion>;
	/** What stood behind the last answer, for the document or for any. */
	lastAnswer(uri?: string): ExplainResult;
	/** The document was closed. */
	forget(uri: string): void;
}

export function createSuggester(documents: TextDocuments<TextDocument>, session: Session): Suggester {
	const sequence = new Map<string, number>();
	let last: ExplainResult = null;
	const answers = new Map<string, ExplainResult>();

	const refuse = (document: TextDocument, suppressed: string, notes: string[] = []): CompletionReport => ({
		items: [],
		suppressed,
		nodes: [],
		tokens: { pseudo: 0, entities: 0, suffix: 0, prefix: 0, generated: 0 },
		timingsMs: { tokenize: 0, embed: 0, retrieve: 0, project: 0, prefill: 0, decode: 0, total: 0 },
		bundle: session.services?.bundle.name ?? '',
		executionProvider: session.services?.executionProvider?.name ?? '',
		context: session.settings.context,
		notes: [...notes, `language ${document.languageId}`],
	});

	const answer = async (document: TextDocument, query: SuggestionQuery, signal: AbortSignal): Promise<CompletionReport | undefined> => {
		const { services, settings } = session;
		const place = session.locate(query.uri);
		if (!settings.enabled) return refuse(document, 'off');
		if (settings.languages[document.languageId] === false) return refuse(document, 'languageOff');
		if (!services) return refuse(document, 'notReady', [session.state.message]);
		if (!services.includes(place.folder ?? '', place.path)) return refuse(document, 'excluded');
		const text = document.getText();
		return services.complete(
			{
				uri: query.uri,
				...place,
				text,
				offset: document.offsetAt(query.position),
				context: settings.context,
				multiLine: settings.multiLine,
				explicit: query.explicit,
				minConfidence: settings.minConfidence,
				...(query.selected === undefined ? {} : { selected: query.selected }),
			},
			signal,
		);
	};

	return {
		async suggest(query, signal) {
			const document = documents.get(query.uri);
			if (!document) throw new ResponseError(ErrorCodes.InvalidParams, `document is not open: ${query.uri}`);
			checkPosition(document, query.position);
			const turn = (sequence.get(query.uri) ?? 0) + 1;
			sequence.set(query.uri, turn);
			const { version } = document;
			const isCurrent = () => sequence.get(query.uri) === turn && documents.get(query.uri)?.version === version;
			if (!query.explicit && session.settings.debounce > 0) await pause(session.settings.debounce, signal);
			if (!isCurrent()) return { kind: 'superseded' };
			const report = signal.aborted ? undefined : await answer(document, query, signal);
			if (signal.aborted) throw new ResponseError(LSPErrorCodes.RequestCancelled, 'cancelled');
			if (!report || !isCurrent()) return { kind: 'superseded' };
			last = { ...report, uri: query.uri, version };
			answers.set(query.uri, last);
			return { kind: 'answer', report };
		},
		lastAnswer: (uri) => (uri === undefined ? last : (answers.get(uri) ?? null)),
		forget(uri) {
			answers.delete(uri);
			sequence.delete(uri);
		},
	};
}

function checkPosition(document: TextDocument, { line, character }: Position): void {
	if (line >= 0 && character >= 0 && line < document.lineCount) return;
	const message = `position ${line}:${character} lies outside of the document, which has ${document.lineCount} lines`;
	throw new ResponseError(ErrorCodes.InvalidParams, message);
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
	return new Promise((resolve) => {
		const timer = setTimeout(resolve, ms);
		signal.addEventListener('abort', () => {
			clearTimeout(timer);
			resolve();
		});
	});
}
