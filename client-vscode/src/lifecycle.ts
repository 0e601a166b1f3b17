/**
 * The life of the server as the user sees it: every restart is a new run with a new client, because one whose start failed can
 * neither be stopped nor started again, and settings may name another server. Knows nothing of VS Code, so that a test can ask it.
 *
 * Guarantees: one run at a time; a run that cannot begin or end stands in the way of none that follows.
 */

/** One start of the server, with all that hangs on it. */
export interface Run {
	/** Rejects when the server does not start. */
	readonly started: Promise<void>;
	stop(): Promise<void>;
}

export interface Lifecycle {
	/** Ends what runs, if anything, and begins anew. Resolves when the server runs or has failed to. */
	restart(): Promise<void>;
	stop(): Promise<void>;
}

/** A start is given so long before it is ended. */
const START_MS = 5000;

/**
 * @param begin may throw
 * @param failed told why a run did not begin
 */
export function createLifecycle(begin: () => Run, failed: (error: unknown) => void, startMs = START_MS): Lifecycle {
	let current: Run | undefined;
	let tail: Promise<void> = Promise.resolve();
	const inTurn = (task: () => Promise<void>) => {
		tail = tail.then(task);
		return tail;
	};
	const end = async () => {
		const run = current;
		current = undefined;
		await run?.stop().catch(() => {});
	};
	return {
		restart: () =>
			inTurn(async () => {
				await end();
				try {
					current = begin();
					const { started } = current;
					// Of a start that goes on longer the user is told too.
					started.catch(failed);
					await Promise.race([started.catch(() => {}), new Promise((resolve) => setTimeout(resolve, startMs).unref())]);
				} catch (error) {
					failed(error);
				}
			}),
		stop: () => inTurn(end),
	};
}
