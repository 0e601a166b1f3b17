/**
 * One step of the decoding loop (token embedding, run, KV cache, choice of the token and what confidence is made of) against a
 * bare `session.run` of the same graph on the same length, in turn. The bare one has the number of threads that is faster.
 */

import { neverCancelled } from '../../../server/base/cancellation.ts';
import { silentLogger } from '../../../server/base/logger.ts';
import { decodeGreedily } from '../../../server/completion/decode.ts';
import type { Bundle } from '../../../server/inference/bundle.ts';
import { capacityFor } from '../../../server/inference/kv-cache.ts';
import { createModels } from '../../../server/inference/models.ts';
import { floats, int32s, int64s, type ModelSession, openSession } from '../../../server/inference/session.ts';
import { createRandom } from '../../support/random.ts';
import { type Bar, median } from '../bars.ts';
import type { LatencyContext } from './main.ts';
import { THREADS } from './server-parts.ts';

/** 32 pseudo-tokens and 512 tokens, the paper's prompt. */
export const PROMPT = 544;
/** Of the KV cache for that many, as the server grows it. */
export const CAPACITY = 1024;
const STEPS = 12;
/** Rounds before those that count: as many as the JavaScript engine takes to compile what runs in every step. */
const WARM_UP = 25;

export async function decodeStepBars({ bundle, quick }: LatencyContext): Promise<Bar[]> {
	const { pipeline, bare } = await decodeSteps(bundle, quick ? 5 : 100);
	const { step, run, threads, slower } = { step: median(pipeline), ...fastest(bare) };
	return [
		{
			what: 'Decode step / bare session.run of the same graph and length',
			values: [step / run],
			limit: { relation: '≤', value: 1.15 },
			note: `${step.toFixed(2)} / ${run.toFixed(2)} ms behind ${PROMPT} positions; the bare run with ${threads} of ${THREADS} threads, otherwise ${slower.toFixed(2)} ms; the generator without the copy model, ${pipeline.length} times ${STEPS} steps each, in turn`,
		},
	];
}

/** Median milliseconds of one bare decode step. */
export async function decodeStepMs(bundle: Bundle): Promise<number> {
	return fastest((await decodeSteps(bundle, 5)).bare).run;
}

interface Steps {
	/** Milliseconds of a step in each round of {@link STEPS}. */
	pipeline: number[];
	/** By the number of threads. */
	bare: Map<number, number[]>;
}

/** Medians of the fastest and of the slowest number of threads. */
function fastest(bare: Steps['bare']): { run: number; threads: number; slower: number } {
	const medians = [...bare].map(([threads, ms]) => ({ threads, run: median(ms) })).sort((a, b) => a.run - b.run);
	return { ...(medians[0] as (typeof medians)[number]), slower: medians.at(-1)?.run ?? 0 };
}

async function decodeSteps(bundle: Bundle, rounds: number): Promise<Steps> {
	const models = await createModels(bundle, { executionProvider: 'cpu', threads: THREADS, logger: silentLogger });
	const generator = await models.generator();
	const path = bundle.path(bundle.manifest.generator.file);
	const sessions = await Promise.all([1, THREADS].map((threads) => openSession({ path, provider: 'cpu', threads })));
	const bareRuns = sessions.map((session) => bareRun({ session, bundle, nPast: PROMPT, nNew: 1 }));
	const random = createRandom(1);
	const ids = Array.from({ length: PROMPT }, () => 300 + random.below(bundle.manifest.tokenizer.vocabSize - 300));
	const pipeline: number[] = [];
	const bare: Steps['bare'] = new Map([1, THREADS].map((threads) => [threads, []]));
	for (let round = -WARM_UP; round < rounds; round++) {
		const prefilled = await generator.prefill([{ kind: 'tokens', ids }], neverCancelled);
		if (!prefilled) throw new Error('a prefill that nothing cancels has logits');
		const started = performance.now();
		const { nTokens } = await decodeGreedily({
			// Every round is equally long: nothing ends it but the number of tokens.
			...{ generator: { ...generator, stopTokens: new Set() }, stop: () => undefined, timeBudgetMs: Number.POSITIVE_INFINITY },
			...{ tokenizer: models.tokenizer, logits: prefilled.logits, positions: PROMPT, forced: '', maxNewTokens: STEPS + 1 },
			...{ cancellation: neverCancelled, now: () => performance.now() },
		});
		if (round >= 0) pipeline.push((performance.now() - started) / (nTokens - 1));
		for (const [i, times] of [...bare.values()].entries()) {
			const bareStarted = performance.now();
			for (let step = 0; step < STEPS; step++) await bareRuns[i]?.();
			if (round >= 0) times.push((performance.now() - bareStarted) / STEPS);
		}
	}
	await Promise.all(sessions.map((session) => session.dispose()));
	await models.dispose();
	return { pipeline, bare };
}

export interface BareRunOptions {
	session: ModelSession;
	bundle: Bundle;
	/** Positions in the KV cache. */
	nPast: number;
	nNew: number;
}

/** One run of the generator's file with inputs that are made once: what the runtime itself takes. */
export function bareRun({ session, bundle, nPast, nNew }: BareRunOptions): () => Promise<unknown> {
	const { hiddenSize, layers, kvHeads, headDim, maxPositions } = bundle.manifest.generator;
	// As the server's KV cache has it.
	const capacity = capacityFor(nPast, maxPositions);
	const shape = [1, kvHeads, capacity, headDim];
	const names = Array.from({ length: layers }, (_, layer) => [`past_key_${layer}`, `past_value_${layer}`]).flat();
	const feeds = {
		inputs_embeds: floats(
			new Float32Array(nNew * hiddenSize).map((_, i) => 0.5 * Math.sin(1.7 * i)),
			[1, nNew, hiddenSize],
		),
		seqlens_k: int32s([nPast + nNew - 1], [1]),
		total_length: int32s([nPast + nNew], []),
		logits_from: int64s([nNew - 1], [1]),
		...Object.fromEntries(names.map((name) => [name, floats(new Float32Array(kvHeads * capacity * headDim), shape)])),
	};
	return () => session.run(feeds);
}
