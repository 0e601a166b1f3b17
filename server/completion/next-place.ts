/**
 * Where the user will most likely want the next completion: on a new line behind what was suggested, or behind what stands
 * there when nothing was.
 */
import type { CompletionReport } from 'hef-shared';
import { eolAt, inMiddleOfLine } from './split.ts';
import type { CompletionRequest } from './types.ts';

/** The request as it would come from there; undefined where no new line is likely. */
export function nextPlace(request: CompletionRequest, { items }: Pick<CompletionReport, 'items'>): CompletionRequest | undefined {
	const { text, offset } = request;
	const item = items[0];
	const behind = item ? offset + item.range.end.character - item.range.start.character : offset;
	const suffix = text.slice(behind);
	if (inMiddleOfLine({ suffix: suffix.replaceAll(/\r\n?/g, '\n') })) return undefined;
	const newline = eolAt(text, offset);
	const before = text.slice(0, offset) + (item?.insertText ?? '');
	const line = before.slice(before.lastIndexOf(newline.slice(-1)) + 1);
	const indentation = /^[ \t]*/.exec(line)?.[0] ?? '';
	const prefix = before + newline + indentation;
	const { selected: _, ...rest } = request;
	return { ...rest, explicit: false, text: prefix + suffix, offset: prefix.length };
}
