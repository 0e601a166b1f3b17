/**
 * The paper's size: a bundle of the 0.5 B shape with random weights (models/training, step `random-bundle`) behind the same
 * services. Keystrokes with KV reuse against bare runs of the same graph: one for the new positions, one for each token.
 */
import { statSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import type { TokenCounts } from 'hef-shared';
import type { CompletionClient } from '../../../server/completion/client.ts';
import { type Bundle, loadBundle } from '../../../server/inference/bundle.ts';
import { openSession } from '../../../server/inference/session.ts';
import { type Bar, median } from '../bars.ts';
import type { Cursor } from './cursors.ts';
import { bareRun, PROMPT } from './decode-step.ts';
import type { LatencyContext } from './main.ts';
import { residentMb } from './memory.ts';
import { built, requestAt, THREADS } from './server-parts.ts';

/** A line as the floor is stated for. */
const TOKENS = 12;
/** Behind each keystroke. */
const BARE_RUNS = 5;

export async function largeBundleBars(context: LatencyContext): Promise<Bar[]> {
	const { large } = context.arguments;
	if (!large) {
		context.progress('left out: --large names no bundle of the 0.5 B shape');
		return [];
	}
	const bundle = await loadBundle(resolve(large));
	const [cursor] = context.cursors({ quick: 1, full: 1 });
	const { typed, cold, addedMb } = await typeWith(bundle, cursor as Cursor, context.quick ? 3 : 16);
	const name = `${basename(bundle.folder)}, ${bundle.manifest.generator.precision}`;
	const p50 = (value: (keystroke: Keystroke) => number) => median(typed.map(value));
	return [
		{
			what: `0.5 B shape, ${TOKENS} tokens with KV reuse / floor of the bare runtime`,
			values: typed.map((keystroke) => lineMs(keystroke) / floorMs(keystroke)),
			limit: { relation: '≤', value: 1.5 },
			note: `${name}: ${p50(lineMs).toFixed(0)} / ${p50(floorMs).toFixed(0)} ms; a bare step ${p50(({ bareStepMs }) => bareStepMs).toFixed(1)} ms; ${p50(({ newPositions }) => newPositions)} new positions a keystroke`,
		},
		{
			what: '0.5 B shape, first request in a file',
			values: [cold.ms - cold.decodeMs],
			unit: 'ms',
			note: `${name}: ${cold.newPositions} positions read, decoding left out`,
		},
		{
			what: '0.5 B shape, resident memory that the models add / size of their files',
			values: [addedMb / filesMb(bundle)],
			note: `${name}: ${Math.round(addedMb)} MB for ${Math.round(filesMb(bundle))} MB of files`,
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
	return ms - decodeMs + (decodeMs / tokens) * TOKENS;
}

function floorMs({ bareReadMs, bareStepMs }: Keystroke): number {
	return bareReadMs + TOKENS * bareStepMs;
}

interface TypedLine {
	/** Keystrokes whose answers ran the model, each with bare runs right behind it. */
	typed: Keystroke[];
	cold: Answer;
	/** What the models added to the resident memory. */
	addedMb: number;
}

async function typeWith(bundle: Bundle, { gold, ...place }: Cursor, keystrokes: number): Promise<TypedLine> {
	const before = residentMb();
	const client = await startCompletion(bundle);
	try {
		await client.warmUp();
		const ask = async (n: number): Promise<Answer> => {
			const text = place.text.slice(0, place.offset) + gold.slice(0, n) + place.text.slice(place.offset);
			const started = performance.now();
			const report = await client.complete(requestAt({ ...place, text, offset: place.offset + n }, 'hef', 'bench:large'));
			if (!report) throw new Error('a request that nothing cancels has an answer');
			const { tokens, timingsMs } = report;
			return { ms: performance.now() - started, decodeMs: timingsMs.decode, tokens: tokens.generated, newPositions: newPositions(tokens) };
		};
		const cold = await ask(0);
		const addedMb = residentMb() - before;
		const bare = await bareRuntime(bundle);
		const typed: Keystroke[] = [];
		for (let n = 1; n <= Math.min(keystrokes, gold.length); n++) {
			const answer = await ask(n);
			if (answer.tokens > 0) typed.push({ ...answer, bareReadMs: await bare.ms(answer.newPositions), bareStepMs: await bare.ms(1) });
		}
		await bare.dispose();
		return { typed, cold, addedMb };
	} finally {
		await client.dispose();
	}
}

async function startCompletion(bundle: Bundle): Promise<CompletionClient> {
	const { createCompletionClient } = await built<typeof import('../../../server/completion/client.ts')>('completion/client');
	const { ActivityGate } = await built<typeof import('../../../server/base/cancellation.ts')>('base/cancellation');
	const { silentLogger } = await built<typeof import('../../../server/base/logger.ts')>('base/logger');
	const gate = new ActivityGate().buffer;
	return createCompletionClient({
		bundleFolder: bundle.folder,
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
		/** Median milliseconds of reading so many positions at the end of {@link PROMPT}. */
		async ms(nNew: number): Promise<number> {
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

function filesMb(bundle: Bundle): number {
	return Object.keys(bundle.manifest.files).reduce((sum, name) => sum + statSync(bundle.path(name)).size, 0) / 1e6;
}
