/**
 * Tries an execution provider in a child process, which a driver may take down with it.
 *
 * The parent's side; `probe-child.ts` is the program that runs there.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { messageOf } from '../base/errors.ts';
import type { ProbeResult } from './execution-providers.ts';
import type { Manifest } from './manifest.ts';
import type { ProviderName } from './session.ts';

/** Of the end of a child's complaint, what a status line can hold. */
const LONGEST_COMPLAINT = 300;

/** What the child is told, as JSON in its one argument. */
export interface ProbeTask {
	provider: ProviderName;
	threads: number;
	generatorPath: string;
	tokenEmbeddingPath: string;
	generator: Manifest['generator'];
}

export interface ProbeOptions extends ProbeTask {
	/** The child is killed then. Loading a model and compiling its shaders for the first time takes seconds. */
	timeoutMs: number;
	/** The program to run; for tests. */
	script?: string;
}

/** Never rejects: whatever happens to the child is a finding. */
export function probeProvider({ timeoutMs, script = childScript(), ...task }: ProbeOptions): Promise<ProbeResult> {
	return new Promise((resolve) => {
		const options = { timeout: timeoutMs, killSignal: 'SIGKILL', maxBuffer: 1 << 20 } as const;
		execFile(process.execPath, [script, JSON.stringify(task)], options, (error, stdout, stderr) => {
			if (!error) return resolve(parseAnswer(stdout));
			if (error.killed) return resolve({ works: false, why: `no answer within ${timeoutMs / 1000} s`, transient: true });
			if (error.signal) return resolve({ works: false, why: `the driver crashed (${error.signal})` });
			const complaint = (stderr.trim() || messageOf(error)).replaceAll(/\s+/g, ' ');
			resolve({ works: false, why: complaint.slice(-LONGEST_COMPLAINT) });
		});
	});
}

/** The last line: a driver may print before it. */
function parseAnswer(stdout: string): ProbeResult {
	const line = stdout.trim().split('\n').at(-1) ?? '';
	try {
		return JSON.parse(line) as ProbeResult;
	} catch {
		return { works: false, why: `the probe gave no answer: ${line.slice(0, LONGEST_COMPLAINT)}` };
	}
}

/** The compiled program, also when this module itself runs from its source, as it does in tests. */
function childScript(): string {
	const fromSource = import.meta.url.endsWith('.ts');
	return fileURLToPath(new URL(fromSource ? '../dist/inference/probe-child.js' : './probe-child.js', import.meta.url));
}
