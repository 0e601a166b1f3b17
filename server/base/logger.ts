/** Where messages for the user's log go. Injected, never global. */

export interface Logger {
	error(message: string): void;
	warn(message: string): void;
	info(message: string): void;
	debug(message: string): void;
}

/** A logger that hands every message to one function. */
export function loggerOf(write: (level: keyof Logger, message: string) => void): Logger {
	return {
		error: (message) => write('error', message),
		warn: (message) => write('warn', message),
		info: (message) => write('info', message),
		debug: (message) => write('debug', message),
	};
}

export const silentLogger: Logger = { error() {}, warn() {}, info() {}, debug() {} };

/** Writes one line a message to stderr, which no protocol uses; `info` and `debug` only when `verbose`. */
export function stderrLogger(options: { verbose: boolean }): Logger {
	const write = (level: string) => (message: string) => {
		process.stderr.write(`[hef] ${level}: ${message}\n`);
	};
	const quiet = () => {};
	return {
		error: write('error'),
		warn: write('warning'),
		info: options.verbose ? write('info') : quiet,
		debug: options.verbose ? write('debug') : quiet,
	};
}
