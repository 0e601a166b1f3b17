/**
 * The index as a user has it: both workers, the shipped bundle, real files. How soon the open file's neighbourhood can be
 * searched, what a start without changes costs, how much of the embedder's own speed a build keeps, and what it does to
 * completions.
 */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { defaultSettings } from 'hef-shared';
import { silentLogger } from '../../../server/base/logger.ts';
import type { CompletionRequest } from '../../../server/completion/types.ts';
import { loadBundle } from '../../../server/inference/bundle.ts';
import type { Services } from '../../../server/services.ts';
import { existingStorePath, openStoreReader, workspaceCacheFolder } from '../../../server/store/lmdb-store.ts';
import { createCutter } from '../../support/disk-index.ts';
import { createMonorepo, type Monorepo } from '../../support/monorepo.ts';
import { createRandom, type Random } from '../../support/random.ts';
import { openModels, shippedBundleFolder } from '../../support/tiny-bundle.ts';
import { type Bar, type BenchContext, type Measurement, median } from '../bars.ts';

/** Threads run the compiled server. */
const { createServices } = (await import(
	new URL('../../../server/dist/services.js', import.meta.url).href
)) as typeof import('../../../server/services.ts');

const OPEN = { watch: false, exclude: [] };
/** Models and folders of a monorepo on disk, removed together. */
interface Site {
	work: string;
	folder: string;
	repo: Monorepo;
	cacheFolder(): string;
	start(cacheFolder: string): Promise<Services>;
	remove(): void;
}

function createSite(files: number, seed: number): Site {
	const work = realpathSync(mkdtempSync(join(tmpdir(), 'hef-bench-')));
	const folder = join(work, 'repo');
	const repo = createMonorepo({ files, seed });
	mkdirSync(folder);
	repo.writeTo(folder);
	let caches = 0;
	return {
		work,
		folder,
		repo,
		cacheFolder: () => join(work, `cache-${++caches}`),
		async start(cacheFolder) {
			const bundle = await loadBundle(shippedBundleFolder);
			const events = { progress() {}, updated() {}, problem() {} };
			return createServices({ bundle, settings: defaultSettings(), cacheFolder, version: 'bench', events, logger: silentLogger });
		},
		remove: () => rmSync(work, { recursive: true, force: true }),
	};
}

/** Opens the folder with one document; calls `whenUp` when the document's directory and imports can be searched. */
async function buildAround(site: Site, services: Services, cacheFolder: string, open: string, whenUp: (ms: number) => void): Promise<void> {
	const started = performance.now();
	services.prioritise(site.folder, [open]);
	let building = true;
	const built = services.openFolder(site.folder, OPEN).finally(() => {
		building = false;
	});
	built.catch(() => {});
	const isStored = await recordsOf(site, cacheFolder, neighboursOf(site.repo, open), () => building);
	while (building && !isStored()) await wait(20);
	await services.settled();
	whenUp(performance.now() - started);
	await built;
	await services.settled();
}

/** The document, the files beside it and those that it imports. */
function neighboursOf(repo: Monorepo, open: string): string[] {
	const folder = open.slice(0, open.lastIndexOf('/') + 1);
	const text = repo.text(repo.paths.indexOf(open));
	const imported = repo.paths.filter(
		(path) => text.includes(path) || text.includes(`${path.slice(0, -3).replaceAll('/', '.').replaceAll('-', '_')} import`),
	);
	return [...repo.paths.filter((path) => path.startsWith(folder)), ...imported];
}

/** Waits for the store, and then tells whether it has a record of each of the files. */
async function recordsOf(site: Site, cacheFolder: string, paths: readonly string[], waits: () => boolean): Promise<() => boolean> {
	const { spaceId, manifest } = await loadBundle(shippedBundleFolder);
	const storeFolder = workspaceCacheFolder(cacheFolder, site.folder);
	let path = existingStorePath(storeFolder);
	while (path === undefined && waits()) {
		await wait(20);
		path = existingStorePath(storeFolder);
	}
	if (path === undefined) return () => true;
	const reader = openStoreReader({ path, spaceId, dimension: manifest.embedder.dimension });
	return () => {
		reader.refresh();
		const stored = paths.every((each) => reader.getFile(each) !== undefined);
		if (stored) void reader.close();
		return stored;
	};
}

