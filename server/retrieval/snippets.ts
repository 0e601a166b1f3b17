/**
 * Raw text of similar chunks, the honest baseline and LlavaCode's retriever: chunks of the workspace by Jaccard similarity
 * with the last lines before the cursor. Texts are read from disk when first needed and re-read when their file changed.
 */
import type { RetrievedNode } from 'hef-shared';
import type { NodeId } from '../base/ids.ts';
import { chunkText } from '../chunking/chunk-text.ts';
import type { FileRecord } from '../store/types.ts';
import type { SourceText } from '../workspace/types.ts';
import { createJaccardIndex } from './jaccard.ts';
import type { VisibleWindow } from './retriever.ts';

export interface Snippet {
	id: NodeId;
	text: string;
	node: RetrievedNode;
}

export interface SnippetSource {
	/** The `k` most similar chunks, best first, without those that the prompt shows. */
	similar(prefix: string, k: number, visible: VisibleWindow): Promise<Snippet[]>;
	/** The text of chunks that a search found; of what has changed on disk since, as far as it is there. */
	read(chunks: readonly { id: NodeId; node: RetrievedNode }[]): Promise<Snippet[]>;
	/** Forgets the texts of files that changed or are gone. To be told once the view shows what they are now. */
	invalidate(paths: readonly string[] | 'all'): void;
}

export interface SnippetSourceOptions {
	view: { file(path: string): FileRecord | undefined; paths(): Iterable<string> };
	read(path: string): Promise<SourceText>;
}

const QUERY_LINES = 20;

export function createSnippetSource({ view, read }: SnippetSourceOptions): SnippetSource {
	const index = createJaccardIndex<Snippet>();
	/** Files that the index holds, or will once they are read. */
	const loaded = new Set<string>();

	const load = async (path: string): Promise<void> => {
		loaded.add(path);
		const record = view.file(path);
		const source = record && (await read(path));
		// What changed meanwhile is read again by the next search.
		if (source?.kind !== 'text' || !loaded.has(path)) return;
		for (const chunk of record?.chunks ?? []) {
			const text = chunkText(source.text, chunk);
			const node: RetrievedNode = { level: 'chunk', path, startLine: chunk.startLine, endLine: chunk.endLine, score: 0 };
			index.add(path, { id: chunk.id, text, node }, text);
		}
	};

	return {
		async similar(prefix, k, visible) {
			for (const path of view.paths()) if (!loaded.has(path)) await load(path);
			const query = prefix.split('\n').slice(-QUERY_LINES).join('\n');
			const hits = index.search(query, k, ({ node }) => !shows(visible, node));
			return hits.map(({ key, score }) => ({ ...key, node: { ...key.node, score } }));
		},
		async read(chunks) {
			const found = await Promise.all(
				chunks.map(async ({ id, node }): Promise<Snippet[]> => {
					const place = view.file(node.path)?.chunks.find((chunk) => chunk.id === id);
					const source = place && (await read(node.path));
					return place && source?.kind === 'text' ? [{ id, node, text: chunkText(source.text, place) }] : [];
				}),
			);
			return found.flat();
		},
		invalidate(paths) {
			for (const path of paths === 'all' ? [...loaded] : paths) {
				loaded.delete(path);
				index.removeGroup(path);
			}
		},
	};
}

function shows(visible: VisibleWindow, node: RetrievedNode): boolean {
	return node.path === visible.path && node.startLine <= visible.endLine && node.endLine >= visible.startLine;
}
