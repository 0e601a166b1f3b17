/**
 * The paper's size: a bundle of the 0.5 B shape with random weights (models/training, step `random-bundle`) behind the same
 * services. Keystrokes with KV reuse against bare runs of the same graph: one for the new positions, one for each token.
 */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { TokenCounts } from 'hef-shared';
import type { CompletionClient } from '../../../server/completion/client.ts';
import { type Bundle, loadBundle } from '../../../server/inference/bundle.ts';
import { openSession } from '../../../server/inference/session.ts';
import { type Bar, median } from '../bars.ts';
import type { Cursor } from './cursors.ts';
import { bareRun, PROMPT } from './decode-step.ts';
import type { LatencyContext } from './main.ts';
import { type Resident, resident } from './memory.ts';
import { built, requestAt, THREADS } from './server-parts.ts';

/** A line as the floor is stated for. */
const TOKENS = 12;
/** UTF-16 units before the cursor that fill the prefix window. */
const LONG_PREFIX = 6000;
/** Tokens of an answer from which the time of a step is told. */
const FEWEST_TOKENS = 4;
/** Where a bundle of this shape keeps the generator's weights. */
const WEIGHTS = 'weights.bin';
/** A keystroke that reads more has read the text after the cursor again. */
const FEW_POSITIONS = 8;
/** Behind each keystroke. */
const BARE_RUNS = 5;

export async function largeBundleBars(context: LatencyContext): Promise<Bar[]> {
	const { large } = context.arguments;
	if (!large) {
		context.progress('left out: --large names no bundle of the 0.5 B shape');
		return [];
	}
	const cursors = context.cursors({ quick: 6, full: 96 });
	const cursor = cursors.find(({ offset }) => offset >= LONG_PREFIX) ?? cursors[0];
	const bars: Bar[] = [];
	for (const folder of large.split(',')) bars.push(...(await barsOf(await loadBundle(resolve(folder)), cursor as Cursor, context)));
	return bars;
}

async function barsOf(bundle: Bundle, cursor: Cursor, { quick }: LatencyContext): Promise<Bar[]> {
	const { typed, cold, added, keptMb } = await typeWith(bundle, cursor, quick ? 3 : 16);
	const { generator, prompt } = bundle.manifest;
	const name = `0.5 B shape, ${generator.precision}${prompt.order === 'psm' ? ', psm' : ''}`;
	const p50 = (value: (keystroke: Keystroke) => number) => median(typed.map(value));
	const ms = (value: (keystroke: Keystroke) => number) => `${p50(value).toFixed(1)} ms`;
	const weightsMb = sizeMb(bundle, [bundle.manifest.generator.file, WEIGHTS]);
	const gbPerSecond = (stepMs: number) => `${(weightsMb / stepMs).toFixed(1)} GB/s`;
	return [
		{
			what: `${name}: ${TOKENS} tokens with KV reuse / floor of the bare runtime`,
			values: typed.map((keystroke) => lineMs(keystroke) / floorMs(keystroke)),
			limit: { relation: '≤', value: 1.5 },
			note: `${ms(lineMs)} / ${ms(floorMs)}; ${p50(({ newPositions }) => newPositions)} new positions a keystroke`,
		},
		...wordBars(name, typed),
		{
			what: `${name}: decoding`,
			values: typed.map((keystroke) => 1000 / stepMs(keystroke)),
			unit: 'tokens/s',
			note: `${ms(stepMs)} a token, the bare runtime ${ms(({ bareStepMs }) => bareStepMs)}; ${weightsMb.toFixed(0)} MB of weights are read for each: ${gbPerSecond(p50(stepMs))}`,
		},
		{
			what: `${name}: time to the first token of the first request in a file`,
			values: [cold.ms - cold.decodeMs],
			unit: 'ms',
			note: `${cold.newPositions} positions read`,
		},
		{
			what: `${name}: resident memory that the models add / size of their files`,
			values: [added.allMb / sizeMb(bundle)],
			note: `${Math.round(added.allMb)} MB, ${Math.round(added.ownMb)} of them no mapped files, for ${Math.round(sizeMb(bundle))} MB of files; ${Math.round(keptMb)} MB stay when the models are unloaded`,
		},
	];
}

/** Of order `psm`, what it costs that the suffix is read again: with the first key behind a word, not inside one. */
function wordBars(name: string, typed: readonly Keystroke[]): Bar[] {
	const begun = typed.filter(({ newPositions }) => newPositions > FEW_POSITIONS);
	const inside = typed.filter(({ newPositions }) => newPositions <= FEW_POSITIONS);
	if (begun.length === 0 || inside.length === 0) return [];
	const [more, less] = [median(begun.map(lineMs)), median(inside.map(lineMs))];
	const positions = median(begun.map(({ newPositions }) => newPositions));
	return [
		{
			what: `${name}: ${TOKENS} tokens, keystroke behind a word / inside one`,
			values: [more / less],
			note: `${more.toFixed(0)} / ${less.toFixed(0)} ms; ${positions} new positions behind a word; ${begun.length} and ${inside.length} keystrokes`,
		},
	];
}

