/**
 * Rounds of edits in which the indexing process is killed (`SIGKILL`) at a random moment of a build, of an update, of the
 * upkeep of its graphs or of the compaction of its store, and after each kill a look at everything that is on disk: every stored vector is compared with what its
 * content makes, and everything that was acknowledged before must still be there.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { bundleProgram } from './program.ts';
import { createRandom, type Random } from './random.ts';
import { StoreChecker, type StoreFindings } from './store-checker.ts';

/** What the process is doing when it is killed. */
export type KillPhase = 'build' | 'update' | 'upkeep' | 'compaction';

export interface KillReport {
	kills: Record<KillPhase, number>;
	/** Kills that came when nothing was under way; not counted as rounds. */
	idleKills: number;
	findings: StoreFindings;
	/** Vectors looked at, summed over all rounds. */
	vectorsChecked: number;
	/** Vectors of snapshots of the graphs that were searched for, summed over all rounds. */
	graphVectorsChecked: number;
}

export interface KillOptions {
	rounds: number;
	seed: number;
	/** Files in the folder, about. Default 150. */
	files?: number;
	progress?(message: string): void;
}

const PHASES: readonly KillPhase[] = ['build', 'update', 'upkeep', 'compaction'];
/** What the process says when a phase begins and when it ends. */
const SIGNS: Record<KillPhase, [began: string, ended: string]> = {
	build: ['index', 'indexed'],
	update: ['index', 'indexed'],
	upkeep: ['maintain', 'maintained'],
	compaction: ['compact', 'compacted'],
};
/** Longest wait for a process that is expected to go on. */
const PATIENCE_MS = 120_000;

/** Runs until so many kills came in the middle of work, and the process then ends its work undisturbed. */
export async function runKillRounds({ rounds, seed, files = 150, progress = () => {} }: KillOptions): Promise<KillReport> {
	const work = realpathSync(mkdtempSync(join(tmpdir(), 'hef-kill-')));
	const program = await bundleProgram('kill-child');
	const bench = new KillBench({ work, program: program.path, random: createRandom(seed), files });
	try {
		let done = 0;
		for (let attempt = 0; done < rounds; attempt++) {
			if (attempt > 6 * rounds) throw new Error(`only ${done} of ${attempt} kills came in the middle of work`);
			if (!(await bench.round(PHASES[attempt % PHASES.length] as KillPhase))) continue;
			if (++done % 20 === 0) progress(`${done} kills`);
		}
		await bench.finish();
		return bench.report();
	} finally {
		rmSync(work, { recursive: true, force: true });
		program.remove();
	}
}

class KillBench {
	readonly #folder: string;
	readonly #storeFolder: string;
	readonly #journal: string;
	readonly #program: string;
	readonly #random: Random;
	readonly #checker = new StoreChecker();
	/** What the folder holds. */
	readonly #files = new Map<string, string>();
	/** What of it was acknowledged as indexed and has not been touched since. */
	readonly #acknowledged = new Map<string, string>();
	readonly #usual: Record<KillPhase, number> = { build: 150, update: 60, upkeep: 30, compaction: 30 };
	readonly #kills: Record<KillPhase, number> = { build: 0, update: 0, upkeep: 0, compaction: 0 };
	#idleKills = 0;

