/** The commands of the evaluation as a user runs them, on a small repository and random weights. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Calibration } from '../../server/cli/evaluation/calibration.ts';
import type { EvalReport } from '../../server/cli/evaluation/report.ts';
import { loadBundle } from '../../server/inference/bundle.ts';
import { runCli, TINY_BUNDLE } from '../support/cli.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { copyTinyBundle } from '../support/tiny-bundle.ts';

const LIBRARY = Array.from(
	{ length: 6 },
	(_, i) => `export function helper${i}(value: number): number {\n\treturn value * ${i};\n}\n`,
).join('\n');
const USER = `import { ${Array.from({ length: 6 }, (_, i) => `helper${i}`).join(', ')} } from './library.ts';

export function total(start: number): number {
${Array.from({ length: 6 }, (_, i) => `\tconst part${i} = helper${i}(start + ${i});`).join('\n')}
	return part0 + part1 + part2;
}
`;
/** Two repositories that differ in their names. */
const repositories = () =>
	temporaryFolder({
		'one/src/library.ts': LIBRARY,
		'one/src/user.ts': USER,
		'two/src/library.ts': LIBRARY.replaceAll('helper', 'assist'),
		'two/src/user.ts': USER.replaceAll('helper', 'assist'),
	});

async function cli(...args: string[]) {
	const result = await runCli(args);
	if (result.code !== 0) throw new Error(`exit code ${result.code}: ${result.stderr}`);
	return result;
}

test('lines are drawn, completed in every mode, compared and plotted', async () => {
	const repos = repositories();
	const { stdout: lines } = await cli('lines', '--repos', repos, '--kind', 'xfile', '--count', '4');
	const drawn = lines
		.trim()
		.split('\n')
		.map((line) => JSON.parse(line) as { repo: string; kind: string });
	expect(drawn.map(({ repo, kind }) => [repo, kind])).toEqual([
		...Array.from({ length: 2 }, () => ['one', 'first_use']),
		...Array.from({ length: 2 }, () => ['two', 'first_use']),
	]);

	const folder = temporaryFolder({ 'lines.jsonl': lines });
	const [data, details, plot] = ['lines.jsonl', 'details.jsonl', 'plot.svg'].map((name) => join(folder, name)) as [string, string, string];
	const common = ['--data', data, '--repos', repos, '--bundle', TINY_BUNDLE, '--execution-provider', 'cpu', '--workers', '2'];
	const sweep = [
		'--modes',
		'none,snippets,llavacode,hef,copy',
		'--variants',
		'--k',
		'1,2,70',
		'--levels',
		'chunk,file',
		'--reference',
		TINY_BUNDLE,
		'--against',
		TINY_BUNDLE,
	];
	const { stdout, stderr } = await cli('eval', ...common, ...sweep, '--details', details, '--plot', plot, '--json');
	const report = JSON.parse(stdout) as EvalReport & { data: string; mid: boolean; notes: Record<string, number> };
	expect(report).toMatchObject({ data, mid: false, bundle: { name: 'tiny' } });
	expect(Object.keys(report.modes)).toEqual(
		expect.arrayContaining(['none', 'none-copy', 'snippets', 'hef', 'hef-copy', 'hef-entities', 'copy']),
	);
	expect(report.notes['llavacode: the bundle has no llavacode projector']).toBe(4);
	expect(report.modes.hef).toMatchObject({ n: 4 });
	expect(report.modes.hef?.deltaLogProb?.value).not.toBe(0);
	expect(report.ratios.map(({ mode, to }) => `${mode} / ${to}`)).toContain('hef-copy / none-copy');
	expect(report.harmful.map(({ judge }) => judge)).toEqual([TINY_BUNDLE, 'own generator', 'own generator']);
	// The reference is the bundle itself, so both judge alike.
	expect(report.harmful[0]?.n).toBe(report.harmful[1]?.n);
	expect(stderr).toMatch(/--k 70: the bundle was trained on at most \d+ pseudo-tokens/);
	expect(report.k.map(({ k, untrained }) => [k, untrained])).toEqual([
		[1, false],
		[2, false],
		[70, true],
	]);
	// Against itself nothing differs.
	expect(report.against.find(({ mode }) => mode === 'hef')).toMatchObject({
		n: 4,
		em: { value: 0 },
		logProb: { value: 0, low: 0, high: 0 },
	});
	expect(report.needed.hef).toMatchObject({ first_use: expect.any(Number), all: expect.any(Number) });
	expect(report.levels.map(({ levels }) => levels)).toEqual([['chunk'], ['chunk', 'file']]);
	expect(readFileSync(plot, 'utf8')).toMatch(/^<svg /);
	const answers = readFileSync(details, 'utf8')
		.trim()
		.split('\n')
		.map((line) => JSON.parse(line) as { mode: string; goldLogProb?: number });
	expect(answers).toHaveLength(4 * (Object.keys(report.modes).length + report.k.length + 2));
	// The copy model alone runs no generator, so it has no probabilities.
	for (const { mode, goldLogProb } of answers) {
		if (mode === 'copy') expect(goldLogProb).toBeUndefined();
		else expect(goldLogProb).toBeLessThan(0);
	}
	expect(readFileSync(join(repos, 'one/src/user.ts'), 'utf8')).toBe(USER);
}, 300_000);

test('the confidence is fitted to answers and written into the bundle', async () => {
	await using copy = await copyTinyBundle();
	const answers = Array.from({ length: 80 }, (_, i) => {
		const sumLogProb = -(i % 20) / 2;
		const features = { sumLogProb, meanLogProb: sumLogProb / 4, minLogProb: 0, firstLogProb: 0, nTokens: 4, lineStart: 0, midWord: 0 };
		// Sure ones are right, with an exception each way.
		const em = i % 20 < 8 ? i !== 2 : i === 15;
		return { id: `${i}`, repo: `r${i % 3}`, mode: i < 60 ? 'hef' : 'none', mid: false, em, suppressed: null, features };
	});
	const file = join(temporaryFolder({ 'answers.jsonl': answers.map((answer) => JSON.stringify(answer)).join('\n') }), 'answers.jsonl');
	const { stdout } = await cli('calibrate', '--answers', file, '--bundle', copy.folder, '--precision', '0.8', '--write', '--json');
	const { weights, requests, chosen } = JSON.parse(stdout) as Calibration;
	expect(requests).toBe(60);
	expect(chosen?.precision).toBeGreaterThanOrEqual(0.8);
	expect((await loadBundle(copy.folder)).manifest.confidence).toEqual(weights);
	expect(JSON.parse(readFileSync(join(copy.folder, 'manifest.json'), 'utf8'))).toMatchObject({
		name: 'tiny',
		confidence: { fitted: { data: 'answers.jsonl', requests: 60, repositories: 3 } },
	});
	const { code, stderr } = await runCli(['calibrate', '--answers', file, '--precision', '2']);
	expect(code).toBe(2);
	expect(stderr).toContain("--precision wants a number between 0 and 1, got '2'");
}, 300_000);