/** One answer of the server's. */
interface Answer {
	ms: number;
	decodeMs: number;
	tokens: number;
	newPositions: number;
}

interface Keystroke extends Answer {
	/** A bare run that reads as many new positions. */
	bareReadMs: number;
	/** A bare run of one token. */
	bareStepMs: number;
}

/** Milliseconds if the answer had {@link TOKENS} tokens: random weights never stop by themselves. */
function lineMs({ ms, decodeMs, tokens }: Answer): number {
	return ms - decodeMs + stepMs({ decodeMs, tokens }) * (TOKENS - 1);
}

/** The first token comes from reading the prompt and takes no step. */
function stepMs({ decodeMs, tokens }: Pick<Answer, 'decodeMs' | 'tokens'>): number {
	return decodeMs / (tokens - 1);
}

function floorMs({ bareReadMs, bareStepMs }: Keystroke): number {
	return bareReadMs + (TOKENS - 1) * bareStepMs;
}

interface TypedLine {
	/** Keystrokes whose answers ran the model, each with bare runs right behind it. */
	typed: Keystroke[];
	cold: Answer;
	/** What the models added to the resident memory. */
	added: Resident;
	/** What of it stayed after they were unloaded. */
	keptMb: number;
}

async function typeWith(bundle: Bundle, { gold, ...place }: Cursor, keystrokes: number): Promise<TypedLine> {
	const before = resident();
	const client = await startCompletion(bundle);
	let typedLine: Omit<TypedLine, 'keptMb'>;
	try {
		await client.warmUp();
		const ask = async (n: number): Promise<Answer> => {
			const text = place.text.slice(0, place.offset) + gold.slice(0, n) + place.text.slice(place.offset);
			const started = performance.now();
			const request = requestAt({ ...place, text, offset: place.offset + n }, 'hef', 'bench:large');
			// Asked for by hand, so that nothing stops it but the end of a line: what random weights write is never worth showing.
			// Each token takes a step, also where an earlier keystroke's answer had it.
			const report = await client.complete({ ...request, explicit: true, multiLine: 'never', without: ['known'] });
			if (!report) throw new Error('a request that nothing cancels has an answer');
			const { tokens, timingsMs } = report;
			return { ms: performance.now() - started, decodeMs: timingsMs.decode, tokens: tokens.generated, newPositions: newPositions(tokens) };
		};
		const cold = await ask(0);
		const { allMb, ownMb } = resident();
		const added = { allMb: allMb - before.allMb, ownMb: ownMb - before.ownMb };
		const bare = await bareRuntime(bundle);
		const typed: Keystroke[] = [];
		for (let n = 1; n <= Math.min(keystrokes, gold.length); n++) {
			const answer = await ask(n);
			if (answer.tokens >= FEWEST_TOKENS)
				typed.push({ ...answer, bareReadMs: await bare.ms(answer.newPositions), bareStepMs: await bare.ms(1) });
		}
		await bare.dispose();
		typedLine = { typed, cold, added };
	} finally {
		await client.dispose();
	}
	return { ...typedLine, keptMb: resident().allMb - before.allMb };
}

async function startCompletion(bundle: Bundle): Promise<CompletionClient> {
	const { createCompletionClient } = await built<typeof import('../../../server/completion/client.ts')>('completion/client');
	const { ActivityGate } = await built<typeof import('../../../server/base/cancellation.ts')>('base/cancellation');
	const { silentLogger } = await built<typeof import('../../../server/base/logger.ts')>('base/logger');
	const gate = new ActivityGate().buffer;
	return createCompletionClient({
		bundle: { folder: bundle.folder, manifest: bundle.manifest },
		executionProvider: 'cpu',
		threads: THREADS,
		gate,
		copy: false,
		logger: silentLogger,
	});
}

function newPositions({ pseudo, entities, snippets = 0, suffix, prefix, reused = 0 }: TokenCounts): number {
	return pseudo + entities + snippets + suffix + prefix - reused;
}

/** The generator's file without the server. */
async function bareRuntime(bundle: Bundle) {
	const session = await openSession({ path: bundle.path(bundle.manifest.generator.file), provider: 'cpu', threads: THREADS });
	return {
		/** Median milliseconds of reading so many positions at the end of {@link PROMPT}; 0 for none. */
		async ms(nNew: number): Promise<number> {
			if (nNew === 0) return 0;
			const run = bareRun({ session, bundle, nPast: PROMPT - nNew, nNew });
			const samples: number[] = [];
			for (let i = 0; i <= BARE_RUNS; i++) {
				const started = performance.now();
				await run();
				if (i > 0) samples.push(performance.now() - started);
			}
			return median(samples);
		},
		dispose: () => session.dispose(),
	};
}

/** Of the named files, those that the bundle has; of all of them without names. */
function sizeMb(bundle: Bundle, names = Object.keys(bundle.manifest.files)): number {
	const present = names.filter((name) => name in bundle.manifest.files);
	return present.reduce((sum, name) => sum + statSync(bundle.path(name)).size, 0) / 1e6;
}
