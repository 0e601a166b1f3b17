/** What the user reads: the editor's message box and its log. Both by notification, so that no client has to answer. */
import { type Connection, MessageType, ShowMessageNotification } from 'vscode-languageserver';
import type { Logger } from '../base/logger.ts';

/** The connection's own `showWarningMessage` is a request, and one refused by the client is a rejection nobody catches. */
export function showWarning(connection: Connection, message: string): void {
	void connection.sendNotification(ShowMessageNotification.type, { type: MessageType.Warning, message });
}

export function connectionLogger(connection: Connection): Logger {
	return {
		error: (message) => connection.console.error(message),
		warn: (message) => connection.console.warn(message),
		info: (message) => connection.console.info(message),
		debug: (message) => connection.console.debug(message),
	};
}
