/** Time, injected so that tests never sleep. */
export interface Clock {
	/** Milliseconds since the epoch, for comparison with the times of files. Whoever sets the clock moves it. */
	now(): number;
	/** Milliseconds since some moment, for spans of time. */
	elapsed(): number;
	/** Calls back after `ms`; the returned function cancels. Does not keep the process alive. */
	schedule(ms: number, callback: () => void): () => void;
}

export const systemClock: Clock = {
	now: () => Date.now(),
	elapsed: () => performance.now(),
	schedule(ms, callback) {
		const timer = setTimeout(callback, ms);
		timer.unref();
		return () => clearTimeout(timer);
	},
};
