/** The bundle of random weights in test/fixtures (see make_tiny_bundle.py), the shipped one, and copies to damage. */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { silentLogger } from '../../server/base/logger.ts';
import { loadBundle } from '../../server/inference/bundle.ts';
import { createModels, type ModelsOptions } from '../../server/inference/models.ts';
import type { Models, PromptPart } from '../../server/inference/types.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
export const fixturesFolder = join(root, 'test', 'fixtures');
export const tinyBundleFolder = join(fixturesFolder, 'tiny-bundle');
export const shippedBundleFolder = join(root, 'models', 'hef-nano');

/** What the exporter computed for a bundle (models/training/hef_training/goldens.py). */
export interface Goldens {
	tokenizer: { text: string; ids: number[] }[];
	embedder: { inputIds: number[]; pytorch: number[]; onnx: number[] }[];
	fuser: { children: number[][]; pytorch: number[]; onnx: number[] }[];
	projector: { nodes: number[][]; pytorch: number[][]; onnx: number[][] };
	generator: {
		text: string;
		nodes: number;
		inputIds: number[];
		topIds: number[];
		topLogits: number[];
		greedyOnnx: number[];
		greedyPytorch: number[];
	}[];
}

export async function readGoldens(folder: string): Promise<Goldens> {
	return JSON.parse(await readFile(join(folder, 'goldens.json'), 'utf8')) as Goldens;
}

/** Models on the CPU with one thread, unless said otherwise. */
export async function openModels(folder: string, options: Partial<ModelsOptions> = {}): Promise<Models> {
	return createModels(await loadBundle(folder), { executionProvider: 'cpu', threads: 1, logger: silentLogger, ...options });
}

/** A copy of the tiny bundle in a folder of its own, removed at the end of its `await using`. */
export async function copyTinyBundle(): Promise<AsyncDisposable & { folder: string }> {
	const parent = await mkdtemp(join(tmpdir(), 'hef-bundle-'));
	const folder = join(parent, 'copy');
	await cp(tinyBundleFolder, folder, { recursive: true });
	return { folder, [Symbol.asyncDispose]: () => rm(parent, { recursive: true }) };
}

/** Rewrites a bundle's manifest. */
export async function editManifest(folder: string, edit: (manifest: ManifestJson) => void): Promise<void> {
	const path = join(folder, 'manifest.json');
	const manifest = JSON.parse(await readFile(path, 'utf8')) as ManifestJson;
	edit(manifest);
	await writeFile(path, JSON.stringify(manifest));
}

// biome-ignore lint/suspicious/noExplicitAny: a manifest is edited into something that has no type
export type ManifestJson = any;

export function tokens(ids: readonly number[]): PromptPart {
	return { kind: 'tokens', ids };
}

export function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
	const dot = (x: ArrayLike<number>, y: ArrayLike<number>) => Array.from(x).reduce((sum, value, i) => sum + value * (y[i] as number), 0);
	return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
	if (a.length !== b.length) return Number.POSITIVE_INFINITY;
	return Array.from(a).reduce((largest, value, i) => Math.max(largest, Math.abs(value - (b[i] as number))), 0);
}
