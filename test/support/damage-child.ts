/**
 * The process of one sequence of damages: builds an index, and then, round after round, changes bytes of its data file or cuts
 * it, starts anew, and compares every vector with what it was. Prints what became of each round, as JSON.
 *
 * Arguments: a folder to work in, the seed, the number of rounds.
 */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createHierarchy } from '../../server/hierarchy/hierarchy.ts';
import { openStoreReader } from '../../server/store/lmdb-store.ts';
import { isAtRest } from '../../server/store/rest.ts';
import { DIMENSION, openEditorIndex, SPACE } from './editor-index.ts';
import { createRandom, type Random } from './random.ts';

/** `kept`: what was damaged was in no use; `repaired`: all was read, some of it made again; `recovered`: a part was read. */
export type DamageOutcome = 'kept' | 'repaired' | 'recovered' | 'rebuilt';

const FILES = 60;
const PAGE = 4096;
const HEADER = 96;

function someBytesChanged(bytes: Buffer, round: number, random: Random): Buffer {
	// Anywhere, in page headers, and in the two pages that everything begins with.
	for (let i = 0; i < 1 + round; i++) {
		const page = round % 4 === 2 ? random.below(2) : random.below(bytes.length / PAGE);
		const at = page * PAGE + random.below(round % 4 === 0 ? PAGE : HEADER);
		bytes[at] = (bytes[at] as number) ^ (1 << random.below(8));
	}
	return bytes;
}

function damage(storePath: string, round: number, random: Random): void {
	const file = join(storePath, 'data.mdb');
	const bytes = readFileSync(file);
	if (round % 4 === 3) truncateSync(file, random.below(bytes.length));
	else writeFileSync(file, someBytesChanged(bytes, round, random));
}

/** Every vector that a node of the stored files needs; all of them are there. */
async function neededVectors(path: string): Promise<Map<string, Float32Array>> {
	const reader = openStoreReader({ path, spaceId: SPACE, dimension: DIMENSION });
	const hierarchy = createHierarchy({ spaceId: SPACE });
	for (const [file, { chunks }] of reader.files()) hierarchy.setFile(file, chunks);
	hierarchy.commit();
	const vectors = new Map<string, Float32Array>();
	for (const id of hierarchy.ids()) {
		const vector = reader.getVector(id);
		assert(vector, `the vector of ${id} is there`);
		vectors.set(id, vector);
	}
	await reader.close();
	return vectors;
}

function assertSame(actual: ReadonlyMap<string, Float32Array>, expected: ReadonlyMap<string, Float32Array>): void {
	assert.deepEqual([...actual.keys()].sort(), [...expected.keys()].sort());
	for (const [id, vector] of expected) {
		for (const [i, value] of vector.entries()) assert(Math.abs((actual.get(id)?.[i] as number) - value) < 0.01, `vector ${id} is its own`);
	}
}

async function startAnew(folder: string, cacheFolder: string): Promise<{ storePath: string; outcome: DamageOutcome }> {
	const editor = await openEditorIndex({ folder, cacheFolder });
	const update = await editor.refresh();
	const { state, files, pending, recovered, notices } = editor.index.report();
	assert.deepEqual({ state, files, pending, notices }, { state: 'ready', files: FILES, pending: 0, notices: undefined });
	// A write, on whatever is left.
	await editor.index.request({ paths: ['d0/f0.py'], reason: 'command' });
	const { storePath } = editor.index;
	await editor.index.close();
	assert(isAtRest(storePath), 'the store came to rest');
	const isPart = recovered?.join().includes('were kept');
	if (recovered) return { storePath, outcome: isPart ? 'recovered' : 'rebuilt' };
	return { storePath, outcome: update.chunksEmbedded + update.nodesFused + update.filesChanged > 0 ? 'repaired' : 'kept' };
}

const [work = '', seed = '1', rounds = '6'] = process.argv.slice(2);
const random = createRandom(Number(seed));
const [folder, cacheFolder] = [join(work, 'repository'), join(work, 'cache')];
for (let i = 0; i < FILES; i++) {
	mkdirSync(join(folder, `d${i % 5}`), { recursive: true });
	writeFileSync(join(folder, `d${i % 5}/f${i}.py`), Array.from({ length: 8 }, (_, line) => `def f${i}_${line}\n`).join(''));
}
let { storePath } = await startAnew(folder, cacheFolder);
const expected = await neededVectors(storePath);
const outcomes: DamageOutcome[] = [];
for (let round = 0; round < Number(rounds); round++) {
	damage(storePath, round, random);
	assert(!isAtRest(storePath), 'the damage shows');
	const after = await startAnew(folder, cacheFolder);
	storePath = after.storePath;
	outcomes.push(after.outcome);
	assertSame(await neededVectors(storePath), expected);
}
process.stdout.write(JSON.stringify(outcomes));
