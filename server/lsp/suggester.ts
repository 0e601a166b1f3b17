/**
 * From a position in an open document to a suggestion: what both completion features share.
 *
 * Guarantees: `superseded` at once when a newer request for the document comes or the document changes; a refused file
 * (secret, ignored, language switched off, larger than what is indexed) reaches no model; what is known without a model is answered without a wait.
 */
import { basename } from 'node:path';
import type { CompletionReport, ExplainResult, Position, Range } from 'hef-shared';
import { ErrorCodes, LSPErrorCodes, ResponseError, type TextDocuments } from 'vscode-languageserver';
import type { TextDocument } from 'vscode-languageserver-textdocument';
import type { Clock } from '../base/clock.ts';
import type { CompletionRequest } from '../completion/types.ts';
import type { Services } from '../services.ts';
import { MAX_SOURCE_BYTES } from '../workspace/read-source.ts';
import type { DebouncePolicy } from './debounce.ts';
import { pathWithEnding } from './document-names.ts';
import type { Edit } from './documents.ts';
import { type Surroundings, surroundingsOf } from './notebook.ts';
import type { Session } from './session.ts';

export interface SuggestionQuery {
	uri: string;
	position: Position;
	explicit: boolean;
	/** Asked for a list of completions by what may be a hand: there is a choice where nothing was typed just before. Default false. */
	list?: boolean;
	selected?: string;
}

export type Suggestion = { kind: 'superseded' } | { kind: 'answer'; report: CompletionReport };

export interface Suggester {
	suggest(query: SuggestionQuery, signal: AbortSignal): Promise<Suggestion>;
	/** The user changed a document: what is under way for it is dropped, and the likely next request prepared. */
	edited(edit: Edit): void;
	/** The user took a suggestion. */
	accepted(uri: string): void;
	/** What stood behind the last answer, for the document or for any. */
	lastAnswer(uri?: string): ExplainResult;
	/** The document was closed. */
	forget(uri: string): void;
}

export interface SuggesterOptions {
	documents: TextDocuments<TextDocument>;
	session: Session;
	debounce: DebouncePolicy;
	clock: Clock;
}

/** An editor that has not asked for so long may have completions switched off: nothing is prepared for it. */
const ASKING_MS = 60_000;
/** Editors that ask for a list by themselves do so within half a second of a keystroke. */
const BY_ITSELF_MS = 1000;

/** What may complete a document, or why nothing may. */
type Verdict = { suppressed: string; notes?: string[] } | Services;

interface UnderWay {
	version: number;
	offset: number;
	controller: AbortController;
}

