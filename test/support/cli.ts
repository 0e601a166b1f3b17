/** Runs the built command line as a user does. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const SERVER = fileURLToPath(new URL('../../server/bin/hef-language-server.js', import.meta.url));
/** A bundle of random weights: every code path of a real one, in milliseconds. */
export const TINY_BUNDLE = fileURLToPath(new URL('../fixtures/tiny-bundle', import.meta.url));
export const NANO_BUNDLE = fileURLToPath(new URL('../../models/hef-nano', import.meta.url));

export interface CliResult {
	code: number | null;
	stdout: string;
	stderr: string;
}

export function runCli(args: readonly string[], options: { env?: NodeJS.ProcessEnv; timeoutMs?: number } = {}): Promise<CliResult> {
	return new Promise((resolve) => {
		const child = execFile(
			process.execPath,
			[SERVER, ...args],
			{ env: { ...process.env, ...options.env }, timeout: options.timeoutMs ?? 240_000, maxBuffer: 1e9 },
			(_, stdout, stderr) => resolve({ code: child.exitCode, stdout, stderr }),
		);
	});
}

/** Runs a command with `--json` and parses what it printed. Throws with stderr when the exit code is not 0. */
export async function runJson<T>(args: readonly string[]): Promise<T> {
	const { code, stdout, stderr } = await runCli([...args, '--json']);
	if (code !== 0) throw new Error(`exit code ${code}: ${stderr}`);
	return JSON.parse(stdout) as T;
}
