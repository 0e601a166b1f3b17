/** The generator with its bookkeeping against the bare runtime on the same file, and the tokenizer on this repository's code. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bench, describe } from 'vitest';
import { neverCancelled } from '../../server/base/cancellation.ts';
import { loadBundle } from '../../server/inference/bundle.ts';
import { capacityFor } from '../../server/inference/kv-cache.ts';
import { floats, int32s, int64s, openSession } from '../../server/inference/session.ts';
import { loadTokenizer } from '../../server/inference/tokenizer.ts';
import { openModels, shippedBundleFolder, tokens } from '../support/tiny-bundle.ts';

const THREADS = 2;
/** 32 pseudo-tokens and 512 tokens, the paper's prompt. */
const PROMPT = 544;

const bundle = await loadBundle(shippedBundleFolder);
const models = await openModels(shippedBundleFolder, { threads: THREADS });
const generator = await models.generator();
const embedder = await models.embedder();
const serverFolder = fileURLToPath(new URL('../../server', import.meta.url));
const text = readdirSync(serverFolder, { recursive: true, encoding: 'utf8' })
	.filter((path) => path.endsWith('.ts') && !path.startsWith('dist'))
	.map((path) => readFileSync(join(serverFolder, path), 'utf8'))
	.join('');
const code = models.tokenizer.encode(text).slice(0, 1200);

/** One run of the generator's file with constant inputs: what the runtime itself takes. */
async function bareRun(nPast: number, nNew: number, capacity: number): Promise<() => Promise<unknown>> {
	const { hiddenSize, layers, kvHeads, headDim, file } = bundle.manifest.generator;
	const session = await openSession({ path: bundle.path(file), provider: 'cpu', threads: THREADS });
	const shape = [1, kvHeads, capacity, headDim];
	const past = Array.from({ length: layers }, (_, layer) => ['key', 'value'].map((kind) => `past_${kind}_${layer}`)).flat();
	const feeds = {
		inputs_embeds: floats(new Float32Array(nNew * hiddenSize).fill(0.1), [1, nNew, hiddenSize]),
		seqlens_k: int32s([nPast + nNew - 1], [1]),
		total_length: int32s([nPast + nNew], []),
		logits_from: int64s([nNew - 1], [1]),
		...Object.fromEntries(past.map((name) => [name, floats(new Float32Array(kvHeads * capacity * headDim), shape)])),
	};
	return () => session.run(feeds);
}

describe(`prefill of ${PROMPT} positions`, async () => {
	const bare = await bareRun(0, PROMPT, PROMPT);
	bench('generator, in pieces', async () => {
		generator.truncate(0);
		await generator.prefill([tokens(code.slice(0, PROMPT))], neverCancelled);
	});
	bench('bare runtime, in one run', async () => {
		await bare();
	});
});

describe('one token behind 544 positions', async () => {
	const bare = await bareRun(PROMPT, 1, capacityFor(PROMPT, bundle.manifest.generator.maxPositions));
	bench(
		'generator',
		async () => {
			await generator.decode(100);
			generator.truncate(PROMPT);
		},
		{ setup: async () => void (await generator.prefill([tokens(code.slice(0, PROMPT))], neverCancelled)) },
	);
	bench('bare runtime', async () => {
		await bare();
	});
});

describe('8 new positions on a kept cache', () => {
	bench(
		'generator',
		async () => {
			generator.truncate(PROMPT - 8);
			await generator.prefill([tokens(code.slice(0, PROMPT))], neverCancelled);
		},
		{ setup: async () => void (await generator.prefill([tokens(code.slice(0, PROMPT))], neverCancelled)) },
	);
});

describe('embedder', () => {
	bench('512 tokens', async () => void (await embedder.embed([code.slice(0, 512)])));
	bench('128 tokens', async () => void (await embedder.embed([code.slice(0, 128)])));
});

describe(`tokenizer on ${Math.round(text.length / 1000)} KB`, () => {
	bench('encode, words known', () => void models.tokenizer.encode(text));
	bench('count, words known', () => void models.tokenizer.count(text));
	bench('encode, words new', async () => {
		const fresh = await loadTokenizer(bundle.path(bundle.manifest.tokenizer.file), bundle.manifest.tokenizer.vocabSize);
		fresh.encode(text);
	});
});