	constructor({ work, program, random, files }: { work: string; program: string; random: Random; files: number }) {
		this.#folder = join(work, 'repo');
		this.#storeFolder = join(work, 'store');
		this.#journal = join(work, 'journal');
		this.#program = program;
		this.#random = random;
		mkdirSync(this.#folder);
		writeFileSync(this.#journal, '');
		for (let i = 0; i < files; i++) this.#write(`d${random.below(12)}/f${i}.py`, this.#someText());
	}

	/** Whether the kill came in the middle of the phase. */
	async round(phase: KillPhase): Promise<boolean> {
		if (phase === 'build') {
			rmSync(this.#storeFolder, { recursive: true, force: true });
			this.#acknowledged.clear();
		}
		const child = this.#startChild(phase === 'compaction' ? 'tight' : 'roomy');
		try {
			if (phase !== 'build') {
				await this.#untilMaintained(child);
				this.#edit();
				child.goOn();
			}
			const [began, ended] = SIGNS[phase];
			await child.until(began);
			if (phase === 'upkeep') this.#acknowledge();
			const started = performance.now();
			const finished = child.until(ended).then(() => true);
			finished.catch(() => {});
			const early = await Promise.race([finished, wait(this.#random.next() * 1.1 * this.#usual[phase]).then(() => false)]);
			if (early) this.#usual[phase] = 0.7 * this.#usual[phase] + 0.3 * (performance.now() - started);
			else this.#usual[phase] *= 1.02;
			await child.kill();
			const inTheMiddle = !child.said(ended);
			if (inTheMiddle) this.#kills[phase]++;
			else this.#idleKills++;
			if (!inTheMiddle && (phase === 'build' || phase === 'update')) this.#acknowledge();
			await this.#check();
			return inTheMiddle;
		} finally {
			await child.kill();
		}
	}

	/** One undisturbed run to the end; afterwards the store must hold what the folder makes, no less. */
	async finish(): Promise<void> {
		const child = this.#startChild('roomy');
		try {
			await this.#untilMaintained(child);
			await child.end();
		} finally {
			await child.kill();
		}
		this.#checker.checkComplete(this.#storeFolder, this.#files);
		await this.#check();
	}

	report(): KillReport {
		const { findings, vectorsChecked, graphVectorsChecked } = this.#checker;
		return { kills: this.#kills, idleKills: this.#idleKills, findings, vectorsChecked, graphVectorsChecked };
	}

	#startChild(budget: 'roomy' | 'tight'): Child {
		return new Child(this.#program, [this.#folder, this.#storeFolder, this.#journal, budget]);
	}

	async #untilMaintained(child: Child): Promise<void> {
		await child.until('indexed');
		this.#acknowledge();
		await child.until('maintained');
	}

	#acknowledge(): void {
		this.#acknowledged.clear();
		for (const [path, text] of this.#files) this.#acknowledged.set(path, text);
	}

	async #check(): Promise<void> {
		this.#checker.learnNodes(readFileSync(this.#journal, 'utf8'));
		await this.#checker.check(this.#storeFolder, this.#acknowledged);
	}

	/** Writes, deletes, renames and copies files, and takes earlier texts back. */
	#edit(): void {
		const random = this.#random;
		for (let edits = 5 + random.below(25); edits > 0; edits--) {
			const path = random.pick([...this.#files.keys()]);
			const kind = random.below(8);
			if (kind < 4) this.#write(path, this.#someText());
			else if (kind === 4) this.#write(path, this.#checker.someText(random));
			else if (kind === 5) this.#write(`d${random.below(12)}/new${random.below(1e6)}.py`, this.#files.get(path) as string);
			else if (kind === 6 && this.#files.size > 50) this.#remove(path);
			else this.#rename(path, `d${random.below(12)}/renamed${random.below(1e6)}.py`);
		}
	}

	#someText(): string {
		const random = this.#random;
		return Array.from({ length: 2 + random.below(24) }, () => `def f${random.below(1e9)}(a): return a + ${random.below(1e9)}\n`).join('');
	}

	#write(path: string, text: string): void {
		this.#checker.learnText(text);
		this.#files.set(path, text);
		this.#acknowledged.delete(path);
		mkdirSync(dirname(join(this.#folder, path)), { recursive: true });
		writeFileSync(join(this.#folder, path), text);
	}

	#remove(path: string): void {
		this.#files.delete(path);
		this.#acknowledged.delete(path);
		rmSync(join(this.#folder, path));
	}

	#rename(from: string, to: string): void {
		const text = this.#files.get(from) as string;
		this.#files.delete(from);
		this.#acknowledged.delete(from);
		this.#files.set(to, text);
		this.#acknowledged.delete(to);
		if (!existsSync(dirname(join(this.#folder, to)))) mkdirSync(dirname(join(this.#folder, to)), { recursive: true });
		renameSync(join(this.#folder, from), join(this.#folder, to));
	}
}

/** The process, and what it has said so far. */
class Child {
	readonly #process: ChildProcess;
	readonly #closed: Promise<unknown>;
	readonly #said: string[] = [];
	/** Answers `until` looks at what comes after this. */
	#seen = 0;
	#errors = '';
	#wake: () => void = () => {};

	constructor(program: string, args: readonly string[]) {
		this.#process = spawn(process.execPath, [program, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
		this.#closed = once(this.#process, 'close');
		this.#process.stdin?.on('error', () => {});
		this.#process.stderr?.on('data', (piece) => {
			this.#errors += piece;
		});
		if (this.#process.stdout)
			createInterface({ input: this.#process.stdout }).on('line', (line) => {
				this.#said.push(line);
				this.#wake();
			});
		this.#process.on('close', () => this.#wake());
	}

	/** Resolves when the process says this for the first time since the last call. */
	async until(phase: string): Promise<void> {
		const limit = performance.now() + PATIENCE_MS;
		for (;;) {
			const at = this.#said.indexOf(phase, this.#seen);
			if (at >= 0) {
				this.#seen = at + 1;
				return;
			}
			const left = limit - performance.now();
			if (this.#process.exitCode !== null || this.#process.signalCode !== null || left <= 0)
				throw new Error(`the indexing process did not say '${phase}': ${this.#errors || this.#said.join(' ')}`);
			await new Promise<void>((resolve) => {
				const timer = setTimeout(resolve, left);
				this.#wake = () => {
					clearTimeout(timer);
					resolve();
				};
			});
		}
	}

	/** Whether it was the last thing said. */
	said(phase: string): boolean {
		return this.#said.at(-1) === phase;
	}

	goOn(): void {
		this.#process.stdin?.write('go\n');
	}

	async end(): Promise<void> {
		this.#process.stdin?.end();
		await this.#closed;
	}

	async kill(): Promise<void> {
		this.#process.kill('SIGKILL');
		await this.#closed;
	}
}
