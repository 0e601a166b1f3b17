import { EventEmitter } from 'node:events';
import { renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { ChokidarOptions, FSWatcher } from 'chokidar';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type Clock, systemClock } from '../../server/base/clock.ts';
import { silentLogger } from '../../server/base/logger.ts';
import { createBatcher } from '../../server/workspace/batcher.ts';
import { silentFileSystem } from '../../server/workspace/file-systems.ts';
import type { ChangeReason } from '../../server/workspace/types.ts';
import { watchFolder } from '../../server/workspace/watch.ts';
import { createWorkspace } from '../../server/workspace/workspace.ts';
import { temporaryFolder, writeFiles } from '../support/temporary-folder.ts';

interface Change {
	paths: string[];
	reason: ChangeReason;
}

/** Watches a folder that holds the files. `until` resolves with all changes so far once one names the path. */
async function watched(files: Record<string, string>, folder = temporaryFolder(files)) {
	const workspace = await createWorkspace(folder, { useGlobalGitExcludes: false, clock: hastyClock });
	const changes: Change[] = [];
	const news = new EventEmitter();
	const stop = await workspace.watch(
		(paths, reason) => {
			changes.push({ paths, reason });
			news.emit('change');
		},
		(message) => {
			throw new Error(message);
		},
	);
	onTestFinished(stop);
	const until = async (path: string): Promise<Change[]> => {
		while (!changes.some(({ paths }) => paths.includes(path))) await new Promise((resolve) => news.once('change', resolve));
		return changes.splice(0);
	};
	const untilMissed = async (): Promise<void> => {
		while (!changes.some(({ reason }) => reason === 'missed')) await new Promise((resolve) => news.once('change', resolve));
		changes.splice(0);
	};
	return { folder, workspace, until, untilMissed };
}

/** Waits for a fifth of the time. */
const hastyClock: Clock = { ...systemClock, schedule: (ms, callback) => systemClock.schedule(ms / 5, callback) };

/** A clock that only `advance` moves. */
function manualClock(): Clock & { advance(ms: number): void } {
	let now = 0;
	const timers = new Set<{ at: number; callback: () => void }>();
	return {
		now: () => now,
		elapsed: () => now,
		schedule(ms, callback) {
			const timer = { at: now + ms, callback };
			timers.add(timer);
			return () => timers.delete(timer);
		},
		advance(ms) {
			now += ms;
			for (const timer of [...timers]) {
				if (timer.at > now) continue;
				timers.delete(timer);
				timer.callback();
			}
		},
	};
}

describe('changes on disk', () => {
	test('a file made, changed and removed; what is ignored stays silent', async () => {
		const { folder, until } = await watched({ 'a.ts': 'x', '.gitignore': 'gen/\n', 'node_modules/m/a.js': 'x' });
		writeFiles(folder, { 'gen/a.ts': 'x', 'node_modules/m/a.js': 'y', '.env': 'x', 'photo.png': 'x', 'sub/b.ts': 'x' });
		expect((await until('sub/b.ts')).flatMap(({ paths }) => paths)).toEqual(['sub/b.ts']);
		writeFiles(folder, { 'a.ts': 'changed' });
		expect(await until('a.ts')).toEqual([{ paths: ['a.ts'], reason: 'files' }]);
		rmSync(join(folder, 'sub'), { recursive: true });
		expect(await until('sub/b.ts')).toEqual([{ paths: ['sub/b.ts'], reason: 'files' }]);
	});

	test('a burst is one batch', async () => {
		const { folder, until } = await watched({});
		const files = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`f${i}.ts`, 'x']));
		writeFiles(folder, files);
		const changes = await until('f49.ts');
		expect(changes).toHaveLength(1);
		expect(changes[0]?.paths.sort()).toEqual(Object.keys(files).sort());
	});

	test('an ignore file changes the rules at once', async () => {
		const { folder, workspace, until } = await watched({ 'sub/a.ts': 'x' });
		expect(workspace.includes('sub/a.ts')).toBe(true);
		writeFiles(folder, { 'sub/.gitignore': 'a.ts\n' });
		expect((await until('sub/.gitignore')).map(({ reason }) => reason)).toEqual(['rules']);
		expect(workspace.includes('sub/a.ts')).toBe(false);
	});

	test('a folder that is ignored no more is watched', async () => {
		const { folder, until, untilMissed } = await watched({ '.gitignore': 'gen/\n', 'src/gen/deep/a.ts': 'x', 'src/b.ts': 'x' });
		writeFiles(folder, { '.gitignore': '' });
		// What changes until it is watched anew is found by a comparison.
		await untilMissed();
		writeFiles(folder, { 'src/gen/deep/a.ts': 'changed' });
		expect((await until('src/gen/deep/a.ts')).flatMap(({ paths }) => paths)).toContain('src/gen/deep/a.ts');
	});

	test('another branch', async () => {
		const { folder, until } = await watched({ '.git/HEAD': 'ref: refs/heads/main\n', '.git/objects/ab/c': 'x' });
		writeFiles(folder, { '.git/objects/ab/d': 'x', '.git/index': 'x', '.git/HEAD': 'ref: refs/heads/other\n' });
		expect(await until('.git/HEAD')).toEqual([{ paths: ['.git/HEAD'], reason: 'branch' }]);
	});
});

