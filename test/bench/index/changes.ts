/**
 * What changes of files cost: a save, a renamed folder, a branch switch away and back, a warm start. Real files, chunker, store
 * and HNSW graph; the models are stand-ins that take next to no time, so that the ratios show everything else.
 */
import { mkdirSync, mkdtempSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Cutter, createCutter, type DiskIndex, depthAbove, openDiskIndex } from '../../support/disk-index.ts';
import { createMonorepo, type Monorepo } from '../../support/monorepo.ts';
import { createRandom } from '../../support/random.ts';
import type { Bar, BenchContext, Measurement } from '../bars.ts';

const STAND_IN = 'stand-ins for the models';

/** A monorepo on disk and its index, removed by `remove`. */
export interface IndexedMonorepo {
	repo: Monorepo;
	folder: string;
	cacheFolder: string;
	cutter: Cutter;
	index: DiskIndex;
	buildMs: number;
	remove(): Promise<void>;
}

export async function buildMonorepo(files: number, seed = 4): Promise<IndexedMonorepo> {
	const work = realpathSync(mkdtempSync(join(tmpdir(), 'hef-bench-')));
	const places = { folder: join(work, 'repo'), cacheFolder: join(work, 'cache') };
	const repo = createMonorepo({ files, seed });
	mkdirSync(places.folder);
	repo.writeTo(places.folder);
	const cutter = await createCutter();
	const started = performance.now();
	const index = await openDiskIndex({ ...places, cutter });
	await index.request('all', 'start');
	const built: IndexedMonorepo = {
		repo,
		...places,
		cutter,
		index,
		buildMs: performance.now() - started,
		async remove() {
			await built.index.close();
			rmSync(work, { recursive: true, force: true });
		},
	};
	return built;
}

/** What one save of one edited function cost. */
export interface SaveCost {
	/** Distinct chunk texts that the file did not have before. */
	chunksChanged: number;
	chunksEmbedded: number;
	nodesFused: number;
	depth: number;
	ms: number;
}

export async function saveOneFunction(built: IndexedMonorepo, file: number, revision: number): Promise<SaveCost> {
	const { repo, folder, cutter, index } = built;
	const path = repo.paths[file] as string;
	const chunksOf = async (text: string) =>
		(await cutter.chunker.chunk(path, text)).chunks.map(({ startOffset, endOffset }) => text.slice(startOffset, endOffset));
	const [before, after] = [repo.text(file), repo.text(file, revision)];
	const known = new Set(await chunksOf(before));
	const changed = new Set((await chunksOf(after)).filter((text) => !known.has(text)));
	writeFileSync(join(folder, path), after);
	const started = performance.now();
	const report = await index.request([path], 'save');
	const ms = performance.now() - started;
	const depth = depthAbove(index.hierarchy, path);
	return { chunksChanged: changed.size, chunksEmbedded: report.chunksEmbedded, nodesFused: report.nodesFused, depth, ms };
}

async function saves(built: IndexedMonorepo, trials: number): Promise<Bar[]> {
	const random = createRandom(5);
	const costs: SaveCost[] = [];
	for (let trial = 0; trial < trials; trial++) costs.push(await saveOneFunction(built, random.below(built.repo.paths.length), 1 + trial));
	const chunks = built.index.hierarchy.chunkCount;
	const size = `${chunks.toLocaleString('en')} chunks in ${built.repo.paths.length.toLocaleString('en')} files`;
	const mostChanged = Math.max(...costs.map(({ chunksChanged }) => chunksChanged));
	return [
		{
			what: 'Save of one function: chunks embedded beyond those whose text changed',
			values: costs.map(({ chunksEmbedded, chunksChanged }) => Math.abs(chunksEmbedded - chunksChanged)),
			unit: 'chunks',
			limit: { relation: '=', value: 0 },
			note: `${size}; 1 to ${mostChanged} changed`,
		},
		{
			what: 'Save of one function: nodes re-fused / depth of the tree',
			values: costs.map(({ nodesFused, depth }) => nodesFused / depth),
			limit: { relation: '≤', value: 2 },
			note: `${size}; depth ${Math.min(...costs.map(({ depth }) => depth))} to ${Math.max(...costs.map(({ depth }) => depth))}`,
		},
		{
			what: 'Save of one function: time to published view / full build',
			values: costs.map(({ ms }) => ms / built.buildMs),
			limit: { relation: '≤', value: 0.005 },
			note: `${size}, ${STAND_IN}; build ${(built.buildMs / 1000).toFixed(1)} s`,
		},
	];
}

