/**
 * The LSP thread's side of the completion worker: one request at a time, the newest of a document wins.
 *
 * Guarantees: every promise settles; a superseded or cancelled request settles at once with `undefined` while the worker
 * notices in its own time; an identical request joins the one under way.
 */

import { Worker } from 'node:worker_threads';
import type { CompletionReport, HnswReport } from 'hef-shared';
import { SharedFlag } from '../base/cancellation.ts';
import type { Logger } from '../base/logger.ts';
import { connect } from '../base/worker-rpc.ts';
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

export interface CompletionClient {
	warmUp(): Promise<WarmUpReport>;
	openFolder(place: FolderPlace): Promise<void>;
	closeFolder(folder: string): Promise<void>;
	published(folder: string, paths: string[] | 'all'): void;
	/** Undefined when superseded by a newer request of the document, or aborted. */
	complete(request: CompletionRequest, signal?: AbortSignal): Promise<CompletionReport | undefined>;
	vectorIndex(folder: string): Promise<HnswReport | undefined>;
	forget(uri: string): void;
	settled(): Promise<void>;
	readonly metrics: CompletionMetrics;
	dispose(): Promise<void>;
}

interface UnderWay {
	key: string;
	flag: SharedFlag;
	abandon(): void;
	answer: Promise<CompletionReport | undefined>;
}

export function createCompletionClient(options: CompletionWorkerData & { logger: Logger }): CompletionClient {
	const { logger, ...workerData } = options;
	const worker = new Worker(new URL('./worker.js', import.meta.url), { workerData });
	const events: CompletionClientEvents = { log: (level, message) => logger[level](message) };
	const { remote, emit, close } = connect<CompletionClientEvents, CompletionWorkerMethods, CompletionWorkerEvents>(worker, events);
	worker.on('error', (error) => {
		logger.error(`completion worker: ${error.stack ?? error.message}`);
		close(`the completion worker failed: ${error.message}`);
	});
	worker.on('exit', () => close('the completion worker has ended'));
	const metrics = createCompletionMetrics();
	const underWay = new Map<string, UnderWay>();

	const start = (request: CompletionRequest, key: string): UnderWay => {
		const flag = new SharedFlag();
		let abandon = () => {};
		const abandoned = new Promise<undefined>((resolve) => {
			abandon = () => resolve(undefined);
		});
		const computed = remote.complete(request, flag.buffer).then((report) => {
			if (report) metrics.record(report);
			return report ?? undefined;
		});
		const answer = Promise.race([computed, abandoned]);
		return { key, flag, answer, abandon };
	};

	const stop = ({ flag, abandon }: UnderWay) => {
		flag.raise();
		abandon();
	};

	return {
		metrics,
		warmUp: () => remote.warmUp(),
		openFolder: (place) => remote.openFolder(place),
		closeFolder: (folder) => remote.closeFolder(folder),
		published: (folder, paths) => emit('published', folder, paths),
		async complete(request, signal) {
			if (signal?.aborted) return undefined;
			const key = JSON.stringify(request);
			let current = underWay.get(request.uri);
			if (current && current.key !== key) stop(current);
			if (!current || current.key !== key) {
				current = start(request, key);
				underWay.set(request.uri, current);
			}
			const mine = current;
			const onAbort = () => stop(mine);
			signal?.addEventListener('abort', onAbort, { once: true });
			try {
				return await mine.answer;
			} finally {
				signal?.removeEventListener('abort', onAbort);
				if (underWay.get(request.uri) === mine) underWay.delete(request.uri);
			}
		},
		vectorIndex: (folder) => remote.vectorIndex(folder),
		forget: (uri) => void remote.forget(uri).catch(() => {}),
		settled: () => remote.settled(),
		async dispose() {
			for (const request of underWay.values()) stop(request);
			// A worker that is terminated while it runs a model takes the process down, so it is asked to end by itself.
			await remote.dispose().catch(() => {});
			await worker.terminate();
		},
	};
}
