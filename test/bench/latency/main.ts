/** The bars of latency: keystrokes, modes, scale, decoding, cancellation, start, memory. Draws them where `--plot` says. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type Bundle, loadBundle } from '../../../server/inference/bundle.ts';
import { shippedBundleFolder } from '../../support/tiny-bundle.ts';
import { type Bar, type BenchContext, type Measurement, runSuite } from '../bars.ts';
import { type Cursor, realCursors } from './cursors.ts';
import { decodeStepBars, decodeStepMs } from './decode-step.ts';
import { cancellationBars, eventLoopBars, startBars } from './language-server.ts';
import { largeBundleBars } from './large-bundle.ts';
import { memoryBars } from './memory.ts';
import { type NodeScaleFigure, nodeScaleBars } from './node-scale.ts';
import { plot } from './plot.ts';
import { type ReplayFigures, replayBars } from './replay.ts';

const ARGUMENTS = {
	repos: 'folder of repositories; without it, this repository',
	data: 'benchmark file whose cursors are taken (with --repos)',
	large: 'folders of bundles of the 0.5 B shape, with commas between',
	cache: 'folder that keeps indexes for the next run',
	plot: 'SVG file to draw',
};

/** What the plot shows; written to the JSON too. */
interface Figures {
	replay?: ReplayFigures;
	byNodes?: NodeScaleFigure[];
}

export interface LatencyContext extends BenchContext {
	bundle: Bundle;
	/** Of indexes and synthetic stores. */
	cacheFolder: string;
	figures: Figures;
	/** Real cursors, the same ones in every measurement. */
	cursors(sizes: { quick: number; full: number }): Cursor[];
	/** Milliseconds of one bare decode step of the default bundle, measured once. */
	decodeStepMs(): Promise<number>;
}

const figures: Figures = {};
const bundle = await loadBundle(shippedBundleFolder);
let temporaryCache: string | undefined;
let stepMs: Promise<number> | undefined;

function latencyContext(context: BenchContext): LatencyContext {
	const { repos, data, cache } = context.arguments;
	if (!cache) temporaryCache ??= mkdtempSync(join(tmpdir(), 'hef-latency-cache-'));
	return {
		...context,
		bundle,
		cacheFolder: cache ? resolve(cache) : (temporaryCache as string),
		figures,
		cursors: ({ quick, full }) => realCursors({ repos, data, count: context.quick ? quick : full, repositories: context.quick ? 1 : 8 }),
		decodeStepMs() {
			stepMs ??= decodeStepMs(bundle);
			return stepMs;
		},
	};
}

function measurement(name: string, bars: (context: LatencyContext) => Promise<Bar[]>): Measurement {
	return { name, run: (context) => bars(latencyContext(context)) };
}

await runSuite(
	'latency',
	[
		measurement('replay', replayBars),
		measurement('nodes', nodeScaleBars),
		measurement('decode', decodeStepBars),
		measurement('cancel', cancellationBars),
		measurement('event-loop', eventLoopBars),
		measurement('start', startBars),
		measurement('memory', memoryBars),
		measurement('large', largeBundleBars),
	],
	{
		arguments: ARGUMENTS,
		details: () => figures,
		finish({ plot: plotFile }) {
			if (temporaryCache) rmSync(temporaryCache, { recursive: true, force: true });
			if (!plotFile) return;
			if (figures.replay && figures.byNodes) writeFileSync(plotFile, plot(figures.replay, figures.byNodes));
			else console.error(`${plotFile} is not drawn: it shows the measurements replay and nodes`);
		},
	},
);
