/**
 * A process that opens environments while it writes to them: readers of a store, and a folder that borrows from another one.
 * Prints how often it read what was written, or what it had to embed. Arguments: a folder to work in, the task, the number of rounds.
 */
import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { openStore, openStoreReader, workspaceCacheFolder } from '../../server/store/lmdb-store.ts';
import { DIMENSION, openEditorIndex, SPACE } from './editor-index.ts';

const FILES = 12;
/** A write waits for this thread some turns after it was asked for. */
const TURNS = 6;

async function readWhileWriting(folder: string, rounds: number): Promise<number> {
	const space = { spaceId: SPACE, dimension: DIMENSION };
	const store = await openStore({ folder, ...space });
	let read = 0;
	for (let round = 0; round < rounds; round++) {
		const written = store.write({ meta: [['round', String(round)]] });
		for (let turn = 0; turn < round % TURNS; turn++) await nextTurn();
		const reader = openStoreReader({ path: store.path, ...space });
		await written;
		reader.refresh();
		if (reader.getMeta('round') === String(round)) read++;
		await reader.close();
	}
	await store.close();
	return read;
}

const lines = (name: string) => Array.from({ length: 8 }, (_, line) => `def ${name}_${line}\n`).join('');

function writeRepository(folder: string): void {
	mkdirSync(folder, { recursive: true });
	for (let i = 0; i < FILES; i++) writeFileSync(join(folder, `f${i}.py`), lines(`f${i}`));
}

/** Checkouts of one repository: files are saved in all but one, while that one is indexed for the first time, over and over. */
async function borrowWhileWriting(work: string, rounds: number): Promise<number> {
	const [borrowing, cacheFolder] = [join(work, 'borrowing'), join(work, 'cache')];
	const owning = [1, 2, 3].map((number) => join(work, `owning${number}`));
	for (const folder of [borrowing, ...owning]) writeRepository(folder);
	const owners = await Promise.all(owning.map((folder) => openEditorIndex({ folder, cacheFolder })));
	for (const { refresh } of owners) await refresh();
	let [embedded, isDone] = [0, false];
	const saving = owners.map(async ({ index }, i) => {
		for (let saves = 0; !isDone; saves++) {
			writeFileSync(join(owning[i] as string, 'saved.py'), lines(`saved${saves}`));
			await index.request({ paths: ['saved.py'], reason: 'save' });
		}
	});
	for (let round = 0; round < rounds; round++) {
		rmSync(workspaceCacheFolder(cacheFolder, borrowing), { recursive: true, force: true });
		const borrower = await openEditorIndex({ folder: borrowing, cacheFolder });
		await borrower.refresh();
		embedded += borrower.embedded.length;
		await borrower.index.close();
	}
	isDone = true;
	await Promise.all(saving);
	for (const { index } of owners) {
		assert.equal(index.report().files, FILES + 1);
		await index.close();
	}
	return embedded;
}

const [work = '', task = '', rounds = ''] = process.argv.slice(2);
const outcome =
	task === 'read' ? { read: await readWhileWriting(work, Number(rounds)) } : { embedded: await borrowWhileWriting(work, Number(rounds)) };
process.stdout.write(JSON.stringify(outcome));
