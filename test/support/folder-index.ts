/** An editor's side of a folder's index that is closed when its test ends. */
import { onTestFinished } from 'vitest';
import { type Editor, type EditorOptions, openEditorIndex } from './editor-index.ts';

export { DIMENSION, type Editor, SPACE } from './editor-index.ts';

export async function openEditor(options: EditorOptions): Promise<Editor> {
	const editor = await openEditorIndex(options);
	onTestFinished(() => editor.index.close());
	return editor;
}
