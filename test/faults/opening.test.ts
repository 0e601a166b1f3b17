/** Opening an environment in the thread that is writing to it. In a process of its own: what hangs there hangs for good. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { bundleProgram } from '../support/program.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const PATIENCE_MS = 50_000;

async function run(task: 'read' | 'borrow', rounds: number): Promise<unknown> {
	const program = await bundleProgram('opening-child');
	onTestFinished(program.remove);
	const options = { timeout: PATIENCE_MS, killSignal: 'SIGKILL' } as const;
	const { stdout } = await promisify(execFile)(process.execPath, [program.path, temporaryFolder(), task, String(rounds)], options);
	return JSON.parse(stdout);
}

test('a reader of a store that is opened while its thread writes: both come to an end', async () => {
	expect(await run('read', 60)).toEqual({ read: 60 });
});

test('one folder borrows vectors from another, which the same thread writes meanwhile', async () => {
	expect(await run('borrow', 60)).toEqual({ embedded: 0 });
});
