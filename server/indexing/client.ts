/** The LSP thread's side of the indexing worker. */
import type { Logger } from '../base/logger.ts';
import { startWorker } from '../base/worker-client.ts';
import type { Local, Remote } from '../base/worker-rpc.ts';
import type { IndexingEvents, IndexingHost, IndexingWorkerData, IndexingWorkerMethods } from './messages.ts';

/** What a file leaves behind is gone before the next one is read. */
const YOUNG_MB = 12;

export type IndexingClient = Remote<IndexingWorkerMethods>;

export interface IndexingClientOptions extends IndexingWorkerData {
	logger: Logger;
	events: Omit<IndexingEvents, 'log'>;
	host: Local<IndexingHost>;
	/** The worker ended without having been asked to. */
	died?(message: string): void;
}

export function createIndexingClient(options: IndexingClientOptions): IndexingClient {
	const { logger, events, host, died = () => {}, ...workerData } = options;
	const { remote, dispose } = startWorker<IndexingEvents & IndexingHost, IndexingWorkerMethods, object>({
		name: 'indexing',
		url: new URL('../workers/indexing.cjs', import.meta.url),
		workerData,
		youngMb: YOUNG_MB,
		handlers: { ...events, ...host, log: (level, message) => logger[level](message) },
		logger,
		died,
	});
	return {
		openFolder: (folder) => remote.openFolder(folder),
		closeFolder: (folder) => remote.closeFolder(folder),
		request: (folder, request) => remote.request(folder, request),
		prioritise: (folder, paths) => remote.prioritise(folder, paths),
		pause: () => remote.pause(),
		resume: () => remote.resume(),
		clear: (folder) => remote.clear(folder),
		report: (folder) => remote.report(folder),
		dispose,
	};
}
