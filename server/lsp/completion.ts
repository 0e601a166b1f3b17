/** `textDocument/completion` for editors without inline completion: the suggestion as one entry of the editor's list. */
import { CompletionItemKind, type CompletionList, CompletionTriggerKind, InsertTextFormat, InsertTextMode } from 'vscode-languageserver';
import { guarded, signalOf } from './guard.ts';
import type { ServerState } from './server.ts';

export function registerCompletion(state: ServerState): void {
	const { connection, documents, suggester } = state;
	connection.onCompletion((params, token) =>
		guarded(state, 'completion', token, async (): Promise<CompletionList | null> => {
			const { textDocument, position, context } = params;
			const explicit = context?.triggerKind === CompletionTriggerKind.Invoked;
			// Editors send "invoked" for every typed word too, so the confidence threshold holds all the same.
			const suggestion = await suggester.suggest({ uri: textDocument.uri, position, explicit: false }, signalOf(token));
			if (suggestion.kind === 'superseded') return null;
			const before = documents.get(textDocument.uri)?.getText({ start: { line: position.line, character: 0 }, end: position }) ?? '';
			// The entry replaces the word before the cursor too: editors filter entries by it.
			const word = /[\p{L}\p{N}_$]*$/u.exec(before)?.[0] ?? '';
			const items = suggestion.report.items.map(({ insertText, range }) => ({
				label: firstLine(word + insertText),
				kind: CompletionItemKind.Text,
				detail: 'HEF',
				sortText: explicit ? '0' : '~',
				filterText: word + firstLine(insertText),
				insertTextFormat: InsertTextFormat.PlainText,
				// The text carries its own indentation.
				insertTextMode: InsertTextMode.asIs,
				textEdit: {
					newText: word + insertText,
					range: { start: { line: range.start.line, character: range.start.character - word.length }, end: range.end },
				},
			}));
			return { isIncomplete: true, items };
		}),
	);
}

function firstLine(text: string): string {
	return text.trimStart().split('\n', 1)[0] ?? '';
}
