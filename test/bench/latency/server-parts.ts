/**
 * The parts of the built server that the latency suite drives: the default bundle on the CPU with two threads, both workers
 * as the language server starts them. From `server/dist`, since a worker is a file of the build.
 */
import { fileURLToPath } from 'node:url';
import type { CompletionReport, ContextMode, Settings } from 'hef-shared';
import { defaultSettings } from 'hef-shared';
import type { CompletionRequest } from '../../../server/completion/types.ts';
import type { Bundle } from '../../../server/inference/bundle.ts';
import type { Services } from '../../../server/services.ts';
import type { Cursor } from './cursors.ts';

export const THREADS = 2;
export const root = fileURLToPath(new URL('../../..', import.meta.url));

/** A module of the build by its path below `server/`, without extension. */
export function built<Module>(path: string): Promise<Module> {
	return import(new URL(`../../../server/dist/${path}.js`, import.meta.url).href) as Promise<Module>;
}

export interface ServicesOptions {
	bundle: Bundle;
	cacheFolder: string;
	settings?: Partial<Settings>;
}

export async function startServices({ bundle, cacheFolder, settings = {} }: ServicesOptions): Promise<Services> {
	const { createServices } = await built<typeof import('../../../server/services.ts')>('services');
	const { silentLogger } = await built<typeof import('../../../server/base/logger.ts')>('base/logger');
	return createServices({
		bundle,
		settings: { ...defaultSettings(), executionProvider: 'cpu', maxThreads: THREADS, ...settings },
		cacheFolder,
		version: '0.0.0-bench',
		events: { progress() {}, updated() {}, problem: (message) => console.error(message) },
		logger: silentLogger,
	});
}

export interface StorePlace {
	bundle: Bundle;
	cacheFolder: string;
	/** The workspace folder. */
	folder: string;
}

/** Where a folder's index lies below a cache folder, and what its vectors are named by. */
export async function storeOptions({ bundle, cacheFolder, folder }: StorePlace) {
	const { workspaceCacheFolder } = await built<typeof import('../../../server/store/lmdb-store.ts')>('store/lmdb-store');
	const space = { spaceId: bundle.spaceId, dimension: bundle.manifest.embedder.dimension };
	return { ...space, folder: workspaceCacheFolder(cacheFolder, folder), workspaceFolder: folder };
}

/** What an editor asks while the user types: automatic, with the settings' defaults. */
export function requestAt(place: Omit<Cursor, 'gold'>, context: ContextMode, uri: string): CompletionRequest {
	const { folder, path, text, offset } = place;
	const { minConfidence, multiLine } = defaultSettings();
	return { uri, folder, path, text, offset, context, multiLine, minConfidence, explicit: false };
}

/** Whether the answer was decoded and not remembered. */
export function wasDecoded({ tokens, timingsMs }: CompletionReport): boolean {
	return tokens.generated > 0 || timingsMs.prefill > 0;
}

/** Whether the generator ran for the answer: what was decoded may all have been read for the keystrokes before. */
export function ranGenerator({ tokens }: CompletionReport): boolean {
	return (tokens.read ?? 0) > 0;
}
