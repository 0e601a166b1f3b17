/** How much of the embedder's own speed a build keeps, and what it does to completions: both workers, a real bundle, real files. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { chunkId, type NodeId } from '../../../server/base/ids.ts';
import type { CompletionRequest } from '../../../server/completion/types.ts';
import { createHierarchy } from '../../../server/hierarchy/hierarchy.ts';
import type { Hierarchy } from '../../../server/hierarchy/types.ts';
import { VectorBuilder } from '../../../server/indexing/vector-builder.ts';
import { loadBundle } from '../../../server/inference/bundle.ts';
import type { Fuser } from '../../../server/inference/types.ts';
import type { Services } from '../../../server/services.ts';
import { createCutter } from '../../support/disk-index.ts';
import { createMonorepo } from '../../support/monorepo.ts';
import { createRandom, type Random } from '../../support/random.ts';
import { openModels, shippedBundleFolder } from '../../support/tiny-bundle.ts';
import { type Bar, type BenchContext, type Measurement, median } from '../bars.ts';
import { createSite, OPEN, type Site, served } from './site.ts';

/** New files of a pair, where the arguments name no other number: so many that opening and closing an index counts for little. */
const FILES_EACH = 120;

function filesOfPair({ quick, arguments: { files } }: BenchContext): number {
	const count = files === undefined ? (quick ? 10 : FILES_EACH) : Number(files);
	if (!Number.isInteger(count) || count < 1) throw new RangeError(`--files: expected an integer of at least 1, got ${files}`);
	return count;
}

/** Pairs of the bare embedder and a build, on the same chunks. */
async function throughput(context: BenchContext): Promise<Bar[]> {
	const { quick, progress } = context;
	const { bundle, name, suffix } = await served(context);
	const pairs = quick ? 2 : 5;
	const filesEach = filesOfPair(context);
	const site = createSite(bundle, 1, 31);
	const models = await openModels(bundle.folder, { threads: 1 });
	const embedder = await models.embedder();
	const { chunker, tokenizer } = await createCutter(bundle.folder);
	const services = await site.start(site.cacheFolder());
	try {
		await services.openFolder(site.folder, OPEN);
		const ratios: number[] = [];
		const rates: number[] = [];
		const parts: Parts[] = [];
		for (let pair = 0; pair < pairs; pair++) {
			const folder = join(site.work, `part-${pair}`);
			const part = createMonorepo({ files: filesEach, seed: 32 + pair });
			mkdirSync(folder);
			part.writeTo(folder);
			const texts: string[] = [];
			const hierarchy = createHierarchy({ spaceId: bundle.spaceId, arity: bundle.manifest.fuser.arity });
			const sources = part.paths.map((path, file) => ({ path, text: part.text(file) }));
			const cutBegan = performance.now();
			for (const { path, text } of sources) {
				const { chunks } = await chunker.chunk(path, text);
				const pieces = chunks.map(({ startOffset, endOffset }) => text.slice(startOffset, endOffset));
				texts.push(...pieces);
				hierarchy.setFile(
					path,
					chunks.map((chunk, i) => ({ ...chunk, id: chunkId(bundle.spaceId, pieces[i] as string) })),
				);
			}
			const encodeBegan = performance.now();
			const inputs = texts.map((text) => tokenizer.encode(text).slice(0, embedder.maxTokens));
			const encodeMs = performance.now() - encodeBegan;
			const cutMs = encodeBegan - cutBegan;
			await embedder.embed([inputs[0] as number[]]);
			const vectors = new Map<NodeId, Float32Array>();
			const rawBegan = performance.now();
			for (const [i, input] of inputs.entries()) {
				const [vector] = await embedder.embed([input]);
				vectors.set(chunkId(bundle.spaceId, texts[i] as string), vector as Float32Array);
			}
			const rawMs = performance.now() - rawBegan;
			const fuseMs = await timeFusing(hierarchy, vectors, await models.fuser());
			const buildBegan = performance.now();
			await services.openFolder(folder, OPEN);
			const buildMs = performance.now() - buildBegan;
			await services.closeFolder(folder);
			ratios.push(rawMs / buildMs);
			rates.push(inputs.length / (buildMs / 1000));
			parts.push({ embedding: rawMs, fusing: fuseMs, cutting: cutMs, tokens: encodeMs, all: buildMs, chunks: inputs.length });
			progress(`${inputs.length} chunks: embedder alone ${rawMs.toFixed(0)} ms, build ${buildMs.toFixed(0)} ms`);
		}
		return [
			{
				what: `Build throughput / raw embedder throughput on the same chunks${suffix}`,
				values: ratios,
				limit: { relation: '≥', value: 0.8 },
				note: `pairs of ${filesEach} new files, one thread each, ${name}; ${median(rates).toFixed(0)} chunks a second; ${partsOf(parts)}`,
			},
			{
				what: `One thread with nothing to do but embed, fuse, parse and cut / raw embedder throughput${suffix}`,
				values: parts.map(({ embedding, fusing, cutting, tokens }) => embedding / (embedding + fusing + cutting + tokens)),
				note: `what each of these takes alone, in the same pairs, ${name}`,
			},
		];
	} finally {
		await services.dispose();
		await models.dispose();
		site.remove();
	}
}

