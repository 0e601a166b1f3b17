/**
 * The index as a user has it: both workers, a real bundle, real files. How soon the open file's neighbourhood can be searched, what
 * a save and a start without changes cost.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { Services } from '../../../server/services.ts';
import { existingStorePath, openStoreReader, workspaceCacheFolder } from '../../../server/store/lmdb-store.ts';
import type { Monorepo } from '../../support/monorepo.ts';
import { createRandom, type Random } from '../../support/random.ts';
import { type Bar, type BenchContext, type Measurement, median } from '../bars.ts';
import { createSite, OPEN, type Site, served } from './site.ts';

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
	await services.searchable();
	whenUp(performance.now() - started);
	await built;
}

/** The document, the files beside it and those that it imports. */
function neighboursOf(repo: Monorepo, open: string): string[] {
	const folder = open.slice(0, open.lastIndexOf('/') + 1);
	const text = repo.text(repo.paths.indexOf(open));
	const imported = repo.paths.filter((path) => text.includes(path) || text.includes(`${path.slice(0, -3).replaceAll('/', '.')} import`));
	return [...repo.paths.filter((path) => path.startsWith(folder)), ...imported];
}

/** Waits for the store, and then tells whether it has a record of each of the files. */
async function recordsOf(site: Site, cacheFolder: string, paths: readonly string[], waits: () => boolean): Promise<() => boolean> {
	const { spaceId, manifest } = site.bundle;
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

async function neighbourhoodAndStarts(context: BenchContext): Promise<Bar[]> {
	const { quick, progress } = context;
	const { bundle, name, suffix } = await served(context);
	const site = createSite(bundle, quick ? 100 : 2040, 21);
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
		const note = `${chunks.toLocaleString('en')} chunks in ${files.toLocaleString('en')} files, ${name}; build ${(buildMs / 1000).toFixed(0)} s`;
		return [
			{
				what: `Retrieval for the open file's neighbourhood is up / full build${suffix}`,
				values: upMs.map((ms) => ms / buildMs),
				limit: { relation: '≤', value: 0.05 },
				note: `${note}, loading of embedder and fuser counted in both`,
			},
			{
				what: `Save of one function: time to published view / full build, with the models${suffix}`,
				values: saveMs.map((ms) => ms / buildMs),
				limit: { relation: '≤', value: 0.005 },
				note: `${note}; ${Math.round(median(saveMs))} ms`,
			},
			{
				what: `Warm start of an unchanged 2,000-file workspace / cold build${suffix}`,
				values: warm.map(({ ms }) => ms / buildMs),
				limit: { relation: '≤', value: 0.02 },
				note: `${note}; ${Math.round(median(warm.map(({ ms }) => ms)))} ms until everything can be searched and is compared with the disk; models are loaded when they are asked for, damage is looked for later; the copy model has every file after ${(median(warm.map(({ copiedMs }) => copiedMs)) / 1000).toFixed(1)} s`,
			},
			{
				what: `Warm start with both workers: chunks embedded${suffix}`,
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

interface WarmStart {
	ms: number;
	copiedMs: number;
	embedded: number;
}

async function warmStarts(site: Site, cacheFolder: string, trials: number): Promise<WarmStart[]> {
	const starts: WarmStart[] = [];
	for (let trial = 0; trial <= trials; trial++) {
		const services = await site.start(cacheFolder);
		const started = performance.now();
		await services.openFolder(site.folder, OPEN);
		const ms = performance.now() - started;
		await services.settled();
		const copiedMs = performance.now() - started;
		let report = await services.report(site.folder);
		for (; report.state !== 'ready'; report = await services.report(site.folder)) await wait(20);
		const { lastUpdate } = report;
		await services.dispose();
		// The first start looks again at what was saved within its last two seconds.
		if (trial > 0) starts.push({ ms, copiedMs, embedded: lastUpdate?.chunksEmbedded ?? Number.NaN });
	}
	return starts;
}

export const starts: Measurement = { name: 'starts', run: neighbourhoodAndStarts };
