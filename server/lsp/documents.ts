/** The open documents, and what the user does to them: where an edit stands is where the next request will likely come from. */
import { TextDocuments } from 'vscode-languageserver';
import { TextDocument } from 'vscode-languageserver-textdocument';

/** One notification of changes to a document. */
export interface Edit {
	uri: string;
	/** Text that came in; empty when several places changed, or the whole text was replaced. */
	inserted: string;
	/** Behind that text, as a UTF-16 offset; undefined when several places changed. */
	offset: number | undefined;
}

/** @param edited told after each change, when the document has its new text */
export function createDocuments(edited: (edit: Edit) => void): TextDocuments<TextDocument> {
	let latest: Edit | undefined;
	const documents = new TextDocuments<TextDocument>({
		create: TextDocument.create,
		update(document, changes, version) {
			const updated = TextDocument.update(document, changes, version);
			const [change] = changes;
			const range = changes.length === 1 && change && 'range' in change ? change.range : undefined;
			latest =
				range && change
					? { uri: updated.uri, inserted: change.text, offset: updated.offsetAt(range.start) + change.text.length }
					: { uri: updated.uri, inserted: '', offset: undefined };
			return updated;
		},
	});
	documents.onDidChangeContent(({ document }) => {
		const edit = latest;
		latest = undefined;
		if (edit?.uri === document.uri) edited(edit);
	});
	return documents;
}
