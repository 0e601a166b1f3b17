/**
 * `hef-language-server chunks`: cuts a folder as the server does, one JSON line a source file. Training reads this, so that
 * models are trained on the chunks that they meet in use.
 */
import { contentHash } from '../base/ids.ts';
import type { Chunker } from '../chunking/types.ts';
import type { Workspace } from '../workspace/types.ts';

export interface ChunksOptions {
	workspace: Pick<Workspace, 'list' | 'read'>;
	chunker: Chunker;
	/** Takes one line, without its line break. */
	out(line: string): void;
}

/** Offsets are UTF-16 code units of the text with `\n` line ends, lines zero-based. Returns the number of files written; files that cannot be read are left out. */
export async function runChunks({ workspace, chunker, out }: ChunksOptions): Promise<number> {
	let files = 0;
	for (const { path } of await workspace.list()) {
		const source = await workspace.read(path);
		if (source.kind !== 'text') continue;
		const { chunks, entities } = await chunker.chunk(path, source.text.replaceAll('\r\n', '\n'));
		out(JSON.stringify({ path, contentHash: contentHash(source.text), chunks, entities }));
		files++;
	}
	return files;
}
