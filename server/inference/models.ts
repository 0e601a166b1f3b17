/**
 * The models of one bundle, each loaded when it is first asked for.
 *
 * Guarantees: a model is loaded once, however many ask at the same time; a load that failed is tried again when asked again; a
 * provider that fails in use costs time, never the request. Runs block the thread they are on: never the LSP thread.
 */
import { join } from 'node:path';
import type { ExecutionProviderSetting } from 'hef-shared';
import { type Clock, systemClock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import { singleFlight } from '../base/single-flight.ts';
import type { Bundle } from './bundle.ts';
import { createEmbedder } from './embedder.ts';
import { chooseExecutionProvider, type ExecutionProviderChoice, thisMachine } from './execution-providers.ts';
import { openWithFallback, type ProviderState } from './fallback-session.ts';
import { createFuser } from './fuser.ts';
import { createGenerator } from './generator.ts';
import { openIdleSession } from './idle-session.ts';
import type { TokenizerEntry } from './manifest.ts';
import { createProbeMemory, type ProbeMemory, probeKey } from './probe-memory.ts';
import { createProjector } from './projector.ts';
import { retypedPositions } from './prompt-layout.ts';
import { type ModelSession, openSession, type ProviderName, pieceSizeOn, RUNTIME_VERSION, supportedProviders } from './session.ts';
import { createTokenEmbedding } from './token-embedding.ts';
import { loadTokenizer } from './tokenizer.ts';
import type { Models, Projector } from './types.ts';

/** How long the first completion may wait for a provider that `auto` tries: what cannot start in this time is no gain. */
const AUTO_PROBE_MS = 10_000;
const EXPLICIT_PROBE_MS = 60_000;
/** `precision` of an embedder of one layer, whose keys and values are rows of tables. */
const TABLES = 'tables';
/**
 * Hidden size up to which short runs of a generator take one thread: of 256 they are quicker so and take half of the processor's time, since
 * each of its matrices is multiplied sooner than a second thread wakes up; of 512 two are as quick.
 */
const SMALL_GENERATOR = 384;
/** Texts in one embedder run where batches pay. */
const GPU_BATCH = 8;

export interface ModelsOptions {
	executionProvider: ExecutionProviderSetting;
	/** Threads of one run, at least 1. */
	threads: number;
	logger: Logger;
	/** A model that has not run for so long gives its memory back until its next run. Default 0: never. */
	unloadAfterMs?: number | undefined;
	/** Whether prompts are read too. Default true; without, their tokenizer is left alone where chunks have another. */
	prompts?: boolean;
	/** Folder where findings about providers are kept from one start to the next; nothing is kept without one. */
	cacheFolder?: string | undefined;
	/** How the provider is chosen; by default of those that work on this machine. */
	choose?: (() => Promise<ExecutionProviderChoice>) | undefined;
	clock?: Clock;
	/** How a session is opened; for tests. */
	open?: typeof openSession;
}

/**
 * Reads the tokenizers; models come when they are asked for.
 * @throws HefError `bundle-invalid` when a tokenizer is of a kind that is not read
 */
export async function createModels(bundle: Bundle, options: ModelsOptions): Promise<Models> {
	const { manifest } = bundle;
	const { threads, logger, open = openSession } = options;
	const read = ({ file, vocabSize }: TokenizerEntry) => loadTokenizer(bundle.path(file), vocabSize);
	const embedderTokenizer = await read(manifest.embedder.tokenizer);
	const isShared = manifest.embedder.tokenizer.file === manifest.tokenizer.file || options.prompts === false;
	const tokenizer = isShared ? embedderTokenizer : await read(manifest.tokenizer);
	const memory = await probeMemoryOf(bundle, options);
	const provider = createProviderState(options.choose ?? (() => choose(bundle, options, memory)), logger, memory);
	const sessions: ModelSession[] = [];
	const { unloadAfterMs = 0, clock = systemClock } = options;

	const keep = async (openAgain: () => Promise<ModelSession>): Promise<ModelSession> => {
		const session = await openIdleSession({ open: openAgain, unloadAfterMs, clock });
		sessions.push(session);
		return session;
	};
	/** On the chosen provider. */
	const openModel = (file: string, state: ProviderState): Promise<ModelSession> =>
		keep(() => openWithFallback({ state, open: (name) => open({ path: bundle.path(file), provider: name, threads }) }));
	/** For models so small that the way to a GPU and back takes longer than the run. */
	const openOnCpu = (file: string, nThreads = threads): Promise<ModelSession> =>
		keep(() => open({ path: bundle.path(file), provider: 'cpu', threads: nThreads }));
	/** For models that look rows up: to wake a second thread takes longer than what it would do. */
	const openTables = (file: string): Promise<ModelSession> => openOnCpu(file, 1);

	const embedder = singleFlight(async () => {
		const state = await provider.chosen();
		// It reads a text in one run, longer than WebGPU is right about (`pieceSizeOn`); a vector that is off would be stored.
		const onGpu = state.name !== 'cpu' && state.name !== 'webgpu';
		const { file, precision } = manifest.embedder;
		const session = onGpu ? await openModel(file, state) : await (precision === TABLES ? openTables : openOnCpu)(file);
		return createEmbedder({ session, entry: manifest.embedder, batchSize: onGpu ? GPU_BATCH : 1 });
	});
	const fuser = singleFlight(async () => {
		const session = await openModel(manifest.fuser.file, await provider.chosen());
		return createFuser({ session, entry: manifest.fuser });
	});
	const generator = singleFlight(async () => {
		const state = await provider.chosen();
		const session = await openModel(manifest.generator.file, state);
		const tokenEmbedding = createTokenEmbedding(await openTables(manifest.tokenEmbedding.file));
		const { generator: entry, prompt } = manifest;
		const isSmall = state.name === 'cpu' && threads > 1 && entry.hiddenSize <= SMALL_GENERATOR;
		const shortRuns = isSmall ? await openOnCpu(entry.file, 1) : undefined;
		const pieceSize = () => pieceSizeOn(state.name);
		return createGenerator({ session, shortRuns, tokenEmbedding, entry, pieceSize, retyped: retypedPositions(prompt) });
	});
	const projector = (name: 'hef' | 'llavacode') =>
		singleFlight(async (): Promise<Projector | undefined> => {
			const entry = manifest.projectors[name];
			return entry && createProjector({ session: await openOnCpu(entry.file), entry });
		});
	const projectors = { hef: projector('hef'), llavacode: projector('llavacode') };

	return {
		tokenizer,
		embedderTokenizer,
		embedder,
		fuser,
		generator,
		projector: (name) => projectors[name](),
		get executionProvider() {
			return provider.report();
		},
		async chooseExecutionProvider() {
			await provider.chosen();
			return provider.report();
		},
		async dispose() {
			await Promise.all(sessions.splice(0).map((session) => session.dispose()));
		},
	};
}

/** Findings hold for the same runtime and the same generator. */
async function probeMemoryOf(bundle: Bundle, { cacheFolder }: ModelsOptions): Promise<ProbeMemory | undefined> {
	if (cacheFolder === undefined) return undefined;
	const { file } = bundle.manifest.generator;
	const key = await probeKey(bundle.manifest.files[file]?.sha256 ?? '', [RUNTIME_VERSION, process.version]);
	return createProbeMemory({ file: join(cacheFolder, 'execution-providers.json'), key, now: Date.now });
}

function choose(
	bundle: Bundle,
	{ executionProvider, threads }: ModelsOptions,
	memory: ProbeMemory | undefined,
): Promise<ExecutionProviderChoice> {
	const { manifest } = bundle;
	const task = {
		threads,
		generatorPath: bundle.path(manifest.generator.file),
		tokenEmbeddingPath: bundle.path(manifest.tokenEmbedding.file),
		generator: manifest.generator,
	};
	const timeoutMs = executionProvider === 'auto' ? AUTO_PROBE_MS : EXPLICIT_PROBE_MS;
	const probeNow = async (provider: ProviderName) => {
		const { probeProvider } = await import('./probe.ts');
		return probeProvider({ ...task, provider, timeoutMs });
	};
	const probe = (provider: ProviderName) => (memory ? memory.recall(provider, () => probeNow(provider)) : probeNow(provider));
	return chooseExecutionProvider({ setting: executionProvider, machine: thisMachine(supportedProviders()), probe });
}

function createProviderState(choose: () => Promise<ExecutionProviderChoice>, logger: Logger, memory: ProbeMemory | undefined) {
	let now: { name: string; why: string } = { name: 'none', why: 'no model was loaded yet' };
	const chosen = singleFlight(async (): Promise<ProviderState> => {
		let choice = await choose();
		now = choice;
		logger.info(`models run on ${choice.name} (${choice.why})`);
		return {
			get name() {
				return choice.name;
			},
			fallBack(reason) {
				if (choice.name === 'cpu') return;
				void memory?.forget(choice.name);
				choice = { name: 'cpu', why: `${choice.name} failed in use: ${reason}` };
				now = choice;
				logger.warn(`models run on the CPU from now on: ${choice.why}`);
			},
		};
	});
	return { chosen, report: () => now };
}
