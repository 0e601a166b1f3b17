/**
 * Resident memory of the server's process with a workspace of 20,000 chunks: real sources, as many as it takes, with their
 * words renamed in further copies. All but a few vectors are put into the store beforehand, since embedding them is not what
 * is measured; the rest is embedded and fused by the server, so that every model has run.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import type { NodeId } from '../../../server/base/ids.ts';
import type { Chunker } from '../../../server/chunking/types.ts';
import type { Hierarchy } from '../../../server/hierarchy/types.ts';
import type { LspClient } from '../../support/lsp-client.ts';
import { createRandom } from '../../support/random.ts';
import { clusteredVectors } from '../../support/vectors.ts';
import type { Bar } from '../bars.ts';
import { sourceFolders, sourcesBelow } from './cursors.ts';
import { startServer, stop, typeLine } from './language-server.ts';
import type { LatencyContext } from './main.ts';
import { built, storeOptions } from './server-parts.ts';

/** Chunks whose vectors the server has to make. */
const LEFT_OUT = 300;
const BUILD_TIMEOUT_MS = 1_800_000;
const VECTORS_PER_WRITE = 5000;

export async function memoryBars(context: LatencyContext): Promise<Bar[]> {
	const { cacheFolder, progress, quick } = context;
	const { repos } = context.arguments;
	const chunks = quick ? 500 : 20_000;
	const cursors = context.cursors({ quick: 2, full: 10 });
	const folder = join(cacheFolder, 'memory', String(chunks));
	if (!existsSync(join(folder, 'complete.txt'))) {
		progress(`sources of ${chunks} chunks`);
		await writeWorkspace(folder, chunks, repos, context);
	}
	const server = await startServer({ folder, cacheFolder });
	await server.client.untilStatus('ready', BUILD_TIMEOUT_MS);
	const idle = await memoryOf(server.client);
	progress('typing');
	for (const cursor of cursors) await typeLine(server.client, { ...cursor, folder, path: `typed/${basename(cursor.path)}` });
	const status = await server.client.status();
	const [workspace] = status.workspaces;
	const more = moreOf(server.process.pid);
	await stop(server);
	return [
		{
			what: 'Resident memory of the server, default bundle, 20,000-chunk workspace',
			values: [megabytes(status.memory?.rssBytes)],
			unit: 'MB',
			limit: { relation: '≤', value: 600 },
			note: `${workspace?.chunks} chunks, ${workspace?.files} files, ${workspace?.nodes} nodes, all searchable: ${workspace?.hnsw.size}; after ${cursors.length} typed lines; ${idle} MB before them${more}`,
		},
	];
}

async function memoryOf(client: LspClient): Promise<number> {
	return Math.round(megabytes((await client.status()).memory?.rssBytes));
}

function megabytes(bytes = Number.NaN): number {
	return bytes / 1e6;
}

export interface Resident {
	allMb: number;
	/** What is no mapped file; all of it where the system does not tell. */
	ownMb: number;
}

/** Memory of this process. */
export function resident(): Resident {
	const allMb = megabytes(process.memoryUsage.rss());
	try {
		const [, kilobytes] = /RssAnon:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
		return { allMb, ownMb: (Number(kilobytes) * 1024) / 1e6 };
	} catch {
		return { allMb, ownMb: allMb };
	}
}

/** What of the process is mapped files, and the most that it ever had resident, where Linux tells. */
function moreOf(pid: number | undefined): string {
	try {
		const status = readFileSync(`/proc/${pid}/status`, 'utf8');
		const mb = (name: string) => Math.round((Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) * 1024) / 1e6);
		return `, at most ${mb('VmHWM')} MB at any time; ${mb('RssFile')} MB are mapped files`;
	} catch {
		return '';
	}
}

/** Writes sources until they are cut into `most` chunks, and a store that holds the vectors of nearly all of them. */
async function writeWorkspace(folder: string, most: number, repos: string | undefined, context: LatencyContext): Promise<void> {
	const { bundle } = context;
	const { createChunker } = await built<typeof import('../../../server/chunking/chunker.ts')>('chunking/chunker');
	const { loadTokenizer } = await built<typeof import('../../../server/inference/tokenizer.ts')>('inference/tokenizer');
	const { createHierarchy } = await built<typeof import('../../../server/hierarchy/hierarchy.ts')>('hierarchy/hierarchy');
	const { file, vocabSize } = bundle.manifest.tokenizer;
	const chunker = createChunker({ countTokens: (await loadTokenizer(bundle.path(file), vocabSize)).count });
	const hierarchy = createHierarchy({ spaceId: bundle.spaceId });
	let written = 0;
	for (const [path, text] of growingSources(repos)) {
		written += await addFile({ path, text, folder, chunker, hierarchy, context });
		if (written >= most) break;
	}
	const { addedChunks, addedNodes } = hierarchy.commit();
	await writeVectors([...addedChunks.slice(LEFT_OUT), ...addedNodes.map(({ id }) => id)], folder, context);
	writeFileSync(join(folder, 'complete.txt'), '');
}

/** Files of the sources; when they are used up, again with other words. */
function* growingSources(repos: string | undefined): Iterable<[path: string, text: string]> {
	for (let copy = 0; ; copy++) {
		for (const source of sourceFolders(repos)) {
			for (const path of sourcesBelow(source)) {
				const text = readFileSync(join(source, path), 'utf8').replaceAll('\r\n', '\n');
				const renamed = copy === 0 ? text : text.replaceAll(/[a-z]{4,}(?=[A-Z_(.])/g, (word) => `${word}${copy}`);
				yield [join(`copy${copy}`, basename(source), path), renamed];
			}
		}
	}
}

interface FileToAdd {
	path: string;
	text: string;
	folder: string;
	chunker: Chunker;
	hierarchy: Hierarchy;
	context: LatencyContext;
}

/** @returns how many chunks the file has */
async function addFile({ path, text, folder, chunker, hierarchy, context }: FileToAdd): Promise<number> {
	const { chunkId } = await built<typeof import('../../../server/base/ids.ts')>('base/ids');
	const { sourceKindOf } = await built<typeof import('../../../server/workspace/source-kinds.ts')>('workspace/source-kinds');
	if (text.length > 100_000 || sourceKindOf(path) !== 'code' || extname(path) === '') return 0;
	const { chunks } = await chunker.chunk(path, text);
	mkdirSync(dirname(join(folder, path)), { recursive: true });
	writeFileSync(join(folder, path), text);
	const { spaceId } = context.bundle;
	hierarchy.setFile(
		path.replaceAll('\\', '/'),
		chunks.map((chunk) => ({ ...chunk, id: chunkId(spaceId, text.slice(chunk.startOffset, chunk.endOffset)) })),
	);
	return chunks.length;
}

async function writeVectors(ids: readonly NodeId[], folder: string, { bundle, cacheFolder }: LatencyContext): Promise<void> {
	const { openStore } = await built<typeof import('../../../server/store/lmdb-store.ts')>('store/lmdb-store');
	const options = await storeOptions({ bundle, cacheFolder, folder });
	const store = await openStore(options);
	const vectors = clusteredVectors({
		n: ids.length,
		dimension: options.dimension,
		clusters: 200,
		seed: createRandom(ids.length).below(1000),
	});
	for (let at = 0; at < ids.length; at += VECTORS_PER_WRITE) {
		const part = ids.slice(at, at + VECTORS_PER_WRITE);
		await store.write({ vectors: part.map((id, i) => [id, vectors[at + i] as Float32Array] as const) });
	}
	await store.close();
}
