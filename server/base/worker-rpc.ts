/**
 * Typed calls and events between the LSP thread and a worker thread, in either direction over one port.
 *
 * Guarantees: every call settles: with the handler's result, with its error (code kept), or with an error when the other
 * side is gone. Deliberately lacks cancellation: calls that can be cancelled carry a {@link SharedFlag}.
 */
import { HefError, type HefErrorCode, messageOf } from './errors.ts';

/** What `MessagePort` and `Worker` have in common. */
export interface Port {
	postMessage(message: unknown): void;
	on(event: 'message', listener: (message: unknown) => void): unknown;
}

/** The methods as their own thread implements them: at once or with a promise. */
export type Local<T> = {
	[K in keyof T]: T[K] extends (...args: infer A) => infer R ? (...args: A) => R | Promise<R> : never;
};
/** The same methods as seen from the other thread. */
export type Remote<T> = {
	[K in keyof T]: T[K] extends (...args: infer A) => infer R ? (...args: A) => Promise<Awaited<R>> : never;
};

type Message =
	| { kind: 'call'; id: number; method: string; args: unknown[] }
	| { kind: 'result'; id: number; value: unknown }
	| { kind: 'failure'; id: number; message: string; code?: HefErrorCode }
	| { kind: 'event'; method: string; args: unknown[] };

export interface Connection<RemoteMethods, RemoteEvents> {
	/** Calls of the other side's methods. */
	remote: Remote<RemoteMethods>;
	/** Fire and forget. */
	emit<K extends keyof RemoteEvents & string>(event: K, ...args: RemoteEvents[K] extends (...args: infer A) => unknown ? A : never): void;
	/** Rejects all calls under way and all later ones; the first reason stays. */
	close(reason: string): void;
}

/**
 * Joins one end of a port.
 * @param handlers answers calls and events of the other side
 */
export function connect<LocalMethods, RemoteMethods, RemoteEvents>(
	port: Port,
	handlers: Local<LocalMethods>,
	onHandlerError: (error: unknown) => void = () => {},
): Connection<RemoteMethods, RemoteEvents> {
	const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
	let nextId = 0;
	let closed: string | undefined;

	const invoke = async (method: string, args: unknown[]): Promise<unknown> => {
		const handler = Object.hasOwn(handlers, method) && (handlers as Record<string, (...args: unknown[]) => unknown>)[method];
		if (!handler) throw new Error(`no handler for '${method}'`);
		return handler(...args);
	};

	port.on('message', (raw) => {
		const message = raw as Message;
		switch (message.kind) {
			case 'call':
				invoke(message.method, message.args)
					.then((value) => port.postMessage({ kind: 'result', id: message.id, value }))
					.catch((error: unknown) =>
						port.postMessage({
							kind: 'failure',
							id: message.id,
							message: messageOf(error),
							...(error instanceof HefError ? { code: error.code } : {}),
						}),
					);
				break;
			case 'event':
				invoke(message.method, message.args).catch(onHandlerError);
				break;
			default: {
				const call = waiting.get(message.id);
				waiting.delete(message.id);
				if (message.kind === 'result') call?.resolve(message.value);
				else call?.reject(message.code ? new HefError(message.code, message.message) : new Error(message.message));
			}
		}
	});

	const call = (method: string, args: unknown[]) =>
		new Promise((resolve, reject) => {
			if (closed !== undefined) return reject(new Error(closed));
			const id = nextId++;
			port.postMessage({ kind: 'call', id, method, args });
			waiting.set(id, { resolve, reject });
		});

	return {
		remote: new Proxy({} as Remote<RemoteMethods>, {
			get: (_, method) => (typeof method === 'string' && method !== 'then' ? (...args: unknown[]) => call(method, args) : undefined),
		}),
		emit: (method, ...args) => port.postMessage({ kind: 'event', method, args }),
		close(reason) {
			closed ??= reason;
			for (const { reject } of waiting.values()) reject(new Error(reason));
			waiting.clear();
		},
	};
}
