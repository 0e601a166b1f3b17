/**
 * A program: runs a short generation on one execution provider and on the CPU, and prints a {@link ProbeResult} as its last
 * line. Nothing else is in this process, so it may crash.
 */
import { neverCancelled } from '../base/cancellation.ts';
import { invariant } from '../base/errors.ts';
import type { ProbeResult } from './execution-providers.ts';
import { createGenerator } from './generator.ts';
import type { ProbeTask } from './probe.ts';
import { openSession, type ProviderName, pieceSizeOn } from './session.ts';
import { createTokenEmbedding } from './token-embedding.ts';

const PROMPT_LENGTH = 48;
const NEW_TOKENS = 8;
/**
 * Of two providers' logits. 8-bit kernels round activations each in its own way, which leaves 0.999 in a trained model and 0.93
 * in one of random weights; wrong kernels leave next to nothing.
 */
const LEAST_COSINE = 0.9;

interface Run {
	/** Logits after the prompt and after each token. */
	logits: Float32Array[];
	ms: number;
}

async function generate(task: ProbeTask, provider: ProviderName): Promise<Run> {
	const { threads, generator: entry } = task;
	const session = await openSession({ path: task.generatorPath, provider, threads });
	const tokenEmbedding = createTokenEmbedding(await openSession({ path: task.tokenEmbeddingPath, provider: 'cpu', threads }));
	const tokens = Array.from({ length: PROMPT_LENGTH + NEW_TOKENS }, (_, i) => (i * 7919 + 31) % entry.vocabSize);
	const run = async (): Promise<Float32Array[]> => {
		const generator = createGenerator({ session, tokenEmbedding, entry, pieceSize: () => pieceSizeOn(provider) });
		const prefilled = await generator.prefill([{ kind: 'tokens', ids: tokens.slice(0, PROMPT_LENGTH) }], neverCancelled);
		invariant(prefilled, 'a probe is not cancelled');
		const logits = [prefilled.logits];
		for (const token of tokens.slice(PROMPT_LENGTH)) logits.push(await generator.decode(token));
		return logits;
	};
	// The first run compiles; the second is what a user would wait for.
	await run();
	const started = performance.now();
	return { logits: await run(), ms: performance.now() - started };
}

async function compare(task: ProbeTask): Promise<ProbeResult> {
	const there = await generate(task, task.provider);
	const here = await generate(task, 'cpu');
	const least = Math.min(...there.logits.map((logits, i) => cosine(logits, here.logits[i] as Float32Array)));
	if (!(least >= LEAST_COSINE)) return { works: false, why: `computes wrong results (cosine ${least.toFixed(3)} to the CPU's)` };
	return { works: true, speedup: here.ms / there.ms };
}

function cosine(a: Float32Array, b: Float32Array): number {
	let [ab, aa, bb] = [0, 0, 0];
	for (let i = 0; i < a.length; i++) {
		const [x, y] = [a[i] as number, b[i] as number];
		ab += x * y;
		aa += x * x;
		bb += y * y;
	}
	return ab / Math.sqrt(aa * bb);
}

const result = await compare(JSON.parse(process.argv[2] ?? '') as ProbeTask).catch(
	(error: unknown): ProbeResult => ({ works: false, why: error instanceof Error ? error.message : String(error) }),
);
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
