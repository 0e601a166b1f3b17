/**
 * `textDocument/inlineCompletion` (LSP 3.18). A superseded request answers `null`, "nothing to suggest" an empty list:
 * Neovim keeps its ghost text on the one and clears it on the other.
 */
import { COMMANDS } from 'hef-shared';
import { type InlineCompletionItem, InlineCompletionTriggerKind } from 'vscode-languageserver';
import { guarded, signalOf } from './guard.ts';
import { positionOf } from './position-params.ts';
import type { ServerState } from './server.ts';

export function registerInlineCompletion(state: ServerState): void {
	const { connection, suggester } = state;
	connection.languages.inlineCompletion.on((params, token) =>
		guarded(state, 'inlineCompletion', token, async () => {
			const context = params.context as typeof params.context | undefined;
			const selected = context?.selectedCompletionInfo?.text;
			const query = {
				...positionOf(params),
				explicit: context?.triggerKind === InlineCompletionTriggerKind.Invoked,
				...(selected === undefined ? {} : { selected }),
			};
			const suggestion = await suggester.suggest(query, signalOf(token));
			if (suggestion.kind === 'superseded') return null;
			return suggestion.report.items.map(
				({ insertText, range }): InlineCompletionItem => ({
					insertText,
					range,
					command: { title: 'Accepted', command: COMMANDS.accepted, arguments: [params.textDocument.uri] },
				}),
			);
		}),
	);
}
