/**
 * `npm run bench -- SUITE [ARGUMENTS]`: runs one suite of benchmarks. A suite is a file for Vitest's bench, or a program of
 * its own that prints a table of bars. Without a suite it says which there are.
 */
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = dirname(fileURLToPath(import.meta.url));
const vitest = (file) => ['node_modules/vitest/vitest.mjs', 'bench', '--run', join('test/bench', file)];
const program = (file) => ['test/bench/typescript.mjs', join('test/bench', file)];

const SUITES = {
	index: { does: 'the bars of the index: what a change costs, scale, crashes', run: program('index/main.ts') },
	latency: { does: 'the bars of latency: keystrokes, modes, scale, cancellation, start, memory', run: program('latency/main.ts') },
	quality: { does: "every table and bar of a bundle's quality, and where they stand", run: program('quality/main.ts') },
	inference: { does: 'models and tokenizer against the bare runtime', run: vitest('inference.bench.ts') },
	'vector-index': { does: 'one insertion and one search in the HNSW graph', run: vitest('vector-index.bench.ts') },
};

const [name, ...rest] = process.argv.slice(2);
const suite = Object.hasOwn(SUITES, name ?? '') ? SUITES[name] : undefined;
if (suite) {
	// As the server's entry point does.
	const env = { ...process.env, ORT_DISABLE_TELEMETRY: '1' };
	const { status } = spawnSync(process.execPath, [...suite.run, ...rest], { cwd: join(folder, '..', '..'), stdio: 'inherit', env });
	process.exit(status ?? 1);
}
console.error('Usage: npm run bench -- SUITE [ARGUMENTS]\n');
for (const [each, { does }] of Object.entries(SUITES)) console.error(`  ${each.padEnd(14)}${does}`);
process.exit(name === undefined ? 0 : 2);
