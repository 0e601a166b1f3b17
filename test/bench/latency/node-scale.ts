/**
 * Cold latency against the number of nodes: the same cursors in synthetic workspaces of growing size, all open in one
 * completion worker and asked in turn, so that whatever else the machine does hits all sizes alike.
 */
import type { CompletionReport, LatencyReport } from 'hef-shared';
import type { CompletionClient } from '../../../server/completion/client.ts';
import { summarize } from '../../../server/completion/metrics.ts';
import type { Bar } from '../bars.ts';
import type { Cursor } from './cursors.ts';
import type { LatencyContext } from './main.ts';
import { built, requestAt, startServices, THREADS } from './server-parts.ts';
import { type SyntheticWorkspace, storedVectors, syntheticWorkspace } from './synthetic-store.ts';

const REAL_VECTORS = 2000;
const ROUNDS = 2;

export interface NodeScaleFigure {
	nodes: number;
	ms: LatencyReport;
	/** Median of the search and the choice of entity names. */
	retrieveMs: number;
}

interface Measured extends SyntheticWorkspace {
	samples: { ms: number; report: CompletionReport }[];
}

export async function nodeScaleBars(context: LatencyContext): Promise<Bar[]> {
	const cursors = context.cursors({ quick: 6, full: 40 });
	const sizes = context.quick ? [1000, 3000] : [1000, 3000, 10_000, 30_000, 100_000];
	const figures = await latencyByNodes(cursors, sizes, context);
	context.figures.byNodes = figures;
	const [fewest, most] = [figures[0] as NodeScaleFigure, figures.at(-1) as NodeScaleFigure];
	const show = ({ nodes, ms, retrieveMs }: NodeScaleFigure) =>
		`${ms.p50.toFixed(1)} ms at ${nodes.toLocaleString('en')} (retrieval ${retrieveMs.toFixed(1)})`;
	return [
		{
			what: 'Cold, p50: 100,000 nodes / 1,000 nodes',
			values: [most.ms.p50 / fewest.ms.p50],
			limit: { relation: '≤', value: 1.1 },
			note: `${show(most)} / ${show(fewest)}; synthetic stores around real vectors, ${most.ms.n} requests each, in turn`,
		},
	];
}

async function latencyByNodes(cursors: readonly Cursor[], sizes: readonly number[], context: LatencyContext): Promise<NodeScaleFigure[]> {
	const { bundle, cacheFolder, progress } = context;
	const around = await realVectors(cursors[0] as Cursor, context);
	const client = await completionClient(context);
	try {
		const workspaces: Measured[] = [];
		for (const nNodes of sizes) {
			progress(`a workspace of ${nNodes} nodes`);
			const workspace = await syntheticWorkspace({ bundle, cacheFolder, nNodes, around });
			await client.openFolder(workspace);
			await client.settled();
			workspaces.push({ ...workspace, samples: [] });
		}
		await client.warmUp();
		progress(`requests at ${cursors.length} cursors`);
		for (let round = -1; round < ROUNDS; round++) await askAll(client, workspaces, cursors, round);
		return workspaces.map(describe);
	} finally {
		await client.dispose();
	}
}

async function realVectors({ folder }: Cursor, { bundle, cacheFolder }: LatencyContext): Promise<Float32Array[]> {
	const services = await startServices({ bundle, cacheFolder });
	await services.openFolder(folder, { watch: false, exclude: [] });
	await services.dispose();
	return storedVectors({ bundle, cacheFolder, folder, most: REAL_VECTORS });
}

/** The completion worker alone: nothing compares the empty folders with their full stores. */
async function completionClient({ bundle }: LatencyContext): Promise<CompletionClient> {
	const { createCompletionClient } = await built<typeof import('../../../server/completion/client.ts')>('completion/client');
	const { ActivityGate } = await built<typeof import('../../../server/base/cancellation.ts')>('base/cancellation');
	const { silentLogger } = await built<typeof import('../../../server/base/logger.ts')>('base/logger');
	return createCompletionClient({
		bundle: { folder: bundle.folder, manifest: bundle.manifest },
		executionProvider: 'cpu',
		threads: THREADS,
		copy: true,
		gate: new ActivityGate().buffer,
		logger: silentLogger,
	});
}

/** The first round, −1, only warms up. */
async function askAll(client: CompletionClient, workspaces: readonly Measured[], cursors: readonly Cursor[], round: number) {
	for (const [i, { path, text, offset }] of cursors.entries()) {
		for (let n = 0; n < workspaces.length; n++) {
			const { folder, samples } = workspaces[(n + i) % workspaces.length] as Measured;
			const request = requestAt({ folder, path, text, offset }, 'hef', `bench:nodes/${folder}/${i}/${round}`);
			const started = performance.now();
			const report = await client.complete({ ...request, fresh: true });
			if (!report || report.nodes.length === 0) throw new Error(`nothing was retrieved in ${folder}`);
			if (round >= 0) samples.push({ ms: performance.now() - started, report });
		}
	}
}

function describe({ nNodes, samples }: Measured): NodeScaleFigure {
	const retrieveMs = summarize(samples.map(({ report }) => report.timingsMs.retrieve)).p50;
	return { nodes: nNodes, ms: summarize(samples.map(({ ms }) => ms)), retrieveMs };
}
