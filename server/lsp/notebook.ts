/**
 * A cell of a notebook is a document of its own; what the other cells say stands around it as if all were one file.
 *
 * Deliberately lacks: the protocol's synchronisation of notebooks. Cells are known by their URIs, which differ in the fragment
 * alone, and stand in the order in which they were opened: that of the notebook, but for cells that were added since.
 */
import type { Position } from 'hef-shared';
import type { TextDocuments } from 'vscode-languageserver';
import type { TextDocument } from 'vscode-languageserver-textdocument';

export interface Surroundings {
	before: string;
	after: string;
	/** A position in the whole, as one in the cell. */
	inCell(position: Position): Position;
}

const CELL = 'vscode-notebook-cell:';

/** What stands around a document: undefined, unless it is a cell among others of its language that are not empty. */
export function surroundingsOf({ uri, languageId }: TextDocument, documents: TextDocuments<TextDocument>): Surroundings | undefined {
	if (!uri.startsWith(CELL)) return undefined;
	const notebook = uri.split('#', 1)[0];
	const cells = documents.all().filter((each) => each.languageId === languageId && each.uri.split('#', 1)[0] === notebook);
	const at = cells.findIndex((each) => each.uri === uri);
	const textOf = (some: TextDocument[]) => some.map((each) => `${each.getText().trimEnd()}\n\n`).filter((text) => text.trim() !== '');
	const before = textOf(cells.slice(0, at)).join('');
	const below = textOf(cells.slice(at + 1)).join('');
	if (before === '' && below === '') return undefined;
	const lines = before.split(/\r\n|\r|\n/).length - 1;
	return {
		before,
		after: below === '' ? '' : `\n\n${below}`,
		inCell: ({ line, character }) => ({ line: line - lines, character }),
	};
}
