/**
 * The completion thread: query embedder, retrieval, projector and generator, and the HNSW graph that they search.
 *
 * Requests run one at a time; the views follow the store in short turns between decode steps; what the next request will need
 * is computed in idle moments.
 */
import { parentPort, workerData } from 'node:worker_threads';
import type { CompletionReport } from 'hef-shared';
import { ActivityGate, neverCancelled, SharedFlag } from '../base/cancellation.ts';
import { systemClock } from '../base/clock.ts';
import { invariant, messageOf } from '../base/errors.ts';
import type { NodeId } from '../base/ids.ts';
import { loggerOf } from '../base/logger.ts';
import { singleFlight } from '../base/single-flight.ts';
import { connect, type Local } from '../base/worker-rpc.ts';
import { createBlockTokenizer } from '../copying/block-tokens.ts';
import { createRepositoryCopies, type RepositoryCopies } from '../copying/repository-copies.ts';
import { bundleOf } from '../inference/bundle.ts';
import { createSnippetSource, type SnippetSource } from '../retrieval/snippets.ts';
import { openWorkspaceView, type WorkspaceView } from '../retrieval/view.ts';
import { createReader } from '../workspace/workspace.ts';
import { type CompletionEngine, createCompletionEngine } from './engine.ts';
import type {
	CompletionClientEvents,
	CompletionWorkerData,
	CompletionWorkerEvents,
	CompletionWorkerMethods,
	FolderPlace,
} from './messages.ts';
import { createNameUses, type NameUses } from './name-uses.ts';
import { createProjecting, type Projecting } from './projecting.ts';
import { createTurns } from './turns.ts';
import type { CompletionRequest } from './types.ts';

invariant(parentPort, 'the completion worker runs in a worker thread');
const data = workerData as CompletionWorkerData;
const gate = new ActivityGate(data.gate);

interface OpenFolder {
	view: WorkspaceView;
	snippets: SnippetSource;
	copies: RepositoryCopies;
	names: NameUses;
	projecting: Projecting;
}
const folders = new Map<string, OpenFolder>();
/** Folders open and close one after the other, and what is published meanwhile waits. Never rejects. */
let placing: Promise<unknown> = Promise.resolve();
function placed(task: () => Promise<void>): Promise<void> {
	const result = placing.then(task);
	placing = result.catch(() => {});
	return result;
}

const logger = loggerOf((level, message) => emit('log', level, message));

const bundle = bundleOf(data.bundle);

async function load() {
	const { createModels } = await import('../inference/models.ts');
	const { executionProvider, threads, unloadAfterMs, cacheFolder } = data;
	const models = await createModels(bundle, { executionProvider, threads, unloadAfterMs, cacheFolder, logger });
	const workspace = (folder: string) => {
		const open = folders.get(folder);
		return open && { ...open, copies: open.copies.index };
	};
	const engine = createCompletionEngine({ bundle, models, workspace, copy: data.copy, now: () => performance.now() });
	return { models, engine };
}
/** Asked for by whoever needs a model or tokens; to open a folder takes neither. */
const loaded = singleFlight(load);
const engineOf = async () => (await loaded()).engine;

const turns = createTurns({ clock: systemClock, failed: (error) => logger.warn(`preparing the next completion: ${messageOf(error)}`) });
/** Shorter than the pause between two keystrokes, longer than a program that replays them needs. */
const QUIET_MS = 20;

async function complete(engine: CompletionEngine, request: CompletionRequest, flag: SharedFlag): Promise<CompletionReport | null> {
	const known = engine.recall(request);
	if (known) return known;
	gate.enter();
	try {
		const answer = await turns.run(async () => (flag.aborted ? undefined : engine.complete(request, flag)));
		if (answer && !request.fresh) turns.whenIdle(QUIET_MS, (cancellation) => engine.prepareNext(request, answer, cancellation));
		return answer ?? null;
	} finally {
		gate.leave();
	}
}

