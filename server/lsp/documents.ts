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
			const { uri } = document;
			const [change] = changes;
			const range = changes.length === 1 && change && 'range' in change ? change.range : undefined;
			// Where it stands in the text as it was: behind its end there are no other places.
			latest =
				range && change
					? { uri, inserted: change.text, offset: document.offsetAt(range.start) + change.text.length }
					: { uri, inserted: '', offset: undefined };
			return TextDocument.update(document, changes, version);
		},
	});
	documents.onDidChangeContent(({ document }) => {
		const edit = latest;
		latest = undefined;
		if (edit?.uri === document.uri) edited(edit);
	});
	return documents;
}
