/** How the weight of the copy model is fitted. */
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { fitCopyWeights, type GroupedStep, meanLogProb } from '../../server/cli/evaluation/copy-fitting.ts';
import { DEFAULT_ANALOGY_WEIGHTS, DEFAULT_COPY_WEIGHTS } from '../../server/inference/copy-weights.ts';
import { parseManifest } from '../../server/inference/manifest.ts';
import { runCli, runJson, TINY_BUNDLE } from '../support/cli.ts';
import { createRandom } from '../support/random.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const random = createRandom(5);
/** Copies are right the more often the longer their match; what else is told says nothing. */
const steps: GroupedStep[] = Array.from({ length: 1500 }, (_, i) => {
	const logMatchLength = 3 * random.next();
	const isRight = random.next() < 1 / (1 + Math.exp(-(4 * logMatchLength - 6)));
	return {
		features: { logMatchLength, logSupport: random.next(), topProbability: 0.5, modelEntropy: random.normal() },
		modelProbability: 0.2,
		copyProbability: isRight ? 0.9 : 0,
		group: `r${i % 3}`,
	};
});

test('finds what tells good copies from bad ones', () => {
	const before = { copy: { intercept: 0 } };
	const fit = fitCopyWeights(steps, before);
	expect(fit).toMatchObject({ steps: 1500, repositories: 3 });
	expect(fit.logProb.model).toBeCloseTo(Math.log(0.2), 6);
	expect(fit.logProb.before).toBeCloseTo(meanLogProb(steps, before), 9);
	expect(fit.logProb.crossValidated).toBeGreaterThan(fit.logProb.before + 0.1);
	expect(meanLogProb(steps, fit.weights)).toBeGreaterThanOrEqual(fit.logProb.crossValidated);
	expect(fit.weights.copy.logMatchLength).toBeGreaterThan(2);
	expect(Math.abs(fit.weights.copy.logSupport ?? 0)).toBeLessThan(0.6);
	expect(fitCopyWeights(steps, before)).toEqual(fit);
	// No line had an analogous one: they count nothing.
	expect(fit.logProb.crossValidated).toBeCloseTo(fit.logProb.copyCrossValidated, 6);
});

test('fits analogous lines to what the copy model leaves', () => {
	const both = steps.map((step) => {
		const logShaped = 2 * random.next();
		const isRight = random.next() < 1 / (1 + Math.exp(-(4 * logShaped - 4)));
		return { ...step, analogy: { features: { logShaped, topProbability: 1 }, probability: isRight ? 1 : 0 } };
	});
	const fit = fitCopyWeights(both, { copy: { intercept: 0 } });
	expect(fit.logProb.crossValidated).toBeGreaterThan(fit.logProb.copyCrossValidated + 0.1);
	expect(fit.weights.analogy?.logShaped).toBeGreaterThan(1.5);
	expect(fit.weights.copy).toEqual(fitCopyWeights(steps, { copy: { intercept: 0 } }).weights.copy);
	expect(meanLogProb(both, { copy: fit.weights.copy })).toBeLessThan(meanLogProb(both, fit.weights));
});

test('wants two repositories', () => {
	expect(() =>
		fitCopyWeights(
			steps.filter(({ group }) => group === 'r0'),
			{ copy: { intercept: 0 } },
		),
	).toThrow('two repositories');
});

test('the command reads lines token by token, and writes weights that the bundle loads with', { timeout: 240_000 }, async () => {
	const source = (name: string) =>
		Array.from({ length: 30 }, (_, i) => `export const ${name}${i} = await store.load('${name}', ${i});\n`).join('');
	const folder = temporaryFolder({
		'repos/one/a.ts': source('alpha'),
		'repos/one/b.ts': source('beta'),
		'repos/two/c.ts': source('gamma'),
	});
	const line = (repo: string, path: string, name: string, i: number) => {
		const gold = `export const ${name}${i} = await store.load('${name}', ${i});`;
		return JSON.stringify({ id: `${repo}:${i}`, language: 'typescript', repo, path, offset: source(name).indexOf(gold), gold, mid: 14 });
	};
	const lines = [12, 15, 18].flatMap((i) => [line('one', 'a.ts', 'alpha', i), line('two', 'c.ts', 'gamma', i)]);
	const data = join(temporaryFolder({ 'lines.jsonl': `${lines.join('\n')}\n` }), 'lines.jsonl');
	const bundle = join(folder, 'bundle');
	cpSync(TINY_BUNDLE, bundle, { recursive: true });
	const weights = () => parseManifest(JSON.parse(readFileSync(join(bundle, 'manifest.json'), 'utf8'))).manifest;
	expect([weights()?.copy, weights()?.analogy]).toEqual([DEFAULT_COPY_WEIGHTS, DEFAULT_ANALOGY_WEIGHTS]);
	const args = ['fit-copy', '--data', data, '--repos', join(folder, 'repos'), '--bundle', bundle, '--execution-provider', 'cpu'];
	const fit = await runJson<{ steps: number; repositories: number; logProb: { model: number; crossValidated: number } }>([
		...args,
		'--write',
	]);
	expect(fit.repositories).toBe(2);
	expect(fit.steps).toBeGreaterThan(30);
	// A random generator knows nothing; these files repeat themselves.
	expect(fit.logProb.crossValidated).toBeGreaterThan(fit.logProb.model + 3);
	expect(weights()?.copy).toMatchObject({ intercept: expect.any(Number), logMatchLength: expect.any(Number) });
	expect(weights()?.analogy).toMatchObject({ intercept: expect.any(Number), logShaped: expect.any(Number) });
	expect(weights()?.copy).not.toEqual(DEFAULT_COPY_WEIGHTS);
	expect(weights()?.analogy).not.toEqual(DEFAULT_ANALOGY_WEIGHTS);
	const wrong = await runCli(['fit-copy', '--data', join(folder, 'none.jsonl'), '--repos', folder, '--bundle', bundle]);
	expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringContaining('cannot read examples')]);
});
