/**
 * The indexing thread: one {@link FolderIndex} for each open folder, on one set of models. In this process the only writer of their
 * stores.
 *
 * The one place in this folder that touches concrete implementations.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { ActivityGate } from '../base/cancellation.ts';
import { systemClock } from '../base/clock.ts';
import { HefError, invariant, messageOf } from '../base/errors.ts';
import { loggerOf } from '../base/logger.ts';
import { createPowerSource } from '../base/power.ts';
import { singleFlight } from '../base/single-flight.ts';
import { connect, type Local } from '../base/worker-rpc.ts';
import { createChunker } from '../chunking/chunker.ts';
import { createHierarchy } from '../hierarchy/hierarchy.ts';
import { bundleOf } from '../inference/bundle.ts';
import type { ExecutionProviderChoice } from '../inference/execution-providers.ts';
import { existingStorePath, workspaceCacheFolder } from '../store/lmdb-store.ts';
import { assertReadable } from '../workspace/list-files.ts';
import type { ChangeReason } from '../workspace/types.ts';
import { createWorkspace } from '../workspace/workspace.ts';
import { openFolderIndex } from './folder-index.ts';
import { createIndexer } from './indexer.ts';
import type { FolderOptions, IndexingEvents, IndexingHost, IndexingWorkerData, IndexingWorkerMethods } from './messages.ts';
import type { FolderIndex } from './types.ts';

invariant(parentPort, 'the indexing worker runs in a worker thread');
const data = workerData as IndexingWorkerData;
const gate = new ActivityGate(data.gate);

interface OpenFolder {
	index: FolderIndex;
	stopWatching(): Promise<void>;
}
const power = createPowerSource({ clock: systemClock });
let paused = false;
const folders = new Map<string, Promise<OpenFolder>>();
/** Folders that were closed: the next opening of one waits until its store is. */
const closing = new Map<string, Promise<void>>();

/** Open indexes, for when the thread ends without having been asked to. */
const indexes = new Set<FolderIndex>();
process.on('exit', () => {
	for (const index of indexes) index.abandon();
});

const logger = loggerOf((level, message) => emit('log', level, message));

const bundle = bundleOf(data.bundle);

/** What cutting and embedding need. An unchanged folder needs nothing of it. */
async function load() {
	const { createModels } = await import('../inference/models.ts');
	const { executionProvider, threads, unloadAfterMs } = data;
	// The CPU is no question to ask another thread.
	const ask = async () => (await remote.chooseExecutionProvider()) as ExecutionProviderChoice;
	const choose = executionProvider === 'cpu' ? undefined : ask;
	const models = await createModels(bundle, { executionProvider, threads, unloadAfterMs, choose, logger, prompts: false });
	return { models, chunker: createChunker({ countTokens: models.embedderTokenizer.count, logger }) };
}
const loaded = singleFlight(load);
/** What is loaded that nobody waits for: a thread that ends in the middle of it takes the process down. */
let loadingAhead: Promise<unknown> = Promise.resolve();
let disposed = false;
function loadAhead(what: () => Promise<unknown>): void {
	// Whoever asks is told of a failure.
	if (!disposed) loadingAhead = Promise.allSettled([loadingAhead, what()]);
}
/** How long after a request the first save need not wait for that. */
const LOAD_AFTER_MS = 1000;

