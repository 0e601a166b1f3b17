/** Time, injected so that tests never sleep. */
export interface Clock {
	/** Milliseconds since the epoch. */
	now(): number;
	/** Calls back after `ms`; the returned function cancels. Does not keep the process alive. */
	schedule(ms: number, callback: () => void): () => void;
}

export const systemClock: Clock = {
	now: () => Date.now(),
	schedule(ms, callback) {
		const timer = setTimeout(callback, ms);
		timer.unref();
		return () => clearTimeout(timer);
	},
};