async function openFolder({ folder, storePath }: FolderPlace): Promise<void> {
	const space = { spaceId: bundle.spaceId, bundleId: bundle.bundleId, dimension: bundle.manifest.embedder.dimension };
	const view = await openWorkspaceView({ storePath, bundle: space, pause: () => gate.idle(), logger });
	const before = folders.get(folder);
	const readFile = createReader(folder);
	const read = async (path: string) => readFile(path);
	const names = createNameUses();
	const copies = createRepositoryCopies({
		view,
		read,
		tokenizer: data.copy ? singleFlight(async () => createBlockTokenizer((await loaded()).models.tokenizer)) : undefined,
		observe(path, text) {
			const entities = view.file(path)?.entities ?? [];
			names.put(
				path,
				text,
				entities.map(({ name }) => name),
				entities.map(({ line }) => line),
			);
		},
		pause: () => gate.idle(),
		logger,
	});
	const project = async (nodes: readonly NodeId[]) => (await engineOf()).projectAhead(nodes, view);
	const projecting = createProjecting({ view, project, pause: () => gate.idle(), logger });
	folders.set(folder, { view, snippets: createSnippetSource({ view, read }), copies, names, projecting });
	follow({ copies, names, projecting }, 'all');
	await closeView(before);
}

/** What a request would have to wait for is made in the background. */
function follow({ copies, names, projecting }: Pick<OpenFolder, 'copies' | 'names' | 'projecting'>, paths: string[] | 'all'): void {
	copies.follow(paths);
	copies.settled().then(
		() => names.common(),
		() => {},
	);
	projecting.follow();
}

/** Closes the view of a folder that is no longer in the map, once no completion searches it any more. */
async function closeView(open: OpenFolder | undefined): Promise<void> {
	if (!open) return;
	await turns.run(async () => {});
	await close(open);
}

async function close({ view, copies, projecting }: OpenFolder): Promise<void> {
	await Promise.all([copies.close(), projecting.close()]);
	await view.close();
}

const methods: Local<CompletionWorkerMethods & CompletionWorkerEvents> = {
	async warmUp() {
		const started = performance.now();
		const { models, engine } = await loaded();
		await turns.run(async () => {
			await models.embedder();
			await models.projector('hef');
			const request: CompletionRequest = {
				uri: 'hef:warm-up',
				path: 'warm-up.ts',
				text: 'const ',
				offset: 6,
				context: 'none',
				multiLine: 'never',
				explicit: true,
				minConfidence: 0,
				fresh: true,
			};
			await engine.complete(request, neverCancelled);
		});
		const { manifest, bundleId } = bundle;
		return {
			bundle: { id: bundleId, name: manifest.name },
			executionProvider: models.executionProvider,
			loadMs: performance.now() - started,
		};
	},
	chooseExecutionProvider: async () => (await loaded()).models.chooseExecutionProvider(),
	openFolder: (place) => placed(() => openFolder(place)),
	closeFolder: (folder) =>
		placed(async () => {
			const open = folders.get(folder);
			folders.delete(folder);
			await closeView(open);
		}),
	async published(folder, paths) {
		await placing;
		const open = folders.get(folder);
		if (!open) return;
		const applied = open.view.apply(paths);
		follow(open, paths);
		await applied;
		open.snippets.invalidate(paths);
	},
	async prioritise(folder, paths) {
		await placing;
		folders.get(folder)?.copies.prioritise(paths);
	},
	async complete(request, cancelFlag) {
		const { engine } = await loaded();
		return complete(engine, request, new SharedFlag(cancelFlag));
	},
	recall: async (request) => (await loaded.current)?.engine.recall(request) ?? null,
	async prepare(request) {
		// Nothing is loaded for it alone.
		const engine = (await loaded.current)?.engine;
		if (engine) turns.whenIdle(0, (cancellation) => engine.prepare(request, cancellation));
	},
	vectorIndex: (folder) => folders.get(folder)?.view.report(),
	forget: (uri) => loaded().then(({ engine }) => engine.forget(uri)),
	async settled() {
		await placing;
		await Promise.all([...folders.values()].map(({ view }) => view.settled()));
	},
	async copied() {
		await placing;
		await Promise.all([...folders.values()].map(({ copies }) => copies.settled()));
	},
	async dispose() {
		await placing;
		// A warm-up that waits for the models takes its turn first.
		await loaded.current?.catch(() => {});
		await turns.run(async () => {
			await Promise.all([...folders.values()].map(close));
			folders.clear();
			await (await loaded.current)?.models.dispose();
		});
	},
};

const { emit } = connect<CompletionWorkerMethods & CompletionWorkerEvents, object, CompletionClientEvents>(parentPort, methods, (error) =>
	logger.error(messageOf(error)),
);
