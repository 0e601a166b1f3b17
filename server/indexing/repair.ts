/** Finds what damage took from the store, and the texts to make it again from. */
import { chunkId, type NodeId } from '../base/ids.ts';
import { chunkText } from '../chunking/chunk-text.ts';
import type { IndexerOptions } from './types.ts';

type RepairContext = Pick<IndexerOptions, 'hierarchy' | 'store' | 'workspace' | 'spaceId'>;

const IDS_PER_TURN = 1000;

/** Every node of the hierarchy whose vector is missing or damaged: chunks by their files, inner nodes by id. */
export async function findMissingVectors(
	{ hierarchy, store }: Pick<RepairContext, 'hierarchy' | 'store'>,
	checkpoint: () => Promise<void>,
): Promise<{ paths: Set<string>; nodes: NodeId[] }> {
	const paths = new Set<string>();
	const nodes: NodeId[] = [];
	let looked = 0;
	for (const id of hierarchy.ids()) {
		if (++looked % IDS_PER_TURN === 0) await checkpoint();
		if (store.hasVector(id)) continue;
		if (hierarchy.node(id)?.children.length) nodes.push(id);
		else for (const { path } of hierarchy.occurrences(id)) paths.add(path);
	}
	return { paths, nodes };
}

/** The text of a chunk as its file has it now; undefined when every file says something else. */
export async function textOfChunk(id: NodeId, { hierarchy, store, workspace, spaceId }: RepairContext): Promise<string | undefined> {
	for (const { path } of hierarchy.occurrences(id)) {
		const source = await workspace.read(path);
		if (source.kind !== 'text') continue;
		for (const chunk of store.getFile(path)?.chunks ?? []) {
			const text = chunkText(source.text, chunk);
			if (chunk.id === id && chunkId(spaceId, text) === id) return text;
		}
	}
	return undefined;
}
