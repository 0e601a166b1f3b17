/** `textDocument/completion` for editors without inline completion: the suggestions as entries of the editor's list. */
import type { CompletionItem } from 'hef-shared';
import { CompletionItemKind, type CompletionList, CompletionTriggerKind, InsertTextFormat, InsertTextMode } from 'vscode-languageserver';
import type { TextDocument } from 'vscode-languageserver-textdocument';
import { guarded, signalOf } from './guard.ts';
import { positionOf } from './position-params.ts';
import type { ServerState } from './server.ts';

export function registerCompletion(state: ServerState): void {
	const { connection, documents, suggester } = state;
	connection.onCompletion((params, token) =>
		guarded(state, 'completion', token, async (): Promise<CompletionList | null> => {
			const { uri, position } = positionOf(params);
			const { context } = params;
			const invoked = context?.triggerKind === CompletionTriggerKind.Invoked;
			// Editors send "invoked" for every typed word too, so the confidence threshold holds all the same.
			const suggestion = await suggester.suggest({ uri, position, explicit: false, list: invoked }, signalOf(token));
			if (suggestion.kind === 'superseded') return null;
			const before = documents.get(uri)?.getText({ start: { line: position.line, character: 0 }, end: position }) ?? '';
			// The entry replaces the word before the cursor too: editors filter entries by it.
			const word = /[\p{L}\p{N}_$]*$/u.exec(before)?.[0] ?? '';
			const items = suggestion.report.items
				.map((item) => withoutWhatFollows(item, documents.get(uri)))
				.map(({ insertText, range }, i) => ({
					label: firstLine(word + insertText),
					kind: CompletionItemKind.Text,
					detail: 'HEF',
					// In their order. None is preselected: that would take Enter and Tab from the entries of other servers.
					sortText: `${invoked ? '0' : '~'}${i === 0 ? '' : i}`,
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

/** Some editors leave what stands behind the cursor where it is (Neovim's own completion): what can stay there does. */
function withoutWhatFollows(item: CompletionItem, document: TextDocument | undefined): CompletionItem {
	const { insertText, range } = item;
	const follows = document?.getText(range) ?? '';
	if (follows === '' || !insertText.endsWith(follows)) return item;
	return { ...item, insertText: insertText.slice(0, -follows.length), range: { start: range.start, end: range.start } };
}

function firstLine(text: string): string {
	return text.trimStart().split('\n', 1)[0] ?? '';
}
