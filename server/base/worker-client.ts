/**
 * A worker thread as the thread that starts it sees it.
 *
 * Guarantees: every call settles, also when the worker dies; its death is told once, with the cause; a worker is asked to end
 * before it is terminated, because one that is terminated while it runs a model takes the process down.
 */
import { Worker } from 'node:worker_threads';
import { messageOf } from './errors.ts';
import type { Logger } from './logger.ts';
import { type Connection, connect, type Local, type Remote } from './worker-rpc.ts';

export interface WorkerClientOptions<Events> {
	/** For messages: `the … worker`. */
	name: string;
	url: URL;
	workerData: unknown;
	/**
	 * Most memory for new objects, in MB, three quarters of which V8 fills and keeps as soon as work is brisk. It takes the next power of
	 * two of a third. Default 48.
	 */
	youngMb?: number;
	handlers: Local<Events>;
	logger: Logger;
	/** The worker ended without having been asked to. */
	died(message: string): void;
}

export interface WorkerClient<Methods, WorkerEvents> extends Pick<Connection<Methods, WorkerEvents>, 'remote' | 'emit'> {
	dispose(): Promise<void>;
}

export function startWorker<Events, Methods extends { dispose(): void }, WorkerEvents>(
	options: WorkerClientOptions<Events>,
): WorkerClient<Methods, WorkerEvents> {
	const { name, url, workerData, youngMb = 48, handlers, logger } = options;
	const worker = new Worker(url, { workerData, resourceLimits: { maxYoungGenerationSizeMb: youngMb } });
	const { remote, emit, close } = connect<Events, Methods, WorkerEvents>(worker, handlers, (error) => logger.error(messageOf(error)));
	let ended = false;
	const end = (reason: string) => {
		close(reason);
		if (!ended) options.died(reason);
		ended = true;
	};
	worker.on('error', (error) => {
		logger.error(`${name} worker: ${error.stack ?? error.message}`);
		end(`the ${name} worker failed: ${error.message}`);
	});
	worker.on('exit', () => end(`the ${name} worker has ended`));
	return {
		remote,
		emit,
		async dispose() {
			ended = true;
			await (remote as Remote<{ dispose(): void }>).dispose().catch(() => {});
			await worker.terminate();
		},
	};
}
