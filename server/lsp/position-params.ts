/** Where a request points, checked: a client's mistake is `InvalidParams`, never a failure of the server. */
import type { Position } from 'hef-shared';
import { ErrorCodes, ResponseError, type TextDocumentPositionParams } from 'vscode-languageserver';

/** @throws ResponseError `InvalidParams` that names what is missing */
export function positionOf(params: TextDocumentPositionParams): { uri: string; position: Position } {
	const { textDocument, position } = params as Partial<TextDocumentPositionParams>;
	if (typeof textDocument?.uri !== 'string') throw new ResponseError(ErrorCodes.InvalidParams, 'textDocument.uri is missing');
	if (!Number.isInteger(position?.line) || !Number.isInteger(position?.character))
		throw new ResponseError(ErrorCodes.InvalidParams, `position wants a line and a character, got ${JSON.stringify(position)}`);
	return { uri: textDocument.uri, position: position as Position };
}
