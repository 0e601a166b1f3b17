/**
 * A process whose cache lies on a small disk of its own, which it fills and frees. Prints what its index said after each step.
 * Arguments: the task, the disk, a folder to index. With TMPDIR on the same disk there is no room for a temporary index either.
 */
import { closeSync, openSync, rmSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { messageOf } from '../../server/base/errors.ts';
import { TICK_MS } from '../../server/indexing/role-upkeep.ts';
import { openStore } from '../../server/store/lmdb-store.ts';
import { DIMENSION, openEditorIndex, SPACE } from './editor-index.ts';
import { createManualClock } from './fakes.ts';

const [task = '', disk = '', folder = ''] = process.argv.slice(2);
const [cacheFolder, filler] = [join(disk, 'cache'), join(disk, 'filler')];
const PAGE = Buffer.alloc(4096);
const FILES = 120;

/** Takes all room but so much. */
function fill(leftBytes: number): void {
	const file = openSync(filler, 'a');
	try {
		while (writeSync(file, PAGE) > 0);
	} catch {
		// It is full.
	}
	closeSync(file);
	truncateSync(filler, statSync(filler).size - leftBytes);
}

const lines = (name: string) => Array.from({ length: 8 }, (_, line) => `def ${name}_${line}\n`).join('');
const writeSource = (name: string) => writeFileSync(join(folder, `${name}.py`), lines(name));

/** Opens stores with more and more room: what LMDB maps without having it would end this process. */
async function openStores(): Promise<string[]> {
	const outcomes: string[] = [];
	for (let pages = 0; pages < 40; pages++) {
		fill(pages * PAGE.length);
		const failure = await openStore({ folder: join(disk, `store-${pages}`), spaceId: SPACE, dimension: DIMENSION }).then(
			(store) => store.close(),
			messageOf,
		);
		outcomes.push(failure ?? 'open');
		rmSync(join(disk, `store-${pages}`), { recursive: true, force: true });
	}
	return outcomes;
}

/** Writes until that fails, again and again, as where a file may not become larger. */
async function writeOn(): Promise<Record<string, unknown>> {
	const store = await openStore({ folder: disk, spaceId: SPACE, dimension: DIMENSION });
	const failures: string[] = [];
	for (let i = 0; failures.length < 3; i++) {
		const text = `${i}`.repeat(20_000);
		await store.write({ meta: [[`${i}`, text]] }).catch((error: unknown) => failures.push(messageOf(error)));
	}
	const isRead = store.getMeta('0') !== undefined;
	await store.close();
	return { failures, isRead };
}

async function compact(): Promise<Record<string, unknown>> {
	const store = await openStore({ folder: join(disk, 'store'), spaceId: SPACE, dimension: DIMENSION });
	await store.write({ meta: [['key', 'value'.repeat(20_000)]] });
	fill(PAGE.length);
	const failure = await store.compact().then(() => undefined, messageOf);
	const isRead = store.getMeta('key') !== undefined;
	rmSync(filler);
	await store.compact();
	await store.write({ meta: [['after', 'value']] });
	const isReadAfter = store.getMeta('key') !== undefined && store.getMeta('after') !== undefined;
	await store.close();
	return { failure, isRead, isReadAfter };
}

async function useIndex(): Promise<Record<string, unknown>[]> {
	const clock = createManualClock();
	const story: Record<string, unknown>[] = [];
	const open = () => openEditorIndex({ folder, cacheFolder, clock });
	let editor = await open();
	const tell = (step: string, failure?: string) => {
		const { state, message, files, notices } = editor.index.report();
		const isCached = editor.index.storePath.startsWith(cacheFolder);
		story.push({ step, state, message, files, notices, isCached, failure, embedded: editor.embedded.splice(0).length });
	};
	const did = async (step: string, action: () => Promise<unknown>) => tell(step, await action().then(() => undefined, messageOf));
	const save = async (name: string, files: number) => {
		const names = Array.from({ length: files }, (_, i) => `${name}${i}`);
		for (const each of names) writeSource(each);
		await editor.index.request({ paths: names.map((each) => `${each}.py`), reason: 'save' });
	};
	const wait = async (seconds: number) => {
		for (let passed = 0; passed < seconds * 1000; passed += TICK_MS) {
			clock.advance(TICK_MS);
			for (let turn = 0; turn < 20; turn++) await nextTurn();
		}
		await editor.index.request({ paths: [], reason: 'command' }).catch(() => {});
	};

	for (let i = 0; i < FILES; i++) writeSource(`f${i}`);
	if (task === 'build') fill(200_000);
	await did('built', () => editor.refresh());
	if (task !== 'build') fill(0);
	if (task === 'save') await did('saved', () => save('saved', FILES));
	// What is free inside the file serves for a little.
	else if (task === 'build') await did('saved', () => save('saved', 1));
	if (task === 'clear') await did('cleared', () => editor.index.clear());
	if (task === 'restart') {
		await editor.index.close();
		editor = await open();
		await did('started', () => editor.refresh());
	}
	await wait(700);
	tell('waited');
	rmSync(filler);
	await wait(700);
	tell('freed');
	await did('saved again', () => save('again', FILES));
	await editor.index.close();
	return story;
}

const tasks: Record<string, () => Promise<unknown>> = { open: openStores, write: writeOn, compact };
process.stdout.write(JSON.stringify(await (tasks[task] ?? useIndex)()));
