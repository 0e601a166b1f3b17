/**
 * The commands that the server answers (`hef.status`, `hef.reindex`, …). vscode-languageclient registers each under the
 * server's own name while the server runs, so nothing else may register these names; a feature says here how the answer
 * is shown when the user runs one. The palette hides them while the server is down (`hef.running`).
 */
import type { ExecuteCommandMiddleware } from 'vscode-languageclient/node';

/** Asks the server to run the command. */
export type CallServer<T> = (...args: unknown[]) => Promise<T>;

export interface ServerCommands {
	/** Runs `handler` in place of the plain call. What it answers is the command's result. */
	handle<T>(command: string, handler: (call: CallServer<T>) => Promise<unknown>): void;
	readonly middleware: NonNullable<ExecuteCommandMiddleware['executeCommand']>;
}

export function createServerCommands(): ServerCommands {
	const handlers = new Map<string, (call: CallServer<unknown>) => Promise<unknown>>();
	return {
		handle: (command, handler) => void handlers.set(command, handler as (call: CallServer<unknown>) => Promise<unknown>),
		middleware(command, args, next) {
			const handler = handlers.get(command);
			return handler ? handler(async (...given) => next(command, given)) : next(command, args);
		},
	};
}
