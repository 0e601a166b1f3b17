/** A disk that is really full: in processes of their own, for what LMDB does then once ended the process, or never came to an end. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import { bundleProgram } from '../support/program.ts';
import { mayMount } from '../support/small-disk.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const PATIENCE_MS = 80_000;
const TEST_MS = 100_000;
/** Rooms for a temporary index: on another disk, or none but on the full one. */
const ELSEWHERE = '';
const SAME_DISK = 'mkdir "$2/tmp"; export TMPDIR="$2/tmp";';

/** What `full-disk-child` says. `$2` of the script is a folder for the cache. */
async function run(task: string, script: string, isMounting = true): Promise<unknown> {
	const program = await bundleProgram('full-disk-child');
	onTestFinished(program.remove);
	const disk = temporaryFolder();
	const shell = ['bash', '-c', `${script} exec "${process.execPath}" "$0" "$1" "$2" "$3"`, program.path, task, disk, temporaryFolder()];
	const [name, ...args] = (isMounting ? ['unshare', '-Urm', ...shell] : shell) as [string, ...string[]];
	const { stdout } = await promisify(execFile)(name, args, { timeout: PATIENCE_MS, killSignal: 'SIGKILL' });
	return JSON.parse(stdout);
}

const onSmallDisk = (task: string, temporary: string) => run(task, `mount -t tmpfs -o size=40m tmpfs "$2" || exit 99; ${temporary}`);

/** Each step of a story by its name. */
async function stepsOf(task: string, temporary: string): Promise<Record<string, unknown>> {
	const story = (await onSmallDisk(task, temporary)) as { step: string }[];
	return Object.fromEntries(story.map(({ step, ...rest }) => [step, rest]));
}

const isFull = expect.stringMatching(/Cache folder .*: the disk is full: free it.*hef\.cacheFolder/);

test.skipIf(process.platform === 'win32')(
	'where a file may not become larger, each write fails, what was written is read, and the store closes',
	async () => {
		const large = expect.stringMatching(/Cache folder .*: .*hef\.cacheFolder/);
		expect(await run('write', 'ulimit -f 1000;', false)).toEqual({ failures: [large, large, large], isRead: true });
	},
	TEST_MS,
);

describe.skipIf(!mayMount)('a small disk, where this user may mount one', () => {
	test(
		'a store is opened with any number of pages left: it opens, or the disk is full',
		async () => {
			const outcomes = (await onSmallDisk('open', ELSEWHERE)) as string[];
			const opened = outcomes.indexOf('open');
			expect(opened).toBeGreaterThan(0);
			expect(outcomes).toEqual(outcomes.map((_, pages) => (pages < opened ? isFull : 'open')));
		},
		TEST_MS,
	);

	test(
		'a store that cannot be compacted stays as it is',
		async () => {
			expect(await onSmallDisk('compact', ELSEWHERE)).toEqual({ failure: isFull, isRead: true, isReadAfter: true });
		},
		TEST_MS,
	);

	test(
		'full in the middle of a build: a temporary index goes on with what the cache has, and the cache is used again once it can be',
		async () => {
			const aside = {
				state: 'ready',
				isCached: false,
				notices: [expect.stringMatching(/the disk is full.*temporary folder until there is room/)],
			};
			const steps = await stepsOf('build', ELSEWHERE);
			expect(steps).toMatchObject({
				built: { ...aside, files: 120 },
				waited: { ...aside, files: 121, embedded: 0 },
				freed: { state: 'ready', isCached: true, files: 121 },
				'saved again': { state: 'ready', isCached: true, files: 241, embedded: 480 },
			});
			expect(steps.freed).not.toHaveProperty('notices');
			expect((steps.built as { embedded: number }).embedded).toBeLessThan(2 * 480);
		},
		TEST_MS,
	);

	test(
		'full in the middle of a build, without room for a temporary index: what is stored serves, and the rest follows once there is room',
		async () => {
			const { built, ...steps } = await stepsOf('build', SAME_DISK);
			expect(built).toMatchObject({ state: 'error', message: isFull, failure: isFull, isCached: true });
			expect((built as { files: number }).files).toBeGreaterThan(0);
			expect(steps).toMatchObject({
				waited: { state: 'error', message: isFull, isCached: true, embedded: 0 },
				freed: { state: 'ready', files: 121 },
				'saved again': { files: 241, embedded: 480 },
			});
		},
		TEST_MS,
	);

	test.each([
		['elsewhere', ELSEWHERE, { saved: { state: 'ready', files: 240, isCached: false }, freed: { files: 240, isCached: true } }],
		['nowhere', SAME_DISK, { saved: { state: 'error', message: isFull, isCached: true }, freed: { state: 'ready', files: 240 } }],
	])(
		'full when files are saved, with room %s',
		async (_, temporary, expected) => {
			expect(await stepsOf('save', temporary)).toMatchObject({
				...expected,
				'saved again': { state: 'ready', files: 360, isCached: true },
			});
		},
		TEST_MS,
	);

	test(
		'an index on a full disk is emptied, and filled again',
		async () => {
			expect(await stepsOf('clear', SAME_DISK)).toMatchObject({
				cleared: { state: 'ready', files: 0, isCached: true },
				'saved again': { state: 'ready', files: 120, isCached: true },
			});
		},
		TEST_MS,
	);

	test(
		'a start on a full disk serves what is stored',
		async () => {
			expect(await stepsOf('restart', SAME_DISK)).toMatchObject({
				started: { state: 'ready', files: 120, isCached: true, embedded: 0 },
				'saved again': { state: 'ready', files: 240, embedded: 480 },
			});
		},
		TEST_MS,
	);
});
