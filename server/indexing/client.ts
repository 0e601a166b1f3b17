/** The LSP thread's side of the indexing worker. Every promise settles, also when the worker dies. */
import { Worker } from 'node:worker_threads';
import type { Logger } from '../base/logger.ts';
import { connect, type Local, type Remote } from '../base/worker-rpc.ts';
import type { IndexingEvents, IndexingWorkerData, IndexingWorkerMethods } from './messages.ts';

export type IndexingClient = Remote<IndexingWorkerMethods>;

export function createIndexingClient(
	options: IndexingWorkerData & { logger: Logger; events: Omit<IndexingEvents, 'log'> },
): IndexingClient {
	const { logger, events, ...workerData } = options;
	const worker = new Worker(new URL('./worker.js', import.meta.url), { workerData });
	const handlers: Local<IndexingEvents> = { ...events, log: (level, message) => logger[level](message) };
	const { remote, close } = connect<IndexingEvents, IndexingWorkerMethods, object>(worker, handlers, (error) =>
		logger.error(String(error)),
	);
	worker.on('error', (error) => {
		logger.error(`indexing worker: ${error.stack ?? error.message}`);
		close(`the indexing worker failed: ${error.message}`);
	});
	worker.on('exit', () => close('the indexing worker has ended'));
	return {
		openFolder: (folder) => remote.openFolder(folder),
		closeFolder: (folder) => remote.closeFolder(folder),
		request: (folder, request) => remote.request(folder, request),
		prioritise: (folder, paths) => remote.prioritise(folder, paths),
		pause: () => remote.pause(),
		resume: () => remote.resume(),
		clear: (folder) => remote.clear(folder),
		report: (folder) => remote.report(folder),
		async dispose() {
			// A worker that is terminated while it runs a model takes the process down, so it is asked to end by itself.
			await remote.dispose().catch(() => {});
			await worker.terminate();
		},
	};
}
