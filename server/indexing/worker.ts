/**
 * The indexing thread: one {@link Indexer} for each open folder, on one set of models. The only writer of their stores.
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
import { loadBundle } from '../inference/bundle.ts';
import { createModels } from '../inference/models.ts';
import { openStore, workspaceCacheFolder } from '../store/lmdb-store.ts';
import type { Store } from '../store/types.ts';
import { createWorkspace } from '../workspace/workspace.ts';
import { createIndexer } from './indexer.ts';
import type { FolderOptions, IndexingEvents, IndexingWorkerData, IndexingWorkerMethods } from './messages.ts';
import type { Indexer } from './types.ts';

invariant(parentPort, 'the indexing worker runs in a worker thread');
const data = workerData as IndexingWorkerData;
const gate = new ActivityGate(data.gate);

interface OpenFolder {
	indexer: Indexer;
	store: Store;
	stopWatching(): Promise<void>;
}
const power = createPowerSource({ clock: systemClock });
let paused = false;
const folders = new Map<string, Promise<OpenFolder>>();
/** Folders that were closed: the next opening of one waits until its store is. */
const closing = new Map<string, Promise<void>>();

const logger = loggerOf((level, message) => emit('log', level, message));

async function load() {
	const bundle = await loadBundle(data.bundleFolder);
	const models = await createModels(bundle, { executionProvider: data.executionProvider, threads: data.threads, logger });
	return { bundle, models, chunker: createChunker({ countTokens: models.tokenizer.count, logger }) };
}
const loaded = singleFlight(load);

async function open({ folder, exclude, watch }: FolderOptions): Promise<OpenFolder> {
	const { bundle, models, chunker } = await loaded();
	const { spaceId, manifest } = bundle;
	const workspace = await createWorkspace(folder, { exclude, cacheFolder: data.cacheFolder, logger });
	const storeFolder = workspaceCacheFolder(data.cacheFolder, folder);
	const store = await openStore({ folder: storeFolder, spaceId, dimension: manifest.embedder.dimension, workspaceFolder: folder });
	for (const message of store.recovered) emit('problem', `${folder}: ${message}`);
	const indexer = await createIndexer({
		workspace,
		store,
		hierarchy: createHierarchy({ spaceId, arity: manifest.fuser.arity }),
		chunker,
		tokenizer: models.tokenizer,
		spaceId,
		embedder: () => models.embedder(),
		fuser: () => models.fuser(),
		gate,
		onBattery: () => data.throttleOnBattery === true && power.onBattery(),
		clock: systemClock,
		logger,
		events: {
			progress: (progress) => emit('progress', folder, progress),
			published: (paths) => emit('published', folder, paths),
			updated: (report) => emit('updated', folder, report),
		},
	});
	if (paused) indexer.pause();
	const onChange = (paths: string[], reason: 'files' | 'rules' | 'branch') => {
		const request = reason === 'files' ? { paths, reason: 'watch' } : { paths: 'all' as const, reason };
		indexer.request(request).catch((error: unknown) => logger.error(`${folder}: ${messageOf(error)}`));
	};
	const stopWatching = watch ? await workspace.watch(onChange, (message) => emit('problem', message)) : async () => {};
	return { indexer, store, stopWatching };
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
		await found?.indexer.close();
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
		const { store } = await opening;
		return { storePath: store.path };
	},
	closeFolder: close,
	async request(folder, request) {
		const { indexer } = await opened(folder);
		return indexer.request(request);
	},
	async prioritise(folder, paths) {
		const { indexer } = await opened(folder);
		await indexer.prioritise(paths);
	},
	async pause() {
		paused = true;
		await everyFolder(({ indexer }) => indexer.pause());
	},
	async resume() {
		paused = false;
		await everyFolder(({ indexer }) => indexer.resume());
	},
	async clear(folder) {
		const { indexer, store } = await opened(folder);
		await indexer.clear();
		return { storePath: store.path };
	},
	async report(folder) {
		const { indexer } = await opened(folder);
		return indexer.report();
	},
	async dispose() {
		await Promise.all([...closing.values(), ...[...folders.keys()].map(close)]);
		await (await loaded.current)?.models.dispose();
	},
};

const { emit } = connect<IndexingWorkerMethods, object, IndexingEvents>(parentPort, methods, (error) => logger.error(messageOf(error)));