export function createSuggester({ documents, session, debounce, clock }: SuggesterOptions): Suggester {
	const underWay = new Map<string, UnderWay>();
	const askedAt = new Map<string, number>();
	const editedAt = new Map<string, number>();
	const answers = new Map<string, ExplainResult>();
	let last: ExplainResult = null;

	/** Whether a model may see the document; a promise while nobody knows. */
	const obstacle = (document: TextDocument): Verdict | Promise<Verdict> => {
		const { services, settings } = session;
		const { folder, path } = session.locate(document.uri);
		if (!settings.enabled) return { suppressed: 'off' };
		if (settings.languages[document.languageId] === false) return { suppressed: 'languageOff' };
		if (document.getText().length > MAX_SOURCE_BYTES) return { suppressed: 'tooLarge' };
		if (document.getText().trim() === '' && !surroundingsOf(document, documents)) return { suppressed: 'emptyDocument' };
		if (!services) return { suppressed: 'notReady', notes: [session.state.message] };
		const judge = (isIncluded: boolean): Verdict => (isIncluded ? services : { suppressed: 'excluded' });
		const included = services.includes(folder ?? '', path, pathWithEnding(path, document));
		return typeof included === 'boolean' ? judge(included) : included.then(judge);
	};

	const refuse = (document: TextDocument, suppressed: string, notes: string[] = []): CompletionReport => {
		session.countRefusal(suppressed);
		return {
			items: [],
			suppressed,
			nodes: [],
			tokens: { pseudo: 0, entities: 0, suffix: 0, prefix: 0, generated: 0 },
			timingsMs: { tokenize: 0, embed: 0, retrieve: 0, project: 0, prefill: 0, decode: 0, total: 0 },
			bundle: session.services?.bundle.name ?? '',
			executionProvider: session.services?.executionProvider?.name ?? '',
			context: session.settings.context,
			notes: [...notes, `language ${document.languageId}`],
		};
	};

	const isOlder = (times: Map<string, number>, uri: string, ms: number): boolean =>
		clock.elapsed() - (times.get(uri) ?? Number.NEGATIVE_INFINITY) > ms;

	const requestAt = (document: TextDocument, offset: number, query: Partial<SuggestionQuery>): CompletionRequest => {
		const { context, multiLine, minConfidence, comments, alternatives } = session.settings;
		const isChoice = alternatives > 1 && (query.explicit || (query.list && isOlder(editedAt, document.uri, BY_ITSELF_MS)));
		const { folder, path } = session.locate(document.uri);
		const { before = '', after = '' } = surroundingsOf(document, documents) ?? {};
		return {
			uri: document.uri,
			...(folder === undefined ? {} : { folder }),
			path: pathWithEnding(folder === undefined ? basename(path) : path, document),
			text: before + document.getText() + after,
			offset: before.length + offset,
			context,
			multiLine,
			explicit: query.explicit ?? false,
			minConfidence,
			comments,
			...(isChoice ? { most: alternatives } : {}),
			...(query.selected === undefined ? {} : { selected: query.selected }),
		};
	};

	/** The answer, after a wait where one pays. `started` is called once the answer is being computed. */
	const answer = async (document: TextDocument, offset: number, query: SuggestionQuery, signal: AbortSignal, started: () => void) => {
		const verdict = obstacle(document);
		const ready = verdict instanceof Promise ? await verdict : verdict;
		if (signal.aborted) return undefined;
		if ('suppressed' in ready) return refuse(document, ready.suppressed, ready.notes);
		const request = requestAt(document, offset, query);
		const waitMs = debounce.waitFor({ uri: query.uri, explicit: query.explicit, ...lineAt(request) });
		if (waitMs > 0) {
			started();
			const known = await ready.recall(request);
			if (known) return known;
			await pause(waitMs, signal, clock);
			if (signal.aborted) return undefined;
		}
		const answered = ready.complete(request, signal);
		started();
		const report = await answered;
		if (report && report.timingsMs.prefill > 0) debounce.answered(report.timingsMs.total);
		return report;
	};

	/** Registers a request. What was under way for the document is dropped: at once, or once the same has joined it. */
	const begin = (document: TextDocument, offset: number): { own: AbortController; dropOlder(): void } => {
		const { uri, version } = document;
		const older = underWay.get(uri);
		const own = new AbortController();
		underWay.set(uri, { version, offset, controller: own });
		askedAt.set(uri, clock.elapsed());
		const dropOlder = () => older?.controller.abort();
		if (older?.version !== version || older.offset !== offset) dropOlder();
		return { own, dropOlder };
	};

	return {
		async suggest(query, signal) {
			const { uri } = query;
			const document = documents.get(uri);
			if (!document) throw new ResponseError(ErrorCodes.InvalidParams, `document is not open: ${uri}`);
			checkPosition(document, query.position);
			const { version } = document;
			const offset = wholeCharacter(document.getText(), document.offsetAt(query.position));
			const { own, dropOlder } = begin(document, offset);
			// As the request has them: they may change before the answer.
			const surroundings = surroundingsOf(document, documents);
			try {
				const found = signal.aborted ? undefined : await answer(document, offset, query, AbortSignal.any([signal, own.signal]), dropOlder);
				const report = found && inDocument(found, surroundings);
				dropOlder();
				if (signal.aborted) throw new ResponseError(LSPErrorCodes.RequestCancelled, 'cancelled');
				if (!report || own.signal.aborted || documents.get(uri)?.version !== version) return { kind: 'superseded' };
				last = { ...report, uri, version };
				answers.set(uri, last);
				return { kind: 'answer', report };
			} finally {
				if (underWay.get(uri)?.controller === own) underWay.delete(uri);
			}
		},
		edited({ uri, inserted, offset }) {
			underWay.get(uri)?.controller.abort();
			debounce.typed(uri);
			editedAt.set(uri, clock.elapsed());
			if (inserted !== '' && answers.get(uri)?.items.some(({ insertText }) => insertText === inserted)) debounce.accepted(uri);
			const document = documents.get(uri);
			if (!document || offset === undefined || isOlder(askedAt, uri, ASKING_MS)) return;
			const ready = obstacle(document);
			// A folder whose rules are not read yet has nothing to prepare from.
			if (!(ready instanceof Promise) && !('suppressed' in ready)) ready.prepare(requestAt(document, offset, {}));
		},
		accepted: (uri) => debounce.accepted(uri),
		lastAnswer: (uri) => (uri === undefined ? last : (answers.get(uri) ?? null)),
		forget(uri) {
			underWay.get(uri)?.controller.abort();
			underWay.delete(uri);
			answers.delete(uri);
			askedAt.delete(uri);
			editedAt.delete(uri);
		},
	};
}

/** A cell's own lines are counted. */
function inDocument(report: CompletionReport, surroundings: Surroundings | undefined): CompletionReport {
	if (!surroundings) return report;
	const inCell = ({ start, end }: Range) => ({ start: surroundings.inCell(start), end: surroundings.inCell(end) });
	return { ...report, items: report.items.map((item) => ({ ...item, range: inCell(item.range) })) };
}

function lineAt({ text, offset }: CompletionRequest): { before: string; after: string } {
	const end = text.indexOf('\n', offset);
	return { before: text.slice(text.lastIndexOf('\n', offset - 1) + 1, offset), after: text.slice(offset, end === -1 ? text.length : end) };
}

/** A cursor between the halves of a surrogate pair, from a client that counts otherwise, stands before the pair. */
function wholeCharacter(text: string, offset: number): number {
	return (text.codePointAt(offset - 1) ?? 0) > 0xffff ? offset - 1 : offset;
}

function checkPosition(document: TextDocument, { line, character }: Position): void {
	if (line >= 0 && character >= 0 && line < document.lineCount) return;
	const message = `position ${line}:${character} lies outside of the document, which has ${document.lineCount} lines`;
	throw new ResponseError(ErrorCodes.InvalidParams, message);
}

function pause(ms: number, signal: AbortSignal, clock: Clock): Promise<void> {
	return new Promise((resolve) => {
		if (signal.aborted) return resolve();
		const stop = clock.schedule(ms, resolve);
		signal.addEventListener('abort', () => {
			stop();
			resolve();
		});
	});
}
