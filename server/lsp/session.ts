/**
 * The life of the services behind one editor connection: started in the background, restarted when a setting that the
 * workers were made with changes, stopped when completions are switched off (off means no compute at all).
 *
 * Guarantees: the LSP thread never waits for a start; a failed start leaves a reason, not a dead server; after the death of a
 * worker the services are started again, once.
 */
import { homedir } from 'node:os';
import { basename } from 'node:path';
import { defaultSettings, type Settings, type StatusChangedParams, type StatusReport } from 'hef-shared';
import { HefError, messageOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { emptyReport } from '../indexing/status.ts';
import type { CreateServices, IndexProgress, ServiceEvents, Services } from '../services.ts';
import { OpenDocuments } from './open-documents.ts';
import { folderOf, holdsHome, type Place, placeOf } from './places.ts';
import { progressText } from './progress.ts';

export interface SessionOptions {
	version: string;
	createServices: CreateServices;
	logger: Logger;
	events: {
		progress(progress: IndexProgress): void;
		/** Nothing of the folder is being indexed any more: done, closed or stopped. */
		idle(folder: string): void;
		/** For a message box. */
		problem(message: string): void;
		statusChanged(status: StatusChangedParams): void;
	};
}

export interface Session {
	readonly settings: Settings;
	/** Undefined while starting, off, or failed: {@link state} says which. */
	readonly services: Services | undefined;
	readonly state: StatusChangedParams;
	/** Whether indexing of some folder is paused, in this editor or in another one. */
	readonly paused: boolean;
	/** Stops indexing, also across restarts of the services, until {@link resume}. */
	pause(): Promise<void>;
	resume(): Promise<void>;
	/** Takes new settings and restarts what depends on them. */
	configure(settings: Settings): Promise<void>;
	addFolder(uri: string): Promise<void>;
	removeFolder(uri: string): Promise<void>;
	/**
	 * The workspace folder of a document and its path in there; the innermost of nested folders. What is not a file, but named
	 * like one of the folder (a new one that was not saved yet, a cell of a notebook), belongs to it too.
	 */
	locate(uri: string): Place;
	/** The documents that are open, the one looked at last first. */
	setOpenDocuments(uris: readonly string[]): void;
	/** Compares all folders with the disk, unless that was done a moment ago. */
	reconcile(reason: string): void;
	/** A request was answered with nothing before it reached the services. */
	countRefusal(reason: string): void;
	status(): Promise<StatusReport>;
	/** Stops the services for good. */
	dispose(): Promise<void>;
	/** Whether that was asked for. */
	readonly ended: boolean;
	/** Runs a task after the starts and stops of services that are under way, and before later ones. */
	whileStill<T>(task: () => Promise<T>): Promise<T>;
}

/** A comparison with the disk is not repeated so soon. */
const RECONCILE_AGAIN_MS = 10_000;

const LOADING: StatusChangedParams = { kind: 'starting', message: 'Loading the models' };

/** Settings that the workers are made with. */
const RESTARTING: readonly (keyof Settings)[] = [
	'enabled',
	'bundle',
	'executionProvider',
	'cacheFolder',
	'cacheBudgetBytes',
	'maxThreads',
	'throttleOnBattery',
	'unloadAfterMinutes',
	'copy',
	'exclude',
	'trace',
];

export function createSession({ version, createServices, logger, events }: SessionOptions): Session {
	let settings = defaultSettings();
	let services: Services | undefined;
	let state: StatusChangedParams = { kind: 'starting', message: 'Starting' };
	const folders = new Set<string>();
	/** Folders whose index completion does not have yet. */
	const opening = new Set<string>();
	/** Folders being indexed. */
	const indexing = new Set<string>();
	/** Asked for in this editor: folders that are opened later are paused too. */
	let paused = false;
	/** Folders whose indexing is paused, here or in another editor. */
	const pausedFolders = new Set<string>();
	let reconciledAt = 0;
	const refusals: Record<string, number> = {};
	/** Models are being loaded, while folders are opened already. */
	let loading = false;
	let begun = false;
	let ended = false;
	/** Services whose worker died are started again once, so that a crash that comes back does not go on for ever. */
	let mayRevive = true;
	/** Starts and stops run one after the other. */
	let tail: Promise<void> = Promise.resolve();
	const inTurn = (task: () => Promise<void>) => {
		tail = tail.then(task).catch((error: unknown) => logger.error(messageOf(error)));
		return tail;
	};

	const setState = (next: StatusChangedParams) => {
		state = next;
		events.statusChanged(next);
	};

	const documents = new OpenDocuments((uri) => placeOf(uri, folders));

	const idleReport = (folder: string) => emptyReport(folder, state.kind === 'error' ? 'error' : 'off', state.message);

	const allPaused = () => paused || (pausedFolders.size > 0 && [...folders].every((folder) => pausedFolders.has(folder)));

	const showReady = () => {
		if (loading) setState(LOADING);
		else if (allPaused()) setState({ kind: 'paused', message: 'Indexing is paused' });
		else if (opening.size + indexing.size === 0) setState({ kind: 'ready', message: 'Ready' });
	};

	const showResumed = () => {
		if (!services || state.kind === 'starting') return;
		if (!allPaused() && opening.size + indexing.size > 0) setState({ kind: 'indexing', message: 'Indexing' });
		else showReady();
	};

	const idle = (folder: string) => {
		indexing.delete(folder);
		events.idle(folder);
	};

	/** What services that are stopping still have to say changes no state. */
	const serviceEvents: ServiceEvents = {
		progress(progress) {
			if (!services) return;
			const share = progress.filesTotal === 0 ? 1 : progress.filesDone / progress.filesTotal;
			indexing.add(progress.folder);
			const { filesDone, filesTotal, remainingMs } = progress;
			if (!allPaused())
				setState({ kind: 'indexing', message: `Indexing ${progressText({ filesDone, filesTotal, remainingMs })}`, progress: share });
			events.progress(progress);
		},
		updated(folder, update) {
			if (!services) return;
			logger.info(
				`${folder}: ${update.reason}: ${update.chunksEmbedded} chunks embedded, ${update.nodesFused} nodes fused, ${update.durationMs} ms`,
			);
			idle(folder);
			showReady();
		},
		paused(folder, isPaused) {
			if (!services) return;
			if (isPaused) pausedFolders.add(folder);
			else {
				pausedFolders.delete(folder);
				paused = false;
			}
			if (allPaused() && state.kind !== 'starting') showReady();
			else showResumed();
		},
		problem: (message) => {
			logger.warn(message);
			events.problem(message);
		},
		died(message) {
			const dead = services;
			if (!dead) return;
			logger.error(message);
			const revive = mayRevive;
			mayRevive = false;
			void inTurn(async () => {
				if (services !== dead) return;
				await stop();
				if (revive) return start();
				fail(new HefError('inference-failed', `${message}; restart the server to try again, or change a setting`));
			});
		},
	};

	const fail = (error: unknown) => {
		const message = messageOf(error);
		setState({ kind: 'error', message });
		if (error instanceof HefError) events.problem(message);
		else logger.error(message);
	};

	const start = async () => {
		if (ended) return;
		if (!settings.enabled) return setState({ kind: 'off', message: 'Completions are switched off' });
		loading = true;
		setState(LOADING);
		try {
			const started = await createServices(settings, serviceEvents);
			services = started;
			// One that is added from here on is opened when it is.
			const present = [...folders];
			if (paused) await started.pause();
			for (const folder of present) if (folders.has(folder) && !opening.has(folder)) void open(started, folder);
			const { name, why, loadMs } = await started.warmUp();
			logger.info(`bundle ${started.bundle.name} on ${name} (${why}) in ${Math.round(loadMs)} ms`);
			loading = false;
			showReady();
		} catch (error) {
			await stop();
			fail(error);
		}
	};

	const stop = async () => {
		const running = services;
		services = undefined;
		opening.clear();
		pausedFolders.clear();
		documents.forgetTold();
		for (const folder of indexing) idle(folder);
		await running?.dispose();
	};

	/** Not awaited: a large folder is open long after the first completion. */
	const open = async (running: Services, folder: string): Promise<void> => {
		opening.add(folder);
		documents.tell(running, folder);
		if (!allPaused()) setState({ kind: 'indexing', message: `Opening ${basename(folder)}` });
		try {
			await running.openFolder(folder, { watch: true, exclude: settings.exclude });
		} catch (error) {
			if (running === services) serviceEvents.problem(messageOf(error));
		}
		if (running !== services) return;
		opening.delete(folder);
		showReady();
	};

	return {
		get settings() {
			return settings;
		},
		get services() {
			return services;
		},
		get state() {
			return state;
		},
		get paused() {
			return paused || pausedFolders.size > 0;
		},
		async pause() {
			paused = true;
			await services?.pause();
			if (services && state.kind !== 'starting') showReady();
		},
		async resume() {
			paused = false;
			await services?.resume();
			showResumed();
		},
		configure(next) {
			const restart = !begun || RESTARTING.some((key) => JSON.stringify(next[key]) !== JSON.stringify(settings[key]));
			begun = true;
			settings = next;
			if (!restart) return Promise.resolve();
			mayRevive = true;
			return inTurn(async () => {
				await stop();
				await start();
			});
		},
		async addFolder(uri) {
			const folder = folderOf(uri);
			if (folder === undefined || folders.has(folder)) return;
			if (holdsHome(folder, homedir()))
				return events.problem(`${folder} is not indexed: it holds your home folder. Open the folder of a project instead.`);
			folders.add(folder);
			// A start that has no services yet opens it itself.
			if (services) void open(services, folder);
		},
		async removeFolder(uri) {
			const folder = folderOf(uri);
			if (folder === undefined || !folders.delete(folder)) return;
			await services?.closeFolder(folder).catch((error: unknown) => logger.warn(`${folder}: ${messageOf(error)}`));
			// Given back meanwhile.
			if (folders.has(folder)) return;
			opening.delete(folder);
			pausedFolders.delete(folder);
			if (indexing.has(folder)) idle(folder);
			if (services) showReady();
		},
		locate: (uri) => placeOf(uri, folders),
		setOpenDocuments(uris) {
			documents.set(uris);
			if (services) for (const folder of folders) documents.tell(services, folder);
		},
		reconcile(reason) {
			// The clock that goes on while the machine sleeps. Whoever sets it costs one comparison more.
			const now = Date.now();
			if (Math.abs(now - reconciledAt) < RECONCILE_AGAIN_MS) return;
			reconciledAt = now;
			for (const folder of folders) {
				services?.reconcile(folder, reason).catch((error: unknown) => logger.warn(`${folder}: ${messageOf(error)}`));
			}
		},
		countRefusal(reason) {
			refusals[reason] = (refusals[reason] ?? 0) + 1;
		},
		async status() {
			if (services) {
				const report = await services.status();
				return { ...report, suppressed: sum(report.suppressed ?? {}, refusals) };
			}
			return { version, bundle: { id: '', name: settings.bundle }, workspaces: [...folders].map(idleReport), suppressed: { ...refusals } };
		},
		dispose() {
			ended = true;
			return inTurn(stop);
		},
		get ended() {
			return ended;
		},
		whileStill: (task) => new Promise((resolve, reject) => void inTurn(() => task().then(resolve, reject))),
	};
}

function sum(a: Record<string, number>, b: Record<string, number>): Record<string, number> {
	const total = { ...a };
	for (const [key, n] of Object.entries(b)) total[key] = (total[key] ?? 0) + n;
	return total;
}
