/**
 * The LSP thread's side of the completion worker: one request at a time, the newest of a document wins.
 *
 * Guarantees: every promise settles; a superseded or cancelled request settles at once with `undefined` while the worker
 * notices in its own time; an identical request joins the one under way, which stops when nobody waits for it any more.
 */
import { isDeepStrictEqual } from 'node:util';
import type { CompletionReport, ExecutionProviderReport, HnswReport } from 'hef-shared';
import { SharedFlag } from '../base/cancellation.ts';
import type { Logger } from '../base/logger.ts';
import { startWorker } from '../base/worker-client.ts';
import type {
	CompletionClientEvents,
	CompletionWorkerData,
	CompletionWorkerEvents,
	CompletionWorkerMethods,
	FolderPlace,
	WarmUpReport,
} from './messages.ts';
import { type CompletionMetrics, createCompletionMetrics } from './metrics.ts';
import type { CompletionRequest } from './types.ts';

/** A request makes a few megabytes of new objects. */
const YOUNG_MB = 24;

export interface CompletionClient {
	warmUp(): Promise<WarmUpReport>;
	/** Where models run. Tries what this machine has, once. */
	chooseExecutionProvider(): Promise<ExecutionProviderReport>;
	openFolder(place: FolderPlace): Promise<void>;
	closeFolder(folder: string): Promise<void>;
	published(folder: string, paths: string[] | 'all'): void;
	/** Documents of an open folder that are open, the one looked at last first: their neighbourhood is copied from before the rest. */
	prioritise(folder: string, paths: readonly string[]): void;
	/** Undefined when superseded by a newer request of the document, or aborted. */
	complete(request: CompletionRequest, signal?: AbortSignal): Promise<CompletionReport | undefined>;
	/** The answer that needs no model, if there is one. */
	recall(request: CompletionRequest): Promise<CompletionReport | undefined>;
	/** Computes ahead what such a request would need, until a request comes. */
	prepare(request: CompletionRequest): void;
	vectorIndex(folder: string): Promise<HnswReport | undefined>;
	forget(uri: string): void;
	settled(): Promise<void>;
	/** Resolves when the copy model has read every published change so far. */
	copied(): Promise<void>;
	readonly metrics: CompletionMetrics;
	dispose(): Promise<void>;
}

export interface CompletionClientOptions extends CompletionWorkerData {
	logger: Logger;
	/** The worker ended without having been asked to. */
	died?(message: string): void;
}

interface UnderWay {
	uri: string;
	request: CompletionRequest;
	flag: SharedFlag;
	abandon(): void;
	answer: Promise<CompletionReport | undefined>;
	nWaiting: number;
}

export function createCompletionClient(options: CompletionClientOptions): CompletionClient {
	const { logger, died = () => {}, ...workerData } = options;
	const worker = startWorker<CompletionClientEvents, CompletionWorkerMethods, CompletionWorkerEvents>({
		name: 'completion',
		url: new URL('../workers/completion.cjs', import.meta.url),
		workerData,
		youngMb: YOUNG_MB,
		handlers: { log: (level, message) => logger[level](message) },
		logger,
		died,
	});
	const { remote, emit } = worker;
	const metrics = createCompletionMetrics();
	const underWay = new Map<string, UnderWay>();

	const forgetWork = (work: UnderWay) => {
		if (underWay.get(work.uri) === work) underWay.delete(work.uri);
	};

	const stop = (work: UnderWay) => {
		work.flag.raise();
		work.abandon();
		forgetWork(work);
	};

	const start = (request: CompletionRequest): UnderWay => {
		const flag = new SharedFlag();
		const [abandoned, abandon] = giveUp();
		const computed = remote.complete(request, flag.buffer).then((report) => {
			if (report) metrics.record(report);
			return report ?? undefined;
		});
		const work = { uri: request.uri, request, flag, abandon, answer: Promise.race([computed, abandoned]), nWaiting: 0 };
		const done = () => forgetWork(work);
		work.answer.then(done, done);
		underWay.set(request.uri, work);
		return work;
	};

	/** Whoever aborts leaves alone; the last one to leave stops the work. */
	const waitFor = async (work: UnderWay, signal: AbortSignal | undefined) => {
		const [left, leave] = giveUp();
		const onAbort = () => {
			leave();
			if (--work.nWaiting === 0) stop(work);
		};
		work.nWaiting++;
		signal?.addEventListener('abort', onAbort, { once: true });
		try {
			return await Promise.race([work.answer, left]);
		} finally {
			signal?.removeEventListener('abort', onAbort);
		}
	};

	return {
		metrics,
		warmUp: () => remote.warmUp(),
		chooseExecutionProvider: () => remote.chooseExecutionProvider(),
		openFolder: (place) => remote.openFolder(place),
		closeFolder: (folder) => remote.closeFolder(folder),
		published: (folder, paths) => emit('published', folder, paths),
		prioritise: (folder, paths) => emit('prioritise', folder, paths),
		async complete(request, signal) {
			if (signal?.aborted) return undefined;
			const current = underWay.get(request.uri);
			if (current && isDeepStrictEqual(current.request, request)) return waitFor(current, signal);
			if (current) stop(current);
			return waitFor(start(request), signal);
		},
		async recall(request) {
			const known = await remote.recall(request);
			if (known) metrics.record(known);
			return known ?? undefined;
		},
		prepare: (request) => emit('prepare', request),
		vectorIndex: (folder) => remote.vectorIndex(folder),
		forget: (uri) => void remote.forget(uri).catch(() => {}),
		settled: () => remote.settled(),
		copied: () => remote.copied(),
		async dispose() {
			for (const work of underWay.values()) stop(work);
			await worker.dispose();
		},
	};
}

/** A promise of nothing, and what resolves it. */
function giveUp(): [gaveUp: Promise<undefined>, giveUp: () => void] {
	let resolve = () => {};
	const gaveUp = new Promise<undefined>((done) => {
		resolve = () => done(undefined);
	});
	return [gaveUp, resolve];
}
