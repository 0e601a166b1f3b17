/**
 * Takes vectors that training tuned for the chunks of a folder (p-tuning) into the folder's index.
 *
 * The file has JSON lines: `{format, version, bundle, space, dimension}`, then `{id, vector}` for each chunk. A tuned vector lies
 * beside the embedder's, under an id that names its bundle: nodes are found by the embedder's vector and projected by the tuned
 * one, and neither ever stands in for the other. It goes with its chunk: an edit gives the chunk another id.
 *
 * Guarantees: all of a file or nothing; a vector of another bundle, dimension or length is refused; one of a chunk that the index
 * does not hold is counted and left out. Deliberately lacks: parents of tuned chunks, which keep what the fuser made.
 */
import { HefError } from '../base/errors.ts';
import { type NodeId, tunedId } from '../base/ids.ts';
import type { Bundle } from '../inference/bundle.ts';
import { withClaim } from '../store/claim.ts';
import { existingStorePath, openStore, storeFormat, workspaceCacheFolder } from '../store/lmdb-store.ts';
import { withTunedBundle } from '../store/tuned.ts';

const FORMAT = 'hef-tuned-vectors';
const VERSION = 1;
/** Half precision explains less. */
const NORM_TOLERANCE = 0.01;

export interface ImportedVectors {
	imported: number;
	/** Vectors of chunks that the index does not hold. */
	unknown: number;
}

/**
 * @param text of the file
 * @throws HefError `usage` when the file does not fit the bundle, `cache-unavailable` when the folder has no index or is open elsewhere
 */
export async function importVectors(options: {
	folder: string;
	cacheFolder: string;
	bundle: Pick<Bundle, 'bundleId' | 'spaceId' | 'manifest'>;
	text: string;
}): Promise<ImportedVectors> {
	const { folder, bundle } = options;
	const { dimension } = bundle.manifest.embedder;
	const rows = parseFile(options.text, bundle, dimension);
	const cache = workspaceCacheFolder(options.cacheFolder, folder);
	if (existingStorePath(cache) === undefined) throw new HefError('cache-unavailable', `${folder} has no index: run "index" on it first`);
	const take = async (): Promise<ImportedVectors> => {
		const store = await openStore({ folder: cache, spaceId: bundle.spaceId, dimension });
		try {
			const known = rows.filter(({ id }) => store.hasVector(id));
			const vectors = known.map(({ id, vector }) => [tunedId(bundle.bundleId, id), vector] as const);
			await store.write({ vectors, meta: [withTunedBundle(store, bundle.bundleId)] });
			return { imported: known.length, unknown: rows.length - known.length };
		} finally {
			await store.close();
		}
	};
	// An editor that is started meanwhile waits for the store.
	return withClaim(
		{ folder: cache, space: storeFormat(bundle.spaceId) },
		take,
		(pid) => new HefError('cache-unavailable', `the index in ${cache} is open in process ${pid}: close it first`),
	);
}

function parseFile(text: string, bundle: Pick<Bundle, 'bundleId' | 'spaceId'>, dimension: number) {
	const [header, ...rows] = text.split('\n').flatMap((line, i) => (line.trim() === '' ? [] : [parseLine(line, i + 1)]));
	const wanted = { format: FORMAT, version: VERSION, bundle: bundle.bundleId, space: bundle.spaceId as string, dimension };
	for (const [name, value] of Object.entries(wanted)) {
		if (header?.[name] !== value)
			throw wrong(1, `${name} is ${JSON.stringify(header?.[name])}, this bundle wants ${JSON.stringify(value)}`);
	}
	return rows.map(({ id, vector }, i) => {
		if (typeof id !== 'string' || !/^[0-9a-f]{32}$/.test(id)) throw wrong(i + 2, 'id is not 32 hex digits');
		if (!Array.isArray(vector) || vector.length !== dimension || !vector.every(Number.isFinite))
			throw wrong(i + 2, `vector is not a list of ${dimension} numbers`);
		const length = Math.hypot(...(vector as number[]));
		if (Math.abs(length - 1) > NORM_TOLERANCE) throw wrong(i + 2, `vector has length ${length}, not 1`);
		return { id: id as NodeId, vector: Float32Array.from(vector as number[]) };
	});
}

function parseLine(line: string, number: number): Record<string, unknown> {
	try {
		const value: unknown = JSON.parse(line);
		if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
	} catch {
		// Said below.
	}
	throw wrong(number, 'not a JSON object');
}

function wrong(line: number, problem: string): HefError {
	return new HefError('usage', `line ${line} of the vectors: ${problem}`);
}
