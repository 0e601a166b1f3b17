/**
 * A program: reads every entry of the environment named by its first argument, in order, and prints its {@link Findings}. With a
 * third argument it copies every entry that is intact into a new environment there. Exits with {@link UNREADABLE_EXIT_CODE}
 * when nothing can be read. Nothing else is in this process, so it may crash; the second argument says after how many
 * milliseconds it ends itself, should nobody be there any more to end it.
 *
 * An entry is intact when it passes the checksum that covers its key. Of a database that is out of order, what comes before the
 * disorder is taken.
 */
import { Worker } from 'node:worker_threads';
import { messageOf } from '../base/errors.ts';
import { type Findings, UNREADABLE_EXIT_CODE } from './checkup.ts';
import { isSealed, META_PREFIX, unsealText } from './codec.ts';
import { syncData } from './environment.ts';
import { type Environment, openEnvironment } from './open-environment.ts';
import { noteRest } from './rest.ts';

type Binary = Environment['files'];
type Entry = { key: Buffer; value: Buffer };

/** Entries of one transaction. */
const BATCH_ENTRIES = 10_000;
const DATABASES = ['vectors', 'files'] as const;
type Name = (typeof DATABASES)[number];
/** Written by the store as they are, and compared as a whole. */
const PLAIN_KEYS = ['schema', 'space'];

function* intactEntries(source: Environment, name: Name, findings: Findings): Generator<Entry> {
	const database = source[name] as Binary | undefined;
	if (!database) {
		// The store makes both before it says anything of itself: the name of this one changed.
		if ([...source.root.getKeys()].some((key) => !DATABASES.includes(key as Name))) throw new Error(`its ${name} are missing`);
		return;
	}
	let previous: Buffer | undefined;
	let seen = 0;
	for (const entry of database.getRange({ snapshot: false })) {
		const key = Buffer.from(entry.key);
		if (previous && Buffer.compare(previous, key) >= 0) throw new Error('its keys are out of order');
		previous = key;
		seen++;
		const value = Buffer.from(entry.value.subarray(0, entry.value.length));
		if (isSealed(key, value)) {
			findings.intact++;
			yield { key, value };
		} else findings.damaged++;
	}
	if (seen !== database.getCount()) throw new Error('entries are missing');
}

/** What can be read, in batches; the first failure ends it and is noted. */
function* batchesOf(source: Environment, name: Name, findings: Findings): Generator<Entry[]> {
	let batch: Entry[] = [];
	try {
		for (const entry of intactEntries(source, name, findings)) {
			batch.push(entry);
			if (batch.length < BATCH_ENTRIES) continue;
			yield batch;
			batch = [];
		}
	} catch (error) {
		findings.disorder ??= messageOf(error);
	}
	yield batch;
}

/** What the store says of itself. Metadata that fails its checksum is left out. */
function metadata({ root }: Environment, findings: Findings): [key: string, value: string][] {
	const entries: [string, string][] = [];
	try {
		for (const key of root.getKeys()) {
			const value = root.get(key);
			if (value === undefined) continue;
			const isIntact = PLAIN_KEYS.includes(key) || (key.startsWith(META_PREFIX) && unsealText(key, value) !== undefined);
			if (isIntact) entries.push([key, value]);
		}
	} catch (error) {
		findings.disorder ??= messageOf(error);
	}
	return entries;
}

function read(source: Environment, target: Environment | undefined): Findings {
	const findings: Findings = { intact: 0, damaged: 0 };
	for (const name of DATABASES) {
		for (const batch of batchesOf(source, name, findings)) {
			target?.root.transactionSync(() => {
				// In order, and so packed without gaps.
				for (const { key, value } of batch) target[name].putSync(key, value, { append: true });
			});
		}
	}
	const meta = metadata(source, findings);
	target?.root.transactionSync(() => {
		for (const [key, value] of meta) target.root.putSync(key, value);
	});
	return findings;
}

function orExit<T>(code: number, action: () => T): T {
	try {
		return action();
	} catch (error) {
		process.stderr.write(`${messageOf(error)}\n`);
		process.exit(code);
	}
}

/** LMDB may hold this thread for ever: another one watches the time. */
function endAfter(ms: string): void {
	const source = `setTimeout(() => process.kill(process.pid, 'SIGKILL'), ${Number(ms)})`;
	new Worker(source, { eval: true }).unref();
}

const [path = '', deadlineMs = '', copy] = process.argv.slice(2);
endAfter(deadlineMs);
const source = orExit(UNREADABLE_EXIT_CODE, () => openEnvironment(path, { readOnly: true }));
const target = copy === undefined ? undefined : orExit(1, () => openEnvironment(copy, { noSync: true }));
const findings = orExit(1, () => read(source, target));
if (target) {
	await target.root.close();
	syncData(target.path);
	noteRest(target.path, 0);
}
process.stdout.write(JSON.stringify(findings));
