/** What a chunk says, as models and prompts read it. */
import type { Chunk } from './types.ts';

/** Of a file's text, with the line ends that models are trained on: equal lines are equal chunks, whatever ends them. */
export function chunkText(text: string, { startOffset, endOffset }: Pick<Chunk, 'startOffset' | 'endOffset'>): string {
	return text.slice(startOffset, endOffset).replaceAll('\r\n', '\n');
}
