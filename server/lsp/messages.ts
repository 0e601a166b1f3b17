/**
 * What the user reads: the editor's message box and its log. Both by notification, so that no client has to answer, and
 * both quiet when the client has gone: workers may still report while they are being stopped.
 */
import { type Connection, MessageType, type Logger as ProtocolLogger, ShowMessageNotification } from 'vscode-languageserver';
import type { Logger } from '../base/logger.ts';

/** Sends a notification, to nobody when the client has gone. */
export function notify(connection: Connection, method: string, params: unknown): void {
	attempt(() => connection.sendNotification(method, params));
}

/** The connection's own `showWarningMessage` is a request, and one refused by the client is a rejection nobody catches. */
export function showWarning(connection: Connection, message: string): void {
	notify(connection, ShowMessageNotification.method, { type: MessageType.Warning, message });
}

export function showInfo(connection: Connection, message: string): void {
	notify(connection, ShowMessageNotification.method, { type: MessageType.Info, message });
}

export function connectionLogger(connection: Connection): Logger {
	const { console } = connection;
	return {
		error: (message) => attempt(() => console.error(message)),
		warn: (message) => attempt(() => console.warn(message)),
		info: (message) => attempt(() => console.info(message)),
		debug: (message) => attempt(() => console.debug(message)),
	};
}

/** The logger that the library writes its own messages to, quiet when the client has gone. */
export function quiet(logger: ProtocolLogger): ProtocolLogger {
	return {
		error: (message) => attempt(() => logger.error(message)),
		warn: (message) => attempt(() => logger.warn(message)),
		info: (message) => attempt(() => logger.info(message)),
		log: (message) => attempt(() => logger.log(message)),
	};
}

/** A connection that is closed throws, one that is closing rejects. */
function attempt(send: () => Promise<void> | void): void {
	void (async () => send())().catch(() => {});
}
