/** Typed failures of the environment, and the one way to state that something cannot happen. */

export type HefErrorCode =
	| 'bundle-missing'
	| 'bundle-invalid'
	| 'cache-unavailable'
	| 'execution-provider-unavailable'
	| 'inference-failed'
	| 'usage'
	| 'workspace-unreadable';

/** A failure of the environment, with a message that says what to do about it. */
export class HefError extends Error {
	readonly code: HefErrorCode;

	constructor(code: HefErrorCode, message: string, options?: ErrorOptions) {
		super(message, options);
		this.name = 'HefError';
		this.code = code;
	}
}

/** Throws when an assumption of the program itself does not hold: a bug, never a user's mistake. */
export function invariant(condition: unknown, message: string): asserts condition {
	if (!condition) throw new Error(`Invariant broken: ${message}`);
}

/** The message of anything thrown. */
export function messageOf(error: unknown): string {
	return error instanceof Error ? error.message : String(error);
}
