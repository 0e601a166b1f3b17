/** Sequences of damages to an index, each in a process of its own, which may neither crash nor hang. */
import { execFile } from 'node:child_process';
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DamageOutcome } from './damage-child.ts';
import { bundleProgram } from './program.ts';

/** One that hangs while it is read through costs 20 s by itself. */
const PATIENCE_MS = 150_000;

export interface DamageReport {
	outcomes: Record<DamageOutcome, number>;
	/** Sequences that did not end well, one sentence each. */
	failures: string[];
}

export async function runDamageRounds(options: {
	seeds: Iterable<number>;
	rounds?: number;
	progress?(message: string): void;
}): Promise<DamageReport> {
	const { seeds, rounds = 6, progress = () => {} } = options;
	const report: DamageReport = { outcomes: { kept: 0, repaired: 0, recovered: 0, rebuilt: 0 }, failures: [] };
	const program = await bundleProgram('damage-child');
	try {
		for (const seed of seeds) {
			const outcomes = await runSequence(program.path, seed, rounds);
			progress(`seed ${seed}: ${Array.isArray(outcomes) ? outcomes.join(', ') : outcomes}`);
			if (Array.isArray(outcomes)) for (const outcome of outcomes) report.outcomes[outcome]++;
			else report.failures.push(`seed ${seed}: ${outcomes}`);
		}
	} finally {
		program.remove();
	}
	return report;
}

function runSequence(program: string, seed: number, rounds: number): Promise<DamageOutcome[] | string> {
	const work = realpathSync(mkdtempSync(join(tmpdir(), 'hef-damage-')));
	const options = { timeout: PATIENCE_MS, killSignal: 'SIGKILL' } as const;
	return new Promise<DamageOutcome[] | string>((resolve) => {
		execFile(process.execPath, [program, work, String(seed), String(rounds)], options, (error, stdout, stderr) => {
			if (!error) resolve(JSON.parse(stdout) as DamageOutcome[]);
			else if (error.killed) resolve('it hangs');
			else resolve(`${error.signal ?? `exit code ${error.code}`} ${stderr.slice(0, 1500)}`);
		});
	}).finally(() => rmSync(work, { recursive: true, force: true }));
}
