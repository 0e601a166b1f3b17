/** Settings: from `initializationOptions`, pulled through `workspace/configuration`, and pushed. The editor's section wins. */
import { homedir } from 'node:os';
import { parseSettings } from 'hef-shared';
import { DidChangeConfigurationNotification } from 'vscode-languageserver';
import { systemClock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import { showWarning } from './messages.ts';
import type { ServerState } from './server.ts';

/** A client that says that it can be asked and then does not answer has its initialization options, until it does. */
const PATIENCE_MS = 3000;

/** @returns what to do once the client is initialized */
export function registerConfiguration(state: ServerState, initializationOptions: Record<string, unknown>): () => void {
	const { connection, session, logger, capabilities } = state;

	let applied = false;
	const apply = async (section: unknown): Promise<void> => {
		applied = true;
		const fromEditor = typeof section === 'object' && section !== null ? section : {};
		const { settings, problems } = parseSettings({ ...initializationOptions, ...fromEditor }, { home: homedir() });
		for (const problem of problems) showWarning(connection, problem);
		await session.configure(settings);
	};

	const log = (error: unknown) => logger.error(`settings: ${messageOf(error)}`);
	const logged = (task: Promise<void>) => void task.catch(log);
	/** A client that cannot answer after all has the initialization options, or what it answered before. */
	const pull = async (): Promise<void> => {
		const stopWaiting = systemClock.schedule(PATIENCE_MS, () => {
			if (applied) return;
			logger.warn(
				`the editor has not answered workspace/configuration for ${PATIENCE_MS} ms: its initialization options hold until it does`,
			);
			logged(apply({}));
		});
		const answer = await connection.workspace.getConfiguration('hef').then((section: unknown) => ({ section }), log);
		stopWaiting();
		if (answer) await apply(answer.section);
		else if (!applied) await apply({});
	};

	connection.onDidChangeConfiguration(({ settings }) => {
		const pushed = (settings as { hef?: unknown } | null | undefined)?.hef;
		logged(capabilities.workspace?.configuration ? pull() : apply(pushed));
	});
	return () => {
		if (!capabilities.workspace?.configuration) return logged(apply({}));
		if (capabilities.workspace.didChangeConfiguration?.dynamicRegistration)
			logged(connection.client.register(DidChangeConfigurationNotification.type, { section: 'hef' }).then(() => {}));
		logged(pull());
	};
}
