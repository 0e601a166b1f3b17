/**
 * Everything that `models/README.md` says of a bundle's quality: runs `hef-language-server eval` once for each table, and prints
 * the tables and the bars. Results are kept, so that an ended run goes on where it was; `--readme` writes them into the document,
 * `--write` into the bundle's manifest.
 */
import { spawn } from 'node:child_process';
import { createWriteStream, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { loadBundle } from '../../../server/inference/bundle.ts';
import { shippedBundleFolder } from '../../support/tiny-bundle.ts';
import { replaceSection } from '../readme.ts';
import { describe, evaluationOf } from './document.ts';
import { against, type Result, type Results, RUNS, type Run } from './runs.ts';

const SERVER = fileURLToPath(new URL('../../../server/bin/hef-language-server.js', import.meta.url));
const DOCUMENT = fileURLToPath(new URL('../../../models/README.md', import.meta.url));
const USAGE = `Arguments: --benchmarks DIR --repos DIR --out DIR [--bundle DIR] [--separate BUNDLE] [--only NAME,NAME] [--limit N] [--lanes N]
           [--plot FILE.svg] [--readme] [--write]

  --benchmarks  folder of ${[...new Set(RUNS.map(({ data }) => data))].join(', ')}
  --repos       folder of their repositories
  --out         folder of the results and of the index; a run whose result is there is not repeated
  --bundle      default: the one that ships
  --separate    a bundle of the separate regime, to hold an end-to-end one against
  --limit       at most so many lines a run: to see that it works
  --lanes       runs side by side: their times are then worth little`;

const text = { type: 'string' } as const;
const flag = { type: 'boolean', default: false } as const;
const { values: given } = parseArgs({
	options: {
		...{ benchmarks: text, repos: text, out: text, bundle: text, separate: text, only: text, limit: text, lanes: text, plot: text },
		...{ readme: flag, write: flag },
	},
});
const { benchmarks, repos, out } = given;
if (benchmarks === undefined || repos === undefined || out === undefined) {
	console.error(USAGE);
	process.exit(2);
}
const places = { benchmarks, repos, out };
const folder = resolve(given.bundle ?? shippedBundleFolder);
const { bundleId, manifest } = await loadBundle(folder);
const only = given.only?.split(',');
const runs = [...RUNS, ...(given.separate === undefined ? [] : [against(resolve(given.separate))])];
mkdirSync(out, { recursive: true });

const waiting = runs.filter(({ name }) => !only || only.includes(name)).filter((run) => !existsSync(resultFile(run)));
await Promise.all(Array.from({ length: Number(given.lanes ?? 1) }, (_, lane) => work(lane)));
const results: Results = new Map(runs.filter((run) => existsSync(resultFile(run))).map((run) => [run.name, readResult(run)]));
const report = `Bundle \`${manifest.name}\` \`${bundleId}\`.\n\n${describe(runs, results)}\n`;
console.log(report);
if (given.readme) writeFileSync(DOCUMENT, replaceSection(readFileSync(DOCUMENT, 'utf8'), 'quality', report));
if (given.write) {
	const file = join(folder, 'manifest.json');
	const changed = { ...JSON.parse(readFileSync(file, 'utf8')), evaluation: evaluationOf(runs, results) };
	writeFileSync(file, `${JSON.stringify(changed, null, 2)}\n`);
}

async function work(lane: number): Promise<void> {
	for (let run = waiting.shift(); run; run = waiting.shift()) {
		const started = performance.now();
		await evaluate(run, join(places.out, `index-${lane}`));
		console.error(`${run.name}: ${((performance.now() - started) / 60_000).toFixed(1)} min`);
	}
}

function resultFile({ name }: Run): string {
	return join(places.out, `${name}.json`);
}

/** @throws Error when the result is another bundle's */
function readResult(run: Run): Result {
	// JSON has no infinity, which is where a ratio's interval ends when the lines are few.
	const revive = (key: string, value: unknown) => (value === null && (key === 'low' || key === 'high') ? Infinity : value);
	const result = JSON.parse(readFileSync(resultFile(run), 'utf8'), revive) as Result;
	if (result.bundle.id !== bundleId)
		throw new Error(`${resultFile(run)} is of bundle ${result.bundle.id}, not ${bundleId}: choose another --out`);
	return result;
}

/** @throws Error when the command fails */
async function evaluate(run: Run, cache: string): Promise<void> {
	const most = Number(given.limit ?? Number.POSITIVE_INFINITY);
	const own = run.arguments.map((each, i) => (run.arguments[i - 1] === '--limit' ? String(Math.min(Number(each), most)) : each));
	const limit = given.limit === undefined || own.includes('--limit') ? [] : ['--limit', given.limit];
	const plot = run.shows === 'k' && given.plot !== undefined ? ['--plot', given.plot] : [];
	const input = ['--data', join(places.benchmarks, run.data), '--repos', places.repos, '--bundle', folder, '--cache', cache];
	const making = `${resultFile(run)}.making`;
	const child = spawn(process.execPath, [SERVER, 'eval', ...input, ...own, ...limit, ...plot, '--json'], {
		stdio: ['ignore', 'pipe', 'pipe'],
	});
	child.stdout.pipe(createWriteStream(making));
	const complaints: string[] = [];
	child.stderr.on('data', (chunk: Buffer) => complaints.splice(0, complaints.length, ...[...complaints, chunk.toString()].slice(-5)));
	const code = await new Promise((settle) => child.on('close', settle));
	if (code !== 0) throw new Error(`${run.name} failed:\n${complaints.join('')}`);
	renameSync(making, resultFile(run));
}
