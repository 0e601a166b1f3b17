/** `workspace/executeCommand` and the `hef/status` request. */
import { COMMANDS, STATUS_REQUEST, type StatusReport } from 'hef-shared';
import { ErrorCodes, LSPErrorCodes, ResponseError } from 'vscode-languageserver';
import { messageOf } from '../base/errors.ts';
import { guarded } from './guard.ts';
import { showInfo } from './messages.ts';
import type { ServerState } from './server.ts';

export const COMMAND_NAMES: string[] = Object.values(COMMANDS);

export function registerCommands(state: ServerState): void {
	const { connection, session, suggester, logger, clearCache } = state;
	/** Runs for every open folder, then answers the status. */
	const forEachFolder = async (task: (folder: string) => Promise<unknown>): Promise<StatusReport> => {
		const { workspaces } = await session.status();
		const tasks = workspaces.map(({ folder }) => task(folder));
		// While indexing is paused nobody can wait for it; what was asked for is done afterwards.
		if (session.paused) for (const begun of tasks) begun.catch((error: unknown) => logger.warn(messageOf(error)));
		else await Promise.all(tasks);
		return session.status();
	};

	/** Deletes what lies on the disk when no services run, and tells the user; false when services run, which do it themselves. */
	const clearAtRest = (): Promise<boolean> =>
		session.whileStill(async () => {
			if (session.services) return false;
			if (session.state.kind === 'starting')
				throw new ResponseError(LSPErrorCodes.RequestFailed, 'the settings have not come yet: try again');
			const { workspaces } = await session.status();
			const cleared = await Promise.all(workspaces.map(({ folder }) => clearCache(folder, session.settings)));
			const removed = cleared.flatMap(({ removed }) => removed);
			const freedBytes = cleared.reduce((sum, { freedBytes }) => sum + freedBytes, 0);
			const inUse = cleared.flatMap(({ inUse }) => inUse);
			const other = inUse.length === 0 ? '' : `; another editor has ${inUse.join(', ')} open and builds its index anew`;
			showInfo(
				connection,
				`HEF: deleted ${removed.length === 0 ? 'no index' : `the index of ${removed.join(', ')}`} (${(freedBytes / 1e6).toFixed(1)} MB freed)${other}`,
			);
			return true;
		});

	const handlers: Record<string, (args: unknown[]) => Promise<unknown>> = {
		[COMMANDS.status]: () => session.status(),
		[COMMANDS.reindex]: async () => {
			// Services that are starting can do it then.
			await session.whileStill(async () => {});
			if (!session.services) throw new ResponseError(LSPErrorCodes.RequestFailed, `nothing can be indexed now: ${session.state.message}`);
			return forEachFolder(async (folder) => session.services?.reconcile(folder, 'command'));
		},
		[COMMANDS.clearCache]: async () =>
			(await clearAtRest()) ? session.status() : forEachFolder(async (folder) => session.services?.clear(folder)),
		[COMMANDS.pause]: async () => {
			await session.pause();
			return session.status();
		},
		[COMMANDS.resume]: async () => {
			await session.resume();
			return session.status();
		},
		[COMMANDS.explain]: async ([uri]) => suggester.lastAnswer(typeof uri === 'string' ? uri : undefined),
		[COMMANDS.accepted]: async ([uri]) => {
			if (typeof uri === 'string') suggester.accepted(uri);
			return null;
		},
	};

	connection.onExecuteCommand(({ command, arguments: args }, token) =>
		guarded(state, command, token, async () => {
			const handler = Object.hasOwn(handlers, command) ? handlers[command] : undefined;
			if (!handler)
				throw new ResponseError(ErrorCodes.InvalidParams, `unknown command '${command}'; known are ${COMMAND_NAMES.join(', ')}`);
			// eglot sends null for none.
			return handler(Array.isArray(args) ? args : []);
		}),
	);
	connection.onRequest(STATUS_REQUEST, () => guarded(state, STATUS_REQUEST, undefined, () => session.status()));
}