async function open({ folder, exclude, watch }: FolderOptions): Promise<OpenFolder> {
	const { spaceId, manifest } = bundle;
	const isFirstBuild = existingStorePath(workspaceCacheFolder(data.cacheFolder, folder)) === undefined;
	if (isFirstBuild) {
		// Before anything is made for it in the cache.
		assertReadable(folder);
		loadAhead(async () => (await loaded()).models.embedder());
	}
	const workspace = await createWorkspace(folder, { exclude, cacheFolder: data.cacheFolder, logger });
	const index = await openFolderIndex({
		folder,
		workspace,
		cacheFolder: data.cacheFolder,
		mayBuildAside: watch,
		spaceId,
		dimension: manifest.embedder.dimension,
		createHierarchy: () => createHierarchy({ spaceId, arity: manifest.fuser.arity }),
		...(data.cacheBudgetBytes === undefined ? {} : { budgetBytes: data.cacheBudgetBytes }),
		createIndexer: (store, parts) =>
			createIndexer({
				workspace,
				store,
				hierarchy: createHierarchy({ spaceId, arity: manifest.fuser.arity }),
				chunker: { chunk: async (path, text) => (await loaded()).chunker.chunk(path, text) },
				spaceId,
				tokenizer: async () => (await loaded()).models.embedderTokenizer,
				embedder: async () => (await loaded()).models.embedder(),
				fuser: async () => (await loaded()).models.fuser(),
				gate,
				onBattery: () => data.throttleOnBattery === true && power.onBattery(),
				clock: systemClock,
				logger,
				...parts,
			}),
		clock: systemClock,
		logger,
		events: {
			progress: (progress) => emit('progress', folder, progress),
			published: (paths) => emit('published', folder, paths),
			updated: (report) => emit('updated', folder, report),
			moved: (storePath) => emit('moved', folder, storePath),
			paused: (isPaused) => {
				// Resumed in another editor.
				if (!isPaused) paused = false;
				emit('paused', folder, isPaused);
			},
			problem: (message) => emit('problem', message),
		},
	});
	indexes.add(index);
	if (paused) index.pause();
	const onChange = (paths: string[], reason: ChangeReason) => {
		const request = reason === 'files' ? { paths, reason: 'watch' } : { paths: 'all' as const, reason };
		index.request(request).catch((error: unknown) => {
			// Closing the folder ends what was asked for it.
			if (indexes.has(index)) logger.error(`${folder}: ${messageOf(error)}`);
		});
	};
	const onProblem = (message: string, severity: 'warning' | 'notice') => {
		index.addNotice(message);
		if (severity === 'warning') emit('problem', message);
		else logger.info(message);
	};
	const stopWatching = watch ? await workspace.watch(onChange, onProblem) : async () => {};
	return { index, stopWatching };
}

async function opened(folder: string): Promise<OpenFolder> {
	const found = await folders.get(folder);
	if (!found) throw new HefError('workspace-unreadable', `${folder} is not open`);
	return found;
}

function close(folder: string): Promise<void> {
	const opening = folders.get(folder);
	folders.delete(folder);
	const closed = (closing.get(folder) ?? Promise.resolve()).then(async () => {
		const found = await opening?.catch(() => undefined);
		await found?.stopWatching();
		if (found) indexes.delete(found.index);
		await found?.index.close();
	});
	closing.set(
		folder,
		closed.catch(() => {}),
	);
	return closed;
}

async function everyFolder(task: (folder: OpenFolder) => unknown): Promise<void> {
	for (const opening of folders.values()) {
		const found = await opening.catch(() => undefined);
		if (found) await task(found);
	}
}

const methods: Local<IndexingWorkerMethods> = {
	async openFolder(options) {
		const { folder } = options;
		const opening = close(folder).then(() => open(options));
		folders.set(folder, opening);
		opening.catch(() => {
			if (folders.get(folder) === opening) folders.delete(folder);
		});
		const { index } = await opening;
		return { storePath: index.storePath };
	},
	closeFolder: close,
	async request(folder, request) {
		const { index } = await opened(folder);
		try {
			return await index.request(request);
		} finally {
			systemClock.schedule(LOAD_AFTER_MS, () => loadAhead(loaded));
		}
	},
	async prioritise(folder, paths) {
		const { index } = await opened(folder);
		await index.prioritise(paths);
	},
	async pause() {
		paused = true;
		await everyFolder(({ index }) => index.pause());
	},
	async resume() {
		paused = false;
		await everyFolder(({ index }) => index.resume());
	},
	async clear(folder) {
		const found = await folders.get(folder);
		return (await found?.index.clear()) !== undefined;
	},
	async report(folder) {
		const { index } = await opened(folder);
		return index.report();
	},
	async dispose() {
		disposed = true;
		await Promise.all([...closing.values(), ...[...folders.keys()].map(close)]);
		await loadingAhead;
		await (await loaded.current)?.models.dispose();
	},
};

const { emit, remote } = connect<IndexingWorkerMethods, IndexingHost, IndexingEvents>(parentPort, methods, (error) =>
	logger.error(messageOf(error)),
);
