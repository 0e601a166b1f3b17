/** A store that lives and dies with its test: what the one on disk is held against. */
import type { NodeId } from '../../server/base/ids.ts';
import { type FileRecord, MAX_PATH_BYTES, type Store, type StoreBatch } from '../../server/store/types.ts';

/** An empty store. */
export function createMemoryStore(): Store {
	const files = new Map<string, FileRecord>();
	const vectors = new Map<NodeId, Float32Array>();
	const meta = new Map<string, string>();

	const write = async (batch: StoreBatch) => {
		const changed = [...(batch.files ?? [])];
		for (const [path] of changed) {
			if (Buffer.byteLength(path) > MAX_PATH_BYTES) throw new RangeError(`path is longer than ${MAX_PATH_BYTES} bytes: ${path}`);
		}
		for (const [path, record] of changed) put(files, path, record && structuredClone(record));
		for (const [id, vector] of batch.vectors ?? []) put(vectors, id, vector?.slice() ?? null);
		for (const [key, value] of batch.meta ?? []) put(meta, key, value);
	};

	const sorted = () => [...files].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));

	return {
		path: '',
		recovered: [],
		getFile: (path) => structuredClone(files.get(path)),
		files: sorted,
		summaries: sorted,
		chunks: sorted,
		getVector: (id) => vectors.get(id)?.slice(),
		hasVector: (id) => vectors.has(id),
		vectorIds: () => [...vectors.keys()],
		vectorCount: () => vectors.size,
		getMeta: (key) => meta.get(key),
		refresh: () => {},
		sizeBytes: () => {
			let bytes = 0;
			for (const vector of vectors.values()) bytes += vector.byteLength;
			for (const record of files.values()) bytes += 200 + record.chunks.length * 100;
			return bytes;
		},
		write,
		clear: async () => {
			for (const map of [files, vectors, meta]) map.clear();
		},
		compact: async () => {},
		close: async () => {},
	};
}

function put<K, V>(map: Map<K, V>, key: K, value: V | null): void {
	if (value === null) map.delete(key);
	else map.set(key, value);
}