describe('what is watched is replaced', () => {
	const move = (folder: string) => renameSync(folder, `${folder}.old`);
	const remove = (folder: string) => rmSync(folder, { recursive: true });

	test.each([
		['removed', remove],
		['moved away', move],
	])('the folder is %s, and made again later', async (_, take) => {
		const { folder, until, untilMissed } = await watched({ 'a.ts': 'x', 'sub/b.ts': 'x' });
		take(folder);
		await until('sub/b.ts');
		writeFiles(folder, { 'a.ts': 'x', 'sub/b.ts': 'x' });
		await untilMissed();
		writeFiles(folder, { 'sub/b.ts': 'changed' });
		await until('sub/b.ts');
	});

	test.each([
		['the folder', 'removed', '', 'a.ts', remove],
		['the folder', 'moved away', '', 'sub/in/a.ts', move],
		['a folder in it', 'moved away', 'sub', 'sub/in/a.ts', move],
	])('%s is %s, and another is there before anybody looks', async (_what, _how, path, file, take) => {
		const { folder, until, untilMissed } = await watched({ [file]: 'x' });
		take(join(folder, path));
		writeFiles(folder, { [file]: 'x' });
		await untilMissed();
		writeFiles(folder, { [file]: 'changed' });
		await until(file);
	});

	test('the folder is there only later', async () => {
		const folder = join(temporaryFolder(), 'later');
		const { until, untilMissed } = await watched({}, folder);
		writeFiles(folder, { 'a.ts': 'x' });
		await untilMissed();
		writeFiles(folder, { 'a.ts': 'changed' });
		await until('a.ts');
	});
});

test('a folder that is a link', async () => {
	const [folder, link] = [temporaryFolder({ 'sub/a.ts': 'x' }), join(temporaryFolder(), 'link')];
	symlinkSync(folder, link);
	const { until } = await watched({}, link);
	writeFiles(folder, { 'sub/a.ts': 'changed' });
	expect(await until('sub/a.ts')).toEqual([{ paths: ['sub/a.ts'], reason: 'files' }]);
});

test('without file watches left, the user is told once and polling takes over', async () => {
	const opened: { options: ChokidarOptions; watcher: EventEmitter & { close(): Promise<void> } }[] = [];
	const problems: string[] = [];
	const changes: string[][] = [];
	const clock = manualClock();
	const watching = watchFolder({
		folder: '/w',
		ignores: () => false,
		readRules: async () => {},
		onChange: (paths) => changes.push(paths),
		onProblem: (message) => void problems.push(message),
		clock,
		logger: silentLogger,
		open(_, options) {
			const watcher = Object.assign(new EventEmitter(), { close: async () => {} });
			opened.push({ options, watcher });
			return watcher as unknown as FSWatcher;
		},
	});
	const error = Object.assign(new Error('no space'), { code: 'ENOSPC' });
	opened[0]?.watcher.emit('error', error);
	opened[0]?.watcher.emit('error', error);
	opened[1]?.watcher.emit('ready');
	const stop = await watching;
	expect(opened.map(({ options }) => options.usePolling)).toEqual([false, true]);
	expect(problems).toEqual([expect.stringContaining('fs.inotify.max_user_watches')]);
	opened[1]?.watcher.emit('all', 'change', '/w/a.ts');
	clock.advance(200);
	expect(changes.flat()).toEqual(['a.ts']);
	await stop();
});

test.each([
	[0x6969, 'NFS'],
	[-0xacb2be, 'CIFS'],
	[0x65735546, 'FUSE'],
	[0xef53, undefined],
])('a file system of type %i tells of changes, or is %s', async (type, name) => {
	if (process.platform !== 'linux') return;
	expect(await silentFileSystem('/w', async () => type)).toBe(name);
});

/** A watcher whose events the test makes. */
async function watchByHand(options: { silentFileSystem?: string } = {}) {
	const opened: { options: ChokidarOptions; watcher: EventEmitter }[] = [];
	const problems: [string, string][] = [];
	const changes: Change[] = [];
	const clock = manualClock();
	const watching = watchFolder({
		folder: '/w',
		ignores: () => false,
		readRules: async () => {},
		onChange: (paths, reason) => changes.push({ paths, reason }),
		onProblem: (message, severity) => problems.push([severity, message]),
		clock,
		logger: silentLogger,
		open(_, given) {
			const watcher = Object.assign(new EventEmitter(), { close: async () => {} });
			opened.push({ options: given, watcher });
			return watcher as unknown as FSWatcher;
		},
		...options,
	});
	opened[0]?.watcher.emit('ready');
	await watching;
	return { opened, problems, changes, clock };
}

test('on a file system that does not tell of changes, polling from the start, and a notice', async () => {
	const { opened, problems } = await watchByHand({ silentFileSystem: 'NFS' });
	expect(opened.map(({ options }) => options.usePolling)).toEqual([true]);
	expect(problems).toEqual([['notice', expect.stringMatching(/NFS.*polling every 5 s/)]]);
});

test('after a failure of the watcher the whole folder is compared, once for a burst of failures', async () => {
	const { opened, problems, changes, clock } = await watchByHand();
	for (let i = 0; i < 5; i++) opened[0]?.watcher.emit('error', new Error('overflow'));
	opened[0]?.watcher.emit('all', 'change', '/w/a.ts');
	clock.advance(200);
	expect(changes).toEqual([{ paths: ['a.ts'], reason: 'missed' }]);
	expect(problems).toEqual([]);
});

describe('batches', () => {
	test('end after quiet, and at the latest after the maximum', () => {
		const clock = manualClock();
		const batches: number[][] = [];
		const batcher = createBatcher<number>({ clock, quietMs: 200, maxMs: 2000, onBatch: (items) => batches.push(items) });
		batcher.add(1);
		clock.advance(199);
		batcher.add(1);
		batcher.add(2);
		clock.advance(199);
		expect(batches).toEqual([]);
		clock.advance(1);
		expect(batches).toEqual([[1, 2]]);
		for (let i = 0; i < 30; i++) {
			batcher.add(i);
			clock.advance(100);
		}
		expect(batches[1]).toHaveLength(20);
		batcher.stop();
		clock.advance(5000);
		expect(batches).toHaveLength(2);
	});
});
