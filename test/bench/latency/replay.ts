/**
 * Cold requests in every mode, and lines typed keystroke by keystroke, through the server's own services. What is timed is
 * the way from the request to its answer on the calling thread, messages between threads included.
 */
import type { CompletionReport, ContextMode, LatencyReport, TokenCounts } from 'hef-shared';
import { summarize } from '../../../server/completion/metrics.ts';
import type { CompletionRequest } from '../../../server/completion/types.ts';
import type { Services } from '../../../server/services.ts';
import type { Bar } from '../bars.ts';
import type { Cursor } from './cursors.ts';
import type { LatencyContext } from './main.ts';
import { ranGenerator, requestAt, startServices, wasDecoded } from './server-parts.ts';

const STAGES = ['tokenize', 'embed', 'retrieve', 'project', 'prefill', 'decode'] as const;
const MODES = ['none', 'snippets', 'hef'] as const satisfies readonly ContextMode[];
/** Cursors that only warm up. */
const WARM_UP = 3;
/** Keystrokes of a line at most. */
const LONGEST_LINE = 48;
/** Between two keystrokes; a fast typist needs four times as long. */
const PAUSE_MS = 30;

interface Sample {
	ms: number;
	report: CompletionReport;
}

/** Requests of one kind. */
export interface Requests {
	ms: LatencyReport;
	ttftMs: LatencyReport;
	/** Median milliseconds of each stage. */
	stages: Record<(typeof STAGES)[number], number>;
	/** Share of the prompts' positions that came from the KV cache. */
	kvReuse: number;
	/** Medians. */
	newPositions: number;
	tokensGenerated: number;
}

export interface ReplayFigures {
	cursors: number;
	keystrokes: number;
	cold: Record<(typeof MODES)[number], Requests>;
	reused: Requests;
	/** Decoded from what was read for the keystrokes before. */
	kept: LatencyReport;
	/** Answered from what was suggested before. */
	typedThrough: LatencyReport;
}

export async function replayBars(context: LatencyContext): Promise<Bar[]> {
	const cursors = context.cursors({ quick: 6, full: 96 });
	const figures = await replay(cursors, context);
	context.figures.replay = figures;
	const { cold, reused, kept, typedThrough, keystrokes } = figures;
	const places = `${cursors.length} cursors in ${new Set(cursors.map(({ folder }) => folder)).size} repositories`;
	const p50 = (requests: Requests) => requests.ms.p50;
	const ratio = (a: number, b: number) => [a / b];
	const ms = (value: number) => `${value.toFixed(1)} ms`;
	const reuse = `${Math.round(100 * reused.kvReuse)} % of positions from the KV cache`;
	return [
		{
			what: 'Keystroke to answer, p50: with KV reuse / cold',
			values: ratio(p50(reused), p50(cold.hef)),
			limit: { relation: '≤', value: 0.35 },
			note: `${ms(p50(reused))} / ${ms(p50(cold.hef))}; ${places}, ${reused.ms.n} of ${keystrokes} keystrokes ran the generator, ${reuse}; ${kept.n} others were decoded from what it had read before, p50 ${ms(kept.p50)}`,
		},
		{
			what: 'Keystroke to answer with KV reuse: p95 / p50',
			values: ratio(reused.ms.p95, p50(reused)),
			limit: { relation: '≤', value: 2 },
			note: `${ms(reused.ms.p95)} / ${ms(p50(reused))}`,
		},
		{
			what: 'Typed-through hit, p95',
			values: [typedThrough.p95],
			unit: 'ms',
			limit: { relation: '<', value: 5 },
			note: `p50 ${typedThrough.p50.toFixed(2)} ms; ${typedThrough.n} of ${keystrokes} keystrokes were answered from what was suggested before`,
		},
		{
			what: 'Cold, p50: hef / none',
			values: ratio(p50(cold.hef), p50(cold.none)),
			limit: { relation: '≤', value: 1.15 },
			note: `${ms(p50(cold.hef))} / ${ms(p50(cold.none))}; ${places}`,
		},
		{
			what: 'Cold time to first token, p50: hef / snippets',
			values: ratio(cold.hef.ttftMs.p50, cold.snippets.ttftMs.p50),
			limit: { relation: '≤', value: 0.62 },
			note: `${ms(cold.hef.ttftMs.p50)} / ${ms(cold.snippets.ttftMs.p50)}; prompts of ${cold.hef.newPositions} and ${cold.snippets.newPositions} positions, medians`,
		},
	];
}

