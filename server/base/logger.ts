/** Where messages for the user's log go. Injected, never global. */

export interface Logger {
	error(message: string): void;
	warn(message: string): void;
	info(message: string): void;
	debug(message: string): void;
}

export const silentLogger: Logger = { error() {}, warn() {}, info() {}, debug() {} };

/** Writes one line a message to stderr, which no protocol uses. `debug` lines only when `verbose`. */
export function stderrLogger(options: { verbose: boolean }): Logger {
	const write = (level: string) => (message: string) => {
		process.stderr.write(`[hef] ${level}: ${message}\n`);
	};
	return { error: write('error'), warn: write('warning'), info: write('info'), debug: options.verbose ? write('debug') : () => {} };
}