async function neighbourhoodAndStarts({ quick, progress }: BenchContext): Promise<Bar[]> {
	const site = createSite(quick ? 100 : 2040, 21);
	const random = createRandom(22);
	const trials = quick ? 2 : 5;
	try {
		const upMs: number[] = [];
		for (let trial = 1; trial < trials; trial++) {
			const cacheFolder = site.cacheFolder();
			const services = await site.start(cacheFolder);
			let ends: () => void = () => {};
			const up = new Promise<void>((resolve) => {
				ends = resolve;
			});
			const building = buildAround(site, services, cacheFolder, random.pick(site.repo.paths), (ms) => {
				upMs.push(ms);
				ends();
			});
			building.catch(() => {});
			await Promise.race([up, building]);
			await services.dispose();
			progress(`neighbourhood up after ${((upMs.at(-1) ?? 0) / 1000).toFixed(1)} s`);
		}
		const cacheFolder = site.cacheFolder();
		const services = await site.start(cacheFolder);
		const started = performance.now();
		await buildAround(site, services, cacheFolder, random.pick(site.repo.paths), (ms) => upMs.push(ms));
		const buildMs = performance.now() - started;
		const { chunks, files } = await services.report(site.folder);
		progress(`${chunks} chunks built in ${(buildMs / 1000).toFixed(1)} s`);
		const saveMs = await timeSaves(site, services, random, quick ? 3 : 9);
		await services.dispose();
		const warm = await warmStarts(site, cacheFolder, trials);
		const note = `${chunks.toLocaleString('en')} chunks in ${files.toLocaleString('en')} files, shipped bundle; build ${(buildMs / 1000).toFixed(0)} s`;
		return [
			{
				what: "Retrieval for the open file's neighbourhood is up / full build",
				values: upMs.map((ms) => ms / buildMs),
				limit: { relation: '≤', value: 0.05 },
				note: `${note}, loading of the models counted in both`,
			},
			{
				what: 'Save of one function: time to published view / full build, with the models',
				values: saveMs.map((ms) => ms / buildMs),
				limit: { relation: '≤', value: 0.005 },
				note: `${note}; ${Math.round(median(saveMs))} ms`,
			},
			{
				what: 'Warm start of an unchanged 2,000-file workspace / cold build',
				values: warm.map(({ ms }) => ms / buildMs),
				limit: { relation: '≤', value: 0.02 },
				note: `${note}; ${Math.round(median(warm.map(({ ms }) => ms)))} ms`,
			},
			{
				what: 'Warm start with both workers: chunks embedded',
				values: warm.map(({ embedded }) => embedded),
				unit: 'chunks',
				limit: { relation: '=', value: 0 },
				note,
			},
		];
	} finally {
		site.remove();
	}
}

async function timeSaves(site: Site, services: Services, random: Random, trials: number): Promise<number[]> {
	const times: number[] = [];
	for (let trial = 1; trial <= trials; trial++) {
		const file = random.below(site.repo.paths.length);
		const path = site.repo.paths[file] as string;
		writeFileSync(join(site.folder, path), site.repo.text(file, trial));
		const started = performance.now();
		await services.update(site.folder, [path], 'save');
		times.push(performance.now() - started);
	}
	return times;
}

async function warmStarts(site: Site, cacheFolder: string, trials: number): Promise<{ ms: number; embedded: number }[]> {
	const starts: { ms: number; embedded: number }[] = [];
	for (let trial = 0; trial <= trials; trial++) {
		const services = await site.start(cacheFolder);
		const started = performance.now();
		await services.openFolder(site.folder, OPEN);
		await services.settled();
		const ms = performance.now() - started;
		const { lastUpdate } = await services.report(site.folder);
		await services.dispose();
		// The first start looks again at what was saved within its last two seconds.
		if (trial > 0) starts.push({ ms, embedded: lastUpdate?.chunksEmbedded ?? Number.NaN });
	}
	return starts;
}

/** Pairs of the bare embedder and a build, on the same chunks. */
async function throughput({ quick, progress }: BenchContext): Promise<Bar[]> {
	const pairs = quick ? 2 : 5;
	const filesEach = quick ? 10 : 60;
	const site = createSite(1, 31);
	const models = await openModels(shippedBundleFolder, { threads: 1 });
	const embedder = await models.embedder();
	const { chunker, tokenizer } = await createCutter();
	const services = await site.start(site.cacheFolder());
	try {
		await services.openFolder(site.folder, OPEN);
		const ratios: number[] = [];
		const rates: number[] = [];
		for (let pair = 0; pair < pairs; pair++) {
			const folder = join(site.work, `part-${pair}`);
			const part = createMonorepo({ files: filesEach, seed: 32 + pair });
			mkdirSync(folder);
			part.writeTo(folder);
			const inputs: number[][] = [];
			for (const [file, path] of part.paths.entries()) {
				const text = part.text(file);
				const { chunks } = await chunker.chunk(path, text);
				for (const { startOffset, endOffset } of chunks)
					inputs.push(tokenizer.encode(text.slice(startOffset, endOffset)).slice(0, embedder.maxTokens));
			}
			await embedder.embed([inputs[0] as number[]]);
			const rawBegan = performance.now();
			for (const input of inputs) await embedder.embed([input]);
			const rawMs = performance.now() - rawBegan;
			const buildBegan = performance.now();
			await services.openFolder(folder, OPEN);
			const buildMs = performance.now() - buildBegan;
			await services.closeFolder(folder);
			ratios.push(rawMs / buildMs);
			rates.push(inputs.length / (buildMs / 1000));
			progress(`${inputs.length} chunks: embedder alone ${rawMs.toFixed(0)} ms, build ${buildMs.toFixed(0)} ms`);
		}
		return [
			{
				what: 'Build throughput / raw embedder throughput on the same chunks',
				values: ratios,
				limit: { relation: '≥', value: 0.8 },
				note: `pairs of ${filesEach} new files, one thread each, shipped bundle; ${median(rates).toFixed(0)} chunks a second`,
			},
		];
	} finally {
		await services.dispose();
		await models.dispose();
		site.remove();
	}
}

/** Turns of completions with the build paused and going on. */
async function latencyDuringBuild({ quick, progress }: BenchContext): Promise<Bar[]> {
	const site = createSite(quick ? 150 : 1500, 41);
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

export const serviceMeasurements: Measurement[] = [
	{ name: 'starts', run: neighbourhoodAndStarts },
	{ name: 'throughput', run: throughput },
	{ name: 'latency', run: latencyDuringBuild },
];
