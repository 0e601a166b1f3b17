/**
 * The life of the services behind one editor connection: started in the background, restarted when a setting that the
 * workers were made with changes, stopped when completions are switched off (off means no compute at all).
 *
 * Guarantees: the LSP thread never waits for a start; a failed start leaves a reason, not a dead server; after the death of a
 * worker the services are started again, once.
 *
 * Deliberately lacks: what is shown of all that (`activity.ts`), and any word of LSP.
 */
import { homedir } from 'node:os';
import { defaultSettings, type Settings, type StatusChangedParams, type StatusReport } from 'hef-shared';
import { HefError, messageOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { holdsHome, realPath } from '../base/paths.ts';
import { emptyReport } from '../indexing/status.ts';
import type { CreateServices, IndexProgress, ServiceEvents, Services } from '../services.ts';
import { Activity } from './activity.ts';
import { OpenDocuments } from './open-documents.ts';
import { folderOf, type Place, placeOf } from './places.ts';

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
	/** With their real paths. */
	const folders = new Map<string, string>();
	let reconciledAt = 0;
	const refusals: Record<string, number> = {};
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

	const activity = new Activity({ folders, changed: events.statusChanged, idle: events.idle });
	const documents = new OpenDocuments((uri) => placeOf(uri, folders));

	const idleReport = (folder: string) => {
		const { kind, message } = activity.state;
		return emptyReport(folder, kind === 'error' ? 'error' : 'off', message);
	};

	/** What services that are stopping still have to say changes nothing that is shown. */
	const serviceEvents: ServiceEvents = {
		progress(progress) {
			if (!services) return;
			activity.progress(progress);
			events.progress(progress);
		},
		updated(folder, update) {
			if (!services) return;
			logger.info(
				`${folder}: ${update.reason}: ${update.chunksEmbedded} chunks embedded, ${update.nodesFused} nodes fused, ${update.durationMs} ms`,
			);
			activity.updated(folder);
		},
		paused(folder, isPaused) {
			if (services) activity.pausedIn(folder, isPaused);
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
		activity.show({ kind: 'error', message });
		if (error instanceof HefError) events.problem(message);
		else logger.error(message);
	};

	const start = async () => {
		if (ended) return;
		if (!settings.enabled) return activity.show({ kind: 'off', message: 'Completions are switched off' });
		activity.loads();
		try {
			const started = await createServices(settings, serviceEvents);
			services = started;
			// One that is added from here on is opened when it is.
			const present = [...folders.keys()];
			if (activity.paused) await started.pause();
			for (const folder of present) if (folders.has(folder) && !activity.isOpening(folder)) void open(started, folder);
			const { name, why, loadMs } = await started.warmUp();
			logger.info(`bundle ${started.bundle.name} on ${name} (${why}) in ${Math.round(loadMs)} ms`);
			activity.loaded();
		} catch (error) {
			await stop();
			fail(error);
		}
	};

	const stop = async () => {
		const running = services;
		services = undefined;
		documents.forgetTold();
		activity.stopped();
		await running?.dispose();
	};

	/** Not awaited: a large folder is open long after the first completion. */
	const open = async (running: Services, folder: string): Promise<void> => {
		documents.tell(running, folder);
		activity.opens(folder);
		const failure = await running.openFolder(folder, { watch: true, exclude: settings.exclude }).then(() => undefined, messageOf);
		if (running !== services) return;
		if (failure !== undefined) serviceEvents.problem(failure);
		activity.opened(folder);
	};

	return {
		get settings() {
			return settings;
		},
		get services() {
			return services;
		},
		get state() {
			return activity.state;
		},
		get paused() {
			return activity.pausedAnywhere;
		},
		async pause() {
			activity.pause();
			await services?.pause();
			if (services) activity.showAnew();
		},
		async resume() {
			activity.resume();
			await services?.resume();
			if (services) activity.showAnew();
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
			const real = realPath(folder);
			if (holdsHome(real, realPath(homedir())))
				return events.problem(`${folder} is not indexed: it holds your home folder. Open the folder of a project instead.`);
			folders.set(folder, real);
			// A start that has no services yet opens it itself.
			if (services) void open(services, folder);
		},
		async removeFolder(uri) {
			const folder = folderOf(uri);
			if (folder === undefined || !folders.delete(folder)) return;
			await services?.closeFolder(folder).catch((error: unknown) => logger.warn(`${folder}: ${messageOf(error)}`));
			// Given back meanwhile.
			if (folders.has(folder)) return;
			if (services) activity.closed(folder);
		},
		locate: (uri) => placeOf(uri, folders),
		setOpenDocuments(uris) {
			documents.set(uris);
			if (services) for (const folder of folders.keys()) documents.tell(services, folder);
		},
		reconcile(reason) {
			// The clock that goes on while the machine sleeps. Whoever sets it costs one comparison more.
			const now = Date.now();
			if (Math.abs(now - reconciledAt) < RECONCILE_AGAIN_MS) return;
			reconciledAt = now;
			for (const folder of folders.keys()) {
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
			return {
				version,
				bundle: { id: '', name: settings.bundle },
				workspaces: [...folders.keys()].map(idleReport),
				suppressed: { ...refusals },
			};
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
