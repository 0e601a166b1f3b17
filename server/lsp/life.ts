/**
 * When a connection has ended: the client said `exit`, closed one of its streams, or died.
 *
 * Guarantees: `ended` resolves once, with the exit code of the specification. Deliberately lacks: `process.exit`, which the
 * library's own watchdog calls at once; with a model running in a worker that aborts the process instead of ending it.
 */
import type { WatchDog } from 'vscode-languageserver';

export interface Life {
	/** For the connection. */
	readonly watchDog: WatchDog;
	/** 0 after a `shutdown`, else 1. */
	readonly ended: Promise<number>;
}

const PARENT_CHECK_MS = 3000;

export function createLife(input: NodeJS.ReadableStream, output: NodeJS.WritableStream): Life {
	let end: (code: number) => void = () => {};
	const ended = new Promise<number>((resolve) => {
		end = resolve;
	});
	const gone = () => end(watchDog.shutdownReceived ? 0 : 1);
	const watchDog: WatchDog = {
		shutdownReceived: false,
		initialize({ processId }) {
			if (processId === null || processId === undefined) return;
			setInterval(() => {
				if (!isAlive(processId)) gone();
			}, PARENT_CHECK_MS).unref();
		},
		exit: (code) => end(code),
	};
	for (const event of ['end', 'close', 'error']) input.once(event, gone);
	for (const event of ['close', 'error']) output.once(event, gone);
	return { watchDog, ended };
}

function isAlive(processId: number): boolean {
	try {
		return process.kill(processId, 0);
	} catch (error) {
		// Another user's process may not be signalled, but it is there.
		return (error as NodeJS.ErrnoException).code === 'EPERM';
	}
}
