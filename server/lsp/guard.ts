/**
 * The one place that catches everything: a bug becomes an LSP error and a log line, never a dead server and never an
 * empty answer that looks like "nothing to suggest".
 */
import { type CancellationToken, ErrorCodes, LSPErrorCodes, ResponseError } from 'vscode-languageserver';
import { HefError, messageOf } from '../base/errors.ts';
import type { ServerState } from './server.ts';

/** An LSP token as the signal that the rest of the program takes. */
export function signalOf(token: CancellationToken): AbortSignal {
	const controller = new AbortController();
	if (token.isCancellationRequested) controller.abort();
	else token.onCancellationRequested(() => controller.abort());
	return controller.signal;
}

export async function guarded<T>(
	{ logger, session }: Pick<ServerState, 'logger' | 'session'>,
	name: string,
	token: CancellationToken | undefined,
	task: () => Promise<T>,
): Promise<T> {
	if (session.ended) throw new ResponseError(ErrorCodes.InvalidRequest, `${name} after shutdown`);
	try {
		return await task();
	} catch (error) {
		if (error instanceof ResponseError) throw error;
		if (token?.isCancellationRequested) throw new ResponseError(LSPErrorCodes.RequestCancelled, 'cancelled');
		logger.error(`${name}: ${error instanceof Error && !(error instanceof HefError) ? (error.stack ?? error.message) : messageOf(error)}`);
		throw new ResponseError(LSPErrorCodes.RequestFailed, messageOf(error));
	}
}
