/** Restarts of the VS Code client's server, over runs that the test makes begin, fail and hang. */
import { expect, test } from 'vitest';
import { createLifecycle, type Run } from '../../client-vscode/src/lifecycle.ts';

function setUp(outcomes: (() => Run)[]) {
	const log: string[] = [];
	const begin = () => {
		const n = log.filter((entry) => entry.startsWith('begin')).length;
		log.push(`begin ${n}`);
		return (outcomes[n] ?? runs)();
	};
	const runs = (): Run => ({ started: Promise.resolve(), stop: async () => void log.push('stop') });
	return { log, runs, lifecycle: createLifecycle(begin, (error) => log.push((error as Error).message), 10) };
}

test('a restart ends the run before it', async () => {
	const { log, lifecycle } = setUp([]);
	await lifecycle.restart();
	await lifecycle.restart();
	await lifecycle.stop();
	expect(log).toEqual(['begin 0', 'stop', 'begin 1', 'stop']);
});

test('no server, a start that fails and a stop that fails are told, and stand in the way of none that follows', async () => {
	const { log, lifecycle } = setUp([
		() => {
			throw new Error('no server');
		},
		() => ({
			started: Promise.reject(new Error('no start')),
			stop: () => Promise.reject(new Error("the client is not running and can't be stopped")),
		}),
	]);
	for (let i = 0; i < 3; i++) await lifecycle.restart();
	expect(log).toEqual(['begin 0', 'no server', 'begin 1', 'no start', 'begin 2']);
});

test('restarts asked for at once follow each other, also behind a start that hangs', async () => {
	const hangs = (): Run => ({ started: new Promise(() => {}), stop: () => Promise.resolve() });
	const { log, lifecycle } = setUp([hangs]);
	await Promise.all([lifecycle.restart(), lifecycle.restart(), lifecycle.restart()]);
	expect(log).toEqual(['begin 0', 'begin 1', 'stop', 'begin 2']);
});