async function replay(cursors: readonly Cursor[], { bundle, cacheFolder, progress }: LatencyContext): Promise<ReplayFigures> {
	const services = await startServices({ bundle, cacheFolder });
	try {
		for (const folder of new Set(cursors.map((cursor) => cursor.folder))) {
			progress(`indexing ${folder}`);
			await services.openFolder(folder, { watch: false, exclude: [] });
		}
		await services.settled();
		await services.warmUp();
		for (const cursor of cursors.slice(0, WARM_UP)) await coldRequests(services, cursor, 'warm-up', MODES);
		progress(`cold requests at ${cursors.length} cursors`);
		const cold: (Sample & { mode: ContextMode })[] = [];
		for (const [i, cursor] of cursors.entries()) cold.push(...(await coldRequests(services, cursor, `cold-${i}`, rotated(MODES, i))));
		progress('keystrokes');
		const typed: Sample[] = [];
		for (const [i, cursor] of cursors.entries()) typed.push(...(await typeLine(services, cursor, `typed-${i}`)));
		return describe(cursors.length, cold, typed);
	} finally {
		await services.dispose();
	}
}

/** One request a mode, each in a document that was never seen: nothing is held and no prompt is shared. */
async function coldRequests(services: Services, cursor: Cursor, name: string, modes: readonly ContextMode[]) {
	const samples: (Sample & { mode: ContextMode })[] = [];
	for (const mode of modes) {
		const request = { ...requestAt(cursor, mode, `bench:${name}/${mode}`), fresh: true };
		samples.push({ mode, ...(await timed(services, request)) });
	}
	return samples;
}

/** Types the line: a request after every character, each answered before the next is typed. */
async function typeLine(services: Services, { gold, ...place }: Cursor, name: string): Promise<Sample[]> {
	const uri = `bench:${name}`;
	await timed(services, requestAt(place, 'hef', uri));
	const samples: Sample[] = [];
	for (let n = 1; n <= Math.min(gold.length, LONGEST_LINE); n++) {
		await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
		const text = place.text.slice(0, place.offset) + gold.slice(0, n) + place.text.slice(place.offset);
		samples.push(await timed(services, requestAt({ ...place, text, offset: place.offset + n }, 'hef', uri)));
	}
	services.forget(uri);
	return samples;
}

async function timed(services: Services, request: CompletionRequest): Promise<Sample> {
	const started = performance.now();
	const report = await services.complete(request);
	if (!report) throw new Error('a request that nothing cancels has an answer');
	return { ms: performance.now() - started, report };
}

function describe(cursors: number, cold: readonly (Sample & { mode: ContextMode })[], typed: readonly Sample[]): ReplayFigures {
	const inMode = (mode: ContextMode) => describeRequests(cold.filter((sample) => sample.mode === mode && ranGenerator(sample.report)));
	const refused = ['middleOfLine', 'inComment'];
	const through = typed.filter(({ report }) => !wasDecoded(report) && !refused.includes(report.suppressed ?? ''));
	return {
		cursors,
		keystrokes: typed.length,
		cold: { none: inMode('none'), snippets: inMode('snippets'), hef: inMode('hef') },
		reused: describeRequests(typed.filter(({ report }) => ranGenerator(report))),
		kept: summarize(typed.filter(({ report }) => wasDecoded(report) && !ranGenerator(report)).map(({ ms }) => ms)),
		typedThrough: summarize(through.map(({ ms }) => ms)),
	};
}

function describeRequests(samples: readonly Sample[]): Requests {
	const p50 = (value: (report: CompletionReport) => number) => summarize(samples.map(({ report }) => value(report))).p50;
	const total = (value: (tokens: TokenCounts) => number) => samples.reduce((sum, { report }) => sum + value(report.tokens), 0);
	const stages = STAGES.map((stage) => [stage, p50(({ timingsMs }) => timingsMs[stage])]);
	return {
		ms: summarize(samples.map(({ ms }) => ms)),
		ttftMs: summarize(samples.map(({ ms, report }) => ms - report.timingsMs.decode)),
		stages: Object.fromEntries(stages) as Requests['stages'],
		kvReuse: total(({ reused = 0 }) => reused) / Math.max(1, total(positions)),
		newPositions: p50(({ tokens }) => positions(tokens) - (tokens.reused ?? 0)),
		tokensGenerated: p50(({ tokens }) => tokens.generated),
	};
}

function positions({ pseudo, entities, snippets = 0, suffix, prefix }: TokenCounts): number {
	return pseudo + entities + snippets + suffix + prefix;
}

function rotated<T>(items: readonly T[], by: number): T[] {
	return items.map((_, i) => items[(i + by) % items.length] as T);
}
