/** Compares everything that a store holds with what its content makes, by texts and nodes that were written down beside it. */
import type { NodeId } from '../../server/base/ids.ts';
import { chunkId } from '../../server/base/ids.ts';
import { createHierarchy } from '../../server/hierarchy/hierarchy.ts';
import { existingStorePath, openStoreReader } from '../../server/store/lmdb-store.ts';
import type { StoreReader } from '../../server/store/types.ts';
import { loadHnswIndex } from '../../server/vector-index/hnsw-index.ts';
import { createFakeEmbedder, createFakeFuser, fakeTokenizer } from './fakes.ts';
import { KILL_GRAPHS, KILL_SPACE, snapshotFolderOf } from './kill-space.ts';
import type { Random } from './random.ts';

export interface StoreFindings {
	/** Stored vectors that are not what their content makes, one sentence each. */
	wrong: string[];
	/** What was acknowledged, or belongs to a stored record, and is not there. */
	lost: string[];
}

/** Half precision, summed over a few levels of fusing. */
const SAME = 0.999;
const GRAPH_SAMPLE = 40;

export class StoreChecker {
	readonly findings: StoreFindings = { wrong: [], lost: [] };
	vectorsChecked = 0;
	graphVectorsChecked = 0;
	readonly #texts = new Map<NodeId, string>();
	readonly #children = new Map<NodeId, NodeId[]>();
	readonly #expected = new Map<NodeId, Float32Array>();
	readonly #fileTexts: string[] = [];
	readonly #embedder = createFakeEmbedder(KILL_SPACE);
	readonly #fuser = createFakeFuser();

	/** Every chunk of this file's text may be stored from now on. */
	learnText(text: string): void {
		this.#fileTexts.push(text);
		for (const chunk of chunkTexts(text)) this.#texts.set(chunkId(KILL_SPACE.spaceId, chunk), chunk);
	}

	someText(random: Random): string {
		return random.pick(this.#fileTexts);
	}

	/** Lines of `id child child …`; a last line that was cut short tells nothing. */
	learnNodes(journal: string): void {
		for (const line of journal.slice(0, journal.lastIndexOf('\n') + 1).split('\n')) {
			const [id, ...children] = line.split(' ') as NodeId[];
			if (id) this.#children.set(id, children);
		}
	}

	/** @param acknowledged files whose records and vectors must be there */
	async check(storeFolder: string, acknowledged: ReadonlyMap<string, string>): Promise<void> {
		const path = existingStorePath(storeFolder);
		if (path === undefined) {
			if (acknowledged.size > 0) this.findings.lost.push(`the store of ${acknowledged.size} files`);
			return;
		}
		const reader = openStoreReader({ path, ...KILL_SPACE });
		try {
			for (const id of reader.vectorIds()) await this.#checkVector(id, reader.getVector(id));
			this.#checkRecords(reader, acknowledged);
			await this.#checkGraphs(path);
		} finally {
			await reader.close();
		}
	}

	/** The store's tree is the one that these files make. */
	checkComplete(storeFolder: string, files: ReadonlyMap<string, string>): void {
		const tree = createHierarchy(KILL_SPACE);
		for (const [path, text] of files) tree.setFile(path, placesOf(text));
		tree.commit();
		const reader = openStoreReader({ path: existingStorePath(storeFolder) as string, ...KILL_SPACE });
		const stored = createHierarchy(KILL_SPACE);
		for (const [path, record] of reader.files()) stored.setFile(path, record.chunks);
		stored.commit();
		if (stored.rootId !== tree.rootId) this.findings.wrong.push(`the tree after the last run is not the folder's`);
		for (const id of tree.ids()) if (!reader.hasVector(id)) this.findings.lost.push(`vector ${id} after the last run`);
		void reader.close();
	}

	async #checkVector(id: NodeId, vector: Float32Array | undefined): Promise<void> {
		this.vectorsChecked++;
		if (!vector) {
			this.findings.lost.push(`vector ${id} is stored and not readable`);
			return;
		}
		const expected = await this.#expectedVector(id);
		if (!expected) this.findings.wrong.push(`vector ${id} belongs to nothing`);
		else if (cosine(vector, expected) < SAME) this.findings.wrong.push(`vector ${id} is another's: cosine ${cosine(vector, expected)}`);
	}

	#checkRecords(reader: StoreReader, acknowledged: ReadonlyMap<string, string>): void {
		const tree = createHierarchy(KILL_SPACE);
		for (const [path, record] of reader.files()) tree.setFile(path, record.chunks);
		tree.commit();
		for (const id of tree.ids()) if (!reader.hasVector(id)) this.findings.lost.push(`vector ${id} of a stored record`);
		for (const [path, text] of acknowledged) {
			const stored = reader.getFile(path)?.chunks.map(({ id }) => id) ?? [];
			if (
				stored.join() !==
				placesOf(text)
					.map(({ id }) => id)
					.join()
			)
				this.findings.lost.push(`the record of ${path}`);
		}
	}

	async #checkGraphs(storePath: string): Promise<void> {
		const index = await loadHnswIndex(snapshotFolderOf(storePath), KILL_GRAPHS);
		const ids = [...(index?.ids() ?? [])];
		const step = Math.max(1, Math.floor(ids.length / GRAPH_SAMPLE));
		for (let at = 0; index && at < ids.length; at += step) {
			const id = ids[at] as NodeId;
			const expected = await this.#expectedVector(id);
			this.graphVectorsChecked++;
			// A node over a single child has its child's vector.
			const hit = expected && index.search(expected, 8).find((each) => each.id === id);
			if (!hit || hit.score < SAME) this.findings.wrong.push(`vector ${id} of a graph is ${hit ? `at ${hit.score}` : 'not found'}`);
		}
	}

	async #expectedVector(id: NodeId): Promise<Float32Array | undefined> {
		const known = this.#expected.get(id);
		if (known) return known;
		const made = await this.#makeVector(id);
		if (made) this.#expected.set(id, made);
		return made;
	}

	async #makeVector(id: NodeId): Promise<Float32Array | undefined> {
		const text = this.#texts.get(id);
		if (text !== undefined) return (await this.#embedder.embed([fakeTokenizer.encode(text)]))[0];
		const family: Float32Array[] = [];
		for (const child of this.#children.get(id) ?? []) {
			const vector = await this.#expectedVector(child);
			if (!vector) return undefined;
			family.push(vector);
		}
		return family.length > 0 ? (await this.#fuser.fuse([family]))[0] : undefined;
	}
}

function chunkTexts(text: string): string[] {
	const lines = text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
	return Array.from({ length: Math.ceil(lines.length / 2) }, (_, i) => lines.slice(2 * i, 2 * i + 2).join(''));
}

export function placesOf(text: string) {
	return chunkTexts(text).map((chunk) => ({ id: chunkId(KILL_SPACE.spaceId, chunk), startLine: 0, endLine: 0 }));
}

function cosine(a: Float32Array, b: Float32Array): number {
	let [dot, aa, bb] = [0, 0, 0];
	for (const [i, x] of a.entries()) {
		const y = b[i] as number;
		dot += x * y;
		aa += x * x;
		bb += y * y;
	}
	return dot / Math.sqrt(aa * bb || 1);
}
