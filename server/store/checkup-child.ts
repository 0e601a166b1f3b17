/**
 * A program: reads every entry of the environment named by its argument and writes one, and exits with
 * {@link DAMAGED_EXIT_CODE} when the pages are not in order. Nothing else is in this process, so it may crash.
 *
 * Values are not judged: each carries a checksum of its own, and is a miss where that fails.
 */
import { messageOf } from '../base/errors.ts';
import { DAMAGED_EXIT_CODE } from './checkup.ts';
import { type Environment, isDamage, openEnvironment } from './environment.ts';

/** Key order, and that each key is found from the root. Returns what is wrong. */
function findDisorder(database: Environment['files']): string | undefined {
	let previous: Buffer | undefined;
	let looked = 0;
	for (const { key, value } of database.getRange({ snapshot: false })) {
		if (previous && Buffer.compare(previous, key) >= 0) return 'its keys are out of order';
		previous = Buffer.from(key);
		if (value.length > 0 && value[value.length - 1] === undefined) return 'a value cannot be read';
		looked++;
	}
	return looked === database.getCount() ? undefined : 'entries are missing';
}

async function check(path: string): Promise<string | undefined> {
	const environment = openEnvironment(path);
	const disorder = findDisorder(environment.files) ?? findDisorder(environment.vectors);
	if (disorder) return disorder;
	for (const _ of environment.root.getRange({})) {
		// Reading is the point.
	}
	await environment.root.put('checked', String(Date.now()));
	await environment.root.flushed;
	await environment.root.close();
	return undefined;
}

try {
	const damage = await check(process.argv[2] ?? '');
	if (damage) throw new RangeError(damage);
} catch (error) {
	process.stderr.write(`${messageOf(error)}\n`);
	process.exit(error instanceof RangeError || isDamage(error) ? DAMAGED_EXIT_CODE : 1);
}
