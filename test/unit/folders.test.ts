/** Folders that both workers have open, with stand-ins for the workers. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { UpdateReport, WorkspaceReport } from 'hef-shared';
import { expect, test } from 'vitest';
import { silentLogger } from '../../server/base/logger.ts';
import { createFolders } from '../../server/folders.ts';
import { emptyReport } from '../../server/indexing/status.ts';
import { UPDATE } from '../support/fake-services.ts';
import { createManualClock } from '../support/fakes.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

/** Workers whose opening of a folder fails as long as there is a reason. */
function setUp() {
	const clock = createManualClock();
	const workers = { failure: undefined as string | undefined, openings: 0, requests: [] as string[], completion: [] as string[] };
	const folders = createFolders({
		completion: {
			openFolder: async ({ storePath }) => void workers.completion.push(storePath),
			closeFolder: async () => {},
			prioritise: (_, paths) => void workers.completion.push(paths.join()),
			settled: async () => {},
			vectorIndex: async () => undefined,
		},
		indexing: {
			async openFolder() {
				workers.openings++;
				if (workers.failure !== undefined) throw new Error(workers.failure);
				return { storePath: '/store' };
			},
			closeFolder: async () => {},
			async request(_, { reason }): Promise<UpdateReport> {
				workers.requests.push(reason);
				return UPDATE;
			},
			prioritise: async () => {},
			clear: async () => true,
			report: async (folder): Promise<WorkspaceReport> => emptyReport(folder, 'ready'),
		},
		exclude: [],
		cacheFolder: temporaryFolder(),
		clock,
		logger: silentLogger,
	});
	return { folders, workers, clock };
}

test('a folder that cannot be opened at first is tried again by itself, less and less often, until it can', async () => {
	const { folders, workers, clock } = setUp();
	const folder = temporaryFolder();
	workers.failure = 'the disk is full';
	await expect(folders.openFolder(folder, { watch: true, exclude: [] })).rejects.toThrow('the disk is full');
	const hasFailed = () => expect.poll(() => folders.report(folder)).toMatchObject({ state: 'error', message: 'the disk is full' });
	for (const [i, seconds] of [10, 20, 40].entries()) {
		await hasFailed();
		clock.advance(1000 * seconds - 1);
		expect(workers.openings).toBe(i + 1);
		clock.advance(1);
		await nextTurn();
		expect(workers.openings).toBe(i + 2);
	}
	await hasFailed();
	workers.failure = undefined;
	clock.advance(80_000);
	await expect.poll(() => folders.report(folder)).toMatchObject({ state: 'ready' });
	expect(workers.requests).toEqual(['start']);
	clock.advance(1_000_000);
	expect(workers.openings).toBe(5);
});

test.each([
	['was closed', true, (folders: ReturnType<typeof createFolders>, folder: string) => folders.closeFolder(folder)],
	['was opened by a command', false, async () => {}],
])('a folder that %s is not tried again', async (_, watch, before) => {
	const { folders, workers, clock } = setUp();
	const folder = temporaryFolder();
	workers.failure = 'the disk is full';
	await expect(folders.openFolder(folder, { watch, exclude: [] })).rejects.toThrow('the disk is full');
	await before(folders, folder);
	clock.advance(1_000_000);
	expect(workers.openings).toBe(1);
});

test('completion learns of the open documents when they change, and in each store that it is given', async () => {
	const { folders, workers } = setUp();
	const folder = temporaryFolder();
	folders.prioritise(folder, ['a.ts']);
	await folders.openFolder(folder, { watch: false, exclude: [] });
	folders.prioritise(folder, ['b.ts', 'a.ts']);
	folders.moved(folder, '/elsewhere');
	expect(workers.completion).toEqual(['a.ts', '/store', 'a.ts', 'b.ts,a.ts', '/elsewhere', 'b.ts,a.ts']);
});
