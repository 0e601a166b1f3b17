/**
 * Whose turn it is on the completion thread: everything that runs a model runs alone.
 *
 * Guarantees: tasks run in their order; work for idle moments starts only when nothing else waits, and is told to stop as
 * soon as a task comes or newer such work is given. Deliberately lacks: a way to interrupt a model run.
 */
import type { Cancellation } from '../base/cancellation.ts';
import type { Clock } from '../base/clock.ts';

export interface Turns {
	/** Runs the task alone, after those that wait. Drops the work for idle moments, what is under way too. */
	run<T>(task: () => Promise<T>): Promise<T>;
	/** Runs the work after `quietMs` milliseconds without a task. Failures go to `failed`. */
	whenIdle(quietMs: number, work: (cancellation: Cancellation) => Promise<unknown>): void;
}

export interface TurnsOptions {
	clock: Clock;
	failed(error: unknown): void;
}

export function createTurns({ clock, failed }: TurnsOptions): Turns {
	let tail: Promise<unknown> = Promise.resolve();
	let idleWork = { aborted: false };
	let stopWaiting = () => {};

	const dropIdleWork = () => {
		stopWaiting();
		idleWork.aborted = true;
	};
	const inTurn = <T>(task: () => Promise<T>): Promise<T> => {
		const result = tail.then(task);
		tail = result.catch(() => {});
		return result;
	};

	return {
		run(task) {
			dropIdleWork();
			return inTurn(task);
		},
		whenIdle(quietMs, work) {
			dropIdleWork();
			const cancellation = { aborted: false };
			idleWork = cancellation;
			stopWaiting = clock.schedule(quietMs, () => {
				inTurn(async () => {
					if (!cancellation.aborted) await work(cancellation);
				}).catch(failed);
			});
		},
	};
}