/** Chunks embedded by each of `trials` renamings of the largest top folder, which holds the files of several packages. */
export async function renameFolder(built: IndexedMonorepo, trials: number): Promise<{ files: number; embedded: number[] }> {
	const { folder, repo, index } = built;
	const names = ['packages', 'modules'];
	const files = repo.paths.filter((path) => path.startsWith('packages/')).length;
	const embedded: number[] = [];
	for (let trial = 0; trial < trials; trial++) {
		const [from, to] = trial % 2 === 0 ? names : names.toReversed();
		renameSync(join(folder, from as string), join(folder, to as string));
		embedded.push((await index.request('all', 'watch')).chunksEmbedded);
	}
	if (trials % 2 === 1) {
		renameSync(join(folder, 'modules'), join(folder, 'packages'));
		await index.request('all', 'watch');
	}
	return { files, embedded };
}

async function renames(built: IndexedMonorepo, trials: number): Promise<Bar[]> {
	const { files, embedded } = await renameFolder(built, trials);
	const note = `a folder of ${files.toLocaleString('en')} files`;
	return [
		{
			what: 'Rename of a folder with 1,000 files: chunks embedded',
			values: embedded,
			unit: 'chunks',
			limit: { relation: '=', value: 0 },
			note,
		},
	];
}

export interface SwitchCost {
	embeddedAway: number;
	embeddedBack: number;
}

/** Rewrites the first `files` files to another revision, and back. */
export async function switchBranches(built: IndexedMonorepo, files: number, revision: number): Promise<SwitchCost> {
	const { repo, folder, index } = built;
	const checkOut = async (to: number) => {
		for (let file = 0; file < files; file++) writeFileSync(join(folder, repo.paths[file] as string), repo.text(file, to));
		return (await index.request('all', 'branch')).chunksEmbedded;
	};
	return { embeddedAway: await checkOut(revision), embeddedBack: await checkOut(0) };
}

async function switches(built: IndexedMonorepo, { quick, progress }: BenchContext): Promise<Bar[]> {
	const files = Math.min(quick ? 100 : 1000, built.repo.paths.length);
	const costs: SwitchCost[] = [];
	for (let trial = 0; trial < (quick ? 1 : 5); trial++) {
		costs.push(await switchBranches(built, files, 1000 + trial));
		progress(`branch ${trial + 1}: ${costs.at(-1)?.embeddedAway} chunks embedded, back ${costs.at(-1)?.embeddedBack}`);
	}
	return [
		{
			what: 'Branch switch away and back: chunks embedded by the second switch',
			values: costs.map(({ embeddedBack }) => embeddedBack),
			unit: 'chunks',
			limit: { relation: '=', value: 0 },
			note: `${files.toLocaleString('en')} files differ; the first switch embeds ${costs.at(0)?.embeddedAway.toLocaleString('en')}`,
		},
	];
}

/** Milliseconds and embedded chunks of opening the index anew, until its view has everything. */
export async function startWarm(built: IndexedMonorepo): Promise<{ ms: number; embedded: number }> {
	await built.index.close();
	const started = performance.now();
	built.index = await openDiskIndex(built);
	const { chunksEmbedded } = await built.index.request('all', 'start');
	return { ms: performance.now() - started, embedded: chunksEmbedded };
}

async function warmStarts(built: IndexedMonorepo, trials: number): Promise<Bar[]> {
	const starts: { ms: number; embedded: number }[] = [];
	for (let trial = 0; trial < trials; trial++) starts.push(await startWarm(built));
	const files = built.repo.paths.length.toLocaleString('en');
	return [
		{
			what: 'Warm start of an unchanged workspace, beside the models: share of a cold build',
			values: starts.map(({ ms }) => ms / built.buildMs),
			note: `${files} files, ${STAND_IN}; ${Math.round(Math.min(...starts.map(({ ms }) => ms)))} ms at best`,
		},
		{
			what: 'Warm start of an unchanged workspace: chunks embedded',
			values: starts.map(({ embedded }) => embedded),
			unit: 'chunks',
			limit: { relation: '=', value: 0 },
			note: `${files} files`,
		},
	];
}

export const changes: Measurement = {
	name: 'changes',
	async run(context) {
		const built = await buildMonorepo(context.quick ? 200 : 2040);
		context.progress(
			`built ${built.index.hierarchy.chunkCount} chunks, ${built.index.view.size} nodes in ${(built.buildMs / 1000).toFixed(1)} s`,
		);
		try {
			const trials = context.quick ? 3 : 5;
			return [
				...(await saves(built, context.quick ? 5 : 25)),
				...(await renames(built, trials)),
				...(await switches(built, context)),
				...(await warmStarts(built, trials)),
			];
		} finally {
			await built.remove();
		}
	},
};
