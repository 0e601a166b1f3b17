/**
 * A value that is expensive to make: made when first asked for, once for all who ask meanwhile. A failure is not remembered,
 * so that what was repaired works without a restart.
 */
export interface SingleFlight<T> {
	(): Promise<T>;
	/** What was made or is being made; undefined when nobody has asked, or after a failure. */
	readonly current: Promise<T> | undefined;
}

export function singleFlight<T>(make: () => Promise<T>): SingleFlight<T> {
	let current: Promise<T> | undefined;
	const get = (): Promise<T> => {
		current ??= make().catch((error: unknown) => {
			current = undefined;
			throw error;
		});
		return current;
	};
	return Object.defineProperty(get, 'current', { get: () => current }) as SingleFlight<T>;
}
