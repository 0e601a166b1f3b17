import { expect, test } from 'vitest';
import type { Cancellation } from '../../server/base/cancellation.ts';
import { createTurns } from '../../server/completion/turns.ts';
import { createManualClock } from '../support/fakes.ts';

/** Turns with a clock that the test moves, and a log of what ran. */
function setUp() {
	const clock = createManualClock();
	const failures: unknown[] = [];
	const turns = createTurns({ clock, failed: (error) => failures.push(error) });
	const log: string[] = [];
	/** A task that says when it begins and ends, and ends when it is let. */
	const gated = (name: string) => {
		let end = () => {};
		const ended = new Promise<void>((resolve) => {
			end = resolve;
		});
		const task = async (cancellation?: Cancellation) => {
			log.push(`${name} begins`);
			await ended;
			log.push(`${name} ends${cancellation?.aborted ? ', told to stop' : ''}`);
			return name;
		};
		return { task, end };
	};
	return { clock, turns, log, gated, failures };
}

/** Lets everything that is due run. */
const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

test('tasks run one after the other, and a failure harms no later one', async () => {
	const { turns, log, gated } = setUp();
	const first = gated('first');
	const results = [turns.run(first.task), turns.run(() => Promise.reject(new Error('broken'))), turns.run(gated('third').task)];
	results[1]?.catch(() => {});
	await settle();
	expect(log).toEqual(['first begins']);
	first.end();
	await expect(results[0]).resolves.toBe('first');
	await expect(results[1]).rejects.toThrow('broken');
	await settle();
	expect(log).toEqual(['first begins', 'first ends', 'third begins']);
});

test('work for idle moments waits for quiet, and a task before that drops it', async () => {
	const { clock, turns, log, gated } = setUp();
	turns.whenIdle(20, gated('idle').task);
	clock.advance(19);
	await turns.run(async () => void log.push('task'));
	clock.advance(100);
	await settle();
	expect(log).toEqual(['task']);
});

test('work under way is told to stop when a task comes, which runs as soon as it has', async () => {
	const { clock, turns, log, gated } = setUp();
	const idle = gated('idle');
	turns.whenIdle(20, idle.task);
	clock.advance(20);
	await settle();
	const done = turns.run(async () => void log.push('task'));
	await settle();
	expect(log).toEqual(['idle begins']);
	idle.end();
	await done;
	expect(log).toEqual(['idle begins', 'idle ends, told to stop', 'task']);
});

test('newer work takes the place of older', async () => {
	const { clock, turns, log } = setUp();
	turns.whenIdle(20, async () => void log.push('older'));
	turns.whenIdle(20, async () => void log.push('newer'));
	clock.advance(20);
	await settle();
	expect(log).toEqual(['newer']);
});

test('a failure of idle work is told and stops nothing', async () => {
	const { clock, turns, failures } = setUp();
	turns.whenIdle(0, () => Promise.reject(new Error('no memory')));
	clock.advance(0);
	await settle();
	expect(failures).toEqual([new Error('no memory')]);
	await expect(turns.run(async () => 'fine')).resolves.toBe('fine');
});
