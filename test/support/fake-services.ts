/**
 * Services without models or index: each call is written down, completions come from a function that the test gives, and
 * index events are fired by hand.
 */
import type { CompletionReport, Settings, StatusReport, UpdateReport, WorkspaceReport } from 'hef-shared';
import type { CompletionRequest } from '../../server/completion/types.ts';
import type { CreateServices, ServiceEvents, Services } from '../../server/services.ts';
import type { ClearedCache } from '../../server/store/cache-folder.ts';

export type FakeComplete = (request: CompletionRequest, signal?: AbortSignal) => Promise<CompletionReport | undefined>;

export interface FakeOptions {
	complete?: FakeComplete;
	recall?: (request: CompletionRequest) => CompletionReport | undefined;
	includes?: (folder: string, path: string, named?: string) => boolean | Promise<boolean>;
	/** Thrown by the start, while it is set. */
	startError?: Error | undefined;
	/** Opening a folder waits for it. */
	openGate?: Promise<void>;
	/** A comparison with the disk waits for it. */
	reconcileGate?: Promise<void>;
	/** What is told to have changed waits for it. */
	updateGate?: Promise<void>;
	/** The start waits for it. */
	startGate?: Promise<void>;
	/** Loading the models waits for it. */
	warmGate?: Promise<void>;
}

export interface FakeServices {
	createServices: CreateServices;
	/** Deletes no index, and says it did. */
	clearCache(folder: string, settings: Settings): Promise<ClearedCache>;
	/** `method argument …`, in order. */
	calls: string[];
	requests: CompletionRequest[];
	prepared: CompletionRequest[];
	/** `folder paths` of what should be indexed first, in order. */
	priorities: string[];
	/** The settings of each start. */
	starts: Settings[];
	/** Events of the services that run now. */
	readonly events: ServiceEvents;
	nRunning: number;
	options: FakeOptions;
}

/** A report that suggests `insertText` at the cursor; undefined suggests nothing. */
export function reportOf(insertText: string | undefined, { text, offset }: CompletionRequest): CompletionReport {
	const before = text.slice(0, offset).split(/\r\n|\r|\n/);
	const position = { line: before.length - 1, character: (before.at(-1) ?? '').length };
	return {
		items: insertText === undefined ? [] : [{ insertText, range: { start: position, end: position }, confidence: 0.9 }],
		suppressed: insertText === undefined ? 'empty' : null,
		nodes: [],
		tokens: { pseudo: 0, entities: 0, suffix: 0, prefix: 0, generated: 0 },
		timingsMs: { tokenize: 0, embed: 0, retrieve: 0, project: 0, prefill: 0, decode: 0, total: 0 },
		bundle: 'fake',
		executionProvider: 'cpu',
		context: 'hef',
	};
}

export const UPDATE: UpdateReport = {
	reason: 'start',
	filesChanged: 1,
	chunksEmbedded: 1,
	chunksReused: 0,
	nodesFused: 1,
	nodesReused: 0,
	nodesRemoved: 0,
	durationMs: 1,
};

export function createFakeServices(options: FakeOptions = {}): FakeServices {
	const calls: string[] = [];
	let events: ServiceEvents | undefined;
	const fake: FakeServices = {
		calls,
		requests: [],
		prepared: [],
		priorities: [],
		starts: [],
		nRunning: 0,
		options,
		get events() {
			if (!events) throw new Error('no services were started');
			return events;
		},
		async createServices(settings, nextEvents) {
			fake.starts.push(structuredClone(settings));
			await options.startGate;
			if (options.startError) throw options.startError;
			events = nextEvents;
			fake.nRunning++;
			return servicesOf(fake);
		},
		async clearCache(folder, { cacheFolder }) {
			calls.push(`clear ${folder} in ${cacheFolder}`);
			return { removed: [folder], inUse: [], freedBytes: 2_500_000 };
		},
	};
	return fake;
}

function servicesOf(fake: FakeServices): Services {
	const { calls, requests, prepared, priorities, options } = fake;
	const provider = { name: 'cpu', why: 'a fake' };
	const bundle = { id: 'fake-id', name: 'fake' };
	const open = new Set<string>();
	const called = (...words: string[]) => void calls.push(words.join(' '));
	const status = async (): Promise<StatusReport> => ({
		version: '0.0.0-test',
		bundle,
		executionProvider: provider,
		workspaces: [...open].map(folderReport),
		suppressed: {},
	});
	return {
		bundle,
		executionProvider: provider,
		async warmUp() {
			await options.warmGate;
			return { ...provider, loadMs: 1 };
		},
		async openFolder(folder) {
			called('open', folder);
			open.add(folder);
			await options.openGate;
		},
		async closeFolder(folder) {
			called('close', folder);
			open.delete(folder);
		},
		includes: (folder, path, named) => options.includes?.(folder, path, named) ?? true,
		async update(folder, paths, reason) {
			called('update', folder, paths.join(','), reason);
			await options.updateGate;
		},
		async reconcile(folder, reason) {
			called('reconcile', folder, reason);
			await options.reconcileGate;
		},
		prioritise: (folder, paths) => void priorities.push(`${folder} ${paths.join(',')}`),
		pause: async () => called('pause'),
		resume: async () => called('resume'),
		clear: async (folder) => called('clear', folder),
		searchable: async () => {},
		settled: async () => {},
		async complete(request, signal) {
			requests.push(request);
			return options.complete ? options.complete(request, signal) : reportOf('suggested', request);
		},
		recall: async (request) => options.recall?.(request),
		prepare: (request) => void prepared.push(request),
		forget: (uri) => called('forget', uri),
		report: async (folder) => folderReport(folder),
		codeFiles: async () => [],
		status,
		async dispose() {
			fake.nRunning--;
			called('dispose');
		},
	};
}

function folderReport(folder: string): WorkspaceReport {
	return {
		folder,
		state: 'ready',
		files: 1,
		searchable: 1,
		chunks: 1,
		nodes: 3,
		nodesByLevel: { chunk: 1, file: 1, directory: 0, repository: 1 },
		stale: 0,
		pending: 0,
		storeBytes: 0,
		hnsw: { size: 3, tombstones: 0, recallAt32: null },
		lastUpdate: UPDATE,
		skipped: {},
	};
}
