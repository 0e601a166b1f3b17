/** Killing the indexing process at any moment loses no more than what was under way, and never a vector's truth. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createHierarchy } from '../../server/hierarchy/hierarchy.ts';
import { loadBundle } from '../../server/inference/bundle.ts';
import { existingStorePath, openStoreReader, workspaceCacheFolder } from '../../server/store/lmdb-store.ts';
import { createRandom, type Random } from '../support/random.ts';
import { temporaryFolder, writeFiles } from '../support/temporary-folder.ts';
import { tinyBundleFolder } from '../support/tiny-bundle.ts';

const ROUNDS = 6;
const program = new URL('../../server/bin/hef-language-server.js', import.meta.url).pathname;

function index(folder: string, cacheFolder: string) {
	return spawn(process.execPath, [program, 'index', folder, '--cache', cacheFolder, '--bundle', tinyBundleFolder, '--json'], {
		stdio: ['ignore', 'pipe', 'ignore'],
	});
}

async function indexToTheEnd(folder: string, cacheFolder: string): Promise<{ state: string; files: number }> {
	const child = index(folder, cacheFolder);
	let output = '';
	child.stdout.on('data', (piece) => {
		output += piece;
	});
	const [code] = await once(child, 'close');
	expect(code).toBe(0);
	return JSON.parse(output) as { state: string; files: number };
}

function someSource(random: Random): string {
	const functions = Array.from({ length: 1 + random.below(6) }, () => {
		const name = `f${random.below(1e6)}`;
		return `export function ${name}(a: number): number {\n\tconst twice = a * ${random.below(1e6)};\n\treturn twice + ${random.below(1e6)};\n}\n`;
	});
	return functions.join('\n');
}

/** Every vector of the tree that the store's records make, by id. */
async function vectorsIn(folder: string, cacheFolder: string): Promise<Map<string, Float32Array>> {
	const { spaceId, manifest } = await loadBundle(tinyBundleFolder);
	const path = existingStorePath(workspaceCacheFolder(cacheFolder, folder)) as string;
	const reader = openStoreReader({ path, spaceId, dimension: manifest.embedder.dimension });
	const hierarchy = createHierarchy({ spaceId });
	for (const [file, record] of reader.files()) hierarchy.setFile(file, record.chunks);
	hierarchy.commit();
	const vectors = new Map<string, Float32Array>();
	for (const id of hierarchy.ids()) {
		const vector = reader.getVector(id);
		expect(vector).toBeDefined();
		if (vector) vectors.set(id, vector);
	}
	await reader.close();
	return vectors;
}

test(`${ROUNDS} rounds of edits and kills end in the index that a build from scratch makes`, async () => {
	const random = createRandom(Date.now());
	const folder = temporaryFolder();
	const cacheFolder = temporaryFolder();
	for (let round = 0; round < ROUNDS; round++) {
		for (let i = 0; i < 40; i++) writeFiles(folder, { [`src/d${random.below(6)}/f${random.below(60)}.ts`]: someSource(random) });
		const child = index(folder, cacheFolder);
		const closed = once(child, 'close');
		await wait(300 + random.below(900));
		child.kill('SIGKILL');
		await closed;
	}
	const survived = await indexToTheEnd(folder, cacheFolder);
	expect(survived.state).toBe('ready');
	const fresh = temporaryFolder();
	const rebuilt = await indexToTheEnd(folder, fresh);
	expect(survived.files).toBe(rebuilt.files);

	const actual = await vectorsIn(folder, cacheFolder);
	const expected = await vectorsIn(folder, fresh);
	expect([...actual.keys()].sort()).toEqual([...expected.keys()].sort());
	for (const [id, vector] of expected) {
		const other = actual.get(id) as Float32Array;
		expect(vector.reduce((sum, value, i) => sum + value * (other[i] as number), 0)).toBeGreaterThan(0.999);
	}
}, 240_000);
