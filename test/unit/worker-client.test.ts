/** Calls to a worker thread: every one settles, whatever becomes of the thread. The worker is a few lines of its own. */
import { MessageChannel } from 'node:worker_threads';
import { expect, onTestFinished, test, vi } from 'vitest';
import { silentLogger } from '../../server/base/logger.ts';
import { startWorker } from '../../server/base/worker-client.ts';
import { connect } from '../../server/base/worker-rpc.ts';

interface Methods {
	echo(text: string): string;
	crash(): void;
	leave(): void;
	youngMb(): number;
	dispose(): void;
}

const WORKER = `
import { parentPort, resourceLimits } from 'node:worker_threads';
parentPort.on('message', ({ id, method, args }) => {
	if (method === 'crash') throw new Error('out of luck');
	if (method === 'leave') process.exit(0);
	const value = method === 'youngMb' ? resourceLimits.maxYoungGenerationSizeMb : args[0];
	parentPort.postMessage({ kind: 'result', id, value });
});`;

function start(options: { youngMb?: number } = {}) {
	const died = vi.fn<(message: string) => void>();
	const url = new URL(`data:text/javascript,${encodeURIComponent(WORKER)}`);
	const worker = startWorker<object, Methods, object>({
		name: 'test',
		url,
		workerData: {},
		handlers: {},
		logger: silentLogger,
		died,
		...options,
	});
	onTestFinished(() => worker.dispose());
	return { ...worker, died };
}

test('a crash settles the calls under way, is told once, and later calls still name its cause', async () => {
	const { remote, died } = start();
	expect(await remote.echo('hello')).toBe('hello');
	await expect(remote.crash()).rejects.toThrow('the test worker failed: out of luck');
	await vi.waitFor(() => expect(died).toHaveBeenCalledWith('the test worker failed: out of luck'));
	await new Promise((resolve) => setTimeout(resolve, 100));
	await expect(remote.echo('more')).rejects.toThrow('the test worker failed: out of luck');
	expect(died).toHaveBeenCalledTimes(1);
});

test('only the handlers that were given can be called', async () => {
	const { port1, port2 } = new MessageChannel();
	onTestFinished(() => port1.close());
	connect<{ echo(text: string): string }, object, object>(port1, { echo: (text) => text });
	const { remote } = connect<object, { echo(text: string): string; toString(): string }, object>(port2, {});
	expect(await remote.echo('hello')).toBe('hello');
	await expect(remote.toString()).rejects.toThrow("no handler for 'toString'");
});

test('a worker that leaves has died; one that was asked to end has not', async () => {
	const leaving = start();
	await expect(leaving.remote.leave()).rejects.toThrow('the test worker has ended');
	expect(leaving.died).toHaveBeenCalledTimes(1);
	const ending = start();
	await ending.dispose();
	expect(ending.died).not.toHaveBeenCalled();
	await expect(ending.remote.echo('more')).rejects.toThrow('the test worker has ended');
});

test('a result that cannot cross to the other thread is a failure of its call', async () => {
	const { port1, port2 } = new MessageChannel();
	onTestFinished(() => port1.close());
	connect<{ bad(): unknown }, object, object>(port1, { bad: () => () => {} });
	const { remote } = connect<object, { bad(): unknown }, object>(port2, {});
	await expect(remote.bad()).rejects.toThrow('could not be cloned');
});

test('a worker has as much room for new objects as it is given', async () => {
	expect(await start({ youngMb: 12 }).remote.youngMb()).toBe(12);
});