/** Milliseconds of making all nodes above the chunks whose vectors are given. */
async function timeFusing(hierarchy: Hierarchy, vectors: ReadonlyMap<NodeId, Float32Array>, fuser: Fuser): Promise<number> {
	const { addedNodes } = hierarchy.commit();
	const absent = () => Promise.reject(new Error('every chunk has its vector'));
	const builder = new VectorBuilder({
		stored: { getVector: (id) => vectors.get(id), hasVector: (id) => vectors.has(id) },
		tokenizer: absent,
		embedder: absent,
		fuser: async () => fuser,
		node: (id) => hierarchy.node(id),
		chunkText: absent,
		checkpoint: async () => {},
	});
	const began = performance.now();
	await builder.fuse(addedNodes);
	return performance.now() - began;
}

/** Milliseconds of one build and, alone, of what it is made of. */
interface Parts {
	embedding: number;
	fusing: number;
	cutting: number;
	tokens: number;
	all: number;
	chunks: number;
}

function partsOf(parts: readonly Parts[]): string {
	const ms = (of: (part: Parts) => number) => String(Number(median(parts.map((part) => of(part) / part.chunks)).toPrecision(2)));
	const alone = `embedder ${ms((part) => part.embedding)}, fuser ${ms((part) => part.fusing)}, parsing and cutting ${ms((part) => part.cutting)}, tokens ${ms((part) => part.tokens)}`;
	return `${ms((part) => part.all)} ms a chunk; alone: ${alone}`;
}

/** Turns of completions with the build paused and going on. */
async function latencyDuringBuild({ quick, progress }: BenchContext): Promise<Bar[]> {
	const site = createSite(await loadBundle(shippedBundleFolder), quick ? 150 : 1500, 41);
	const random = createRandom(42);
	const services = await site.start(site.cacheFolder());
	const turns = quick ? 2 : 7;
	try {
		await services.warmUp();
		let building = true;
		const built = services.openFolder(site.folder, OPEN).finally(() => {
			building = false;
		});
		built.catch(() => {});
		while (building && (await services.report(site.folder)).nodes < 200) await wait(100);
		const ratios: number[] = [];
		const totals = { idle: [] as number[], busy: [] as number[] };
		for (let turn = 0; turn < turns && building; turn++) {
			await services.pause();
			await wait(300);
			const idle = await completions(site, services, random, quick ? 5 : 15);
			await services.resume();
			await wait(300);
			const busy = await completions(site, services, random, quick ? 5 : 15);
			if (!building) break;
			ratios.push(median(busy) / median(idle));
			totals.idle.push(...idle);
			totals.busy.push(...busy);
			progress(`idle ${median(idle).toFixed(0)} ms, during the build ${median(busy).toFixed(0)} ms`);
		}
		return [
			{
				what: 'p50 latency of a completion during a full build / idle',
				values: ratios,
				limit: { relation: '≤', value: 1.5 },
				note: `turns of ${quick ? 5 : 15} cold completions each, shipped bundle; ${median(totals.idle).toFixed(0)} ms idle, ${median(totals.busy).toFixed(0)} ms in the build`,
			},
		];
	} finally {
		await services.dispose();
		site.remove();
	}
}

/** Milliseconds of completions at random line ends, with a user's pauses between them. */
async function completions(site: Site, services: Services, random: Random, count: number): Promise<number[]> {
	const times: number[] = [];
	for (let i = 0; i < count; i++) {
		const file = random.below(site.repo.paths.length);
		const text = site.repo.text(file);
		const offset = text.indexOf('(', random.below(text.length >> 1)) + 1;
		const request: CompletionRequest = {
			uri: `file:///${file}`,
			folder: site.folder,
			path: site.repo.paths[file] as string,
			text,
			offset,
			context: 'hef',
			multiLine: 'never',
			explicit: true,
			minConfidence: 0,
			fresh: true,
		};
		const started = performance.now();
		await services.complete(request);
		times.push(performance.now() - started);
		await wait(100 + random.below(100));
	}
	return times;
}

export const throughputOfBuild: Measurement = { name: 'throughput', run: throughput };
export const latencyOfCompletions: Measurement = { name: 'latency', run: latencyDuringBuild };
