import ignore from 'ignore';
import { describe, expect, test } from 'vitest';
import { DEFAULT_RULES, SECRET_RULES } from '../../server/workspace/builtin-rules.ts';
import { namedBy } from '../../server/workspace/named-by-rules.ts';
import { createRandom, type Random } from '../support/random.ts';

const PARTS = ['a', 'b.ts', '.env', 'x.min.js', 'pb2', '_', '.', 'É', '*', '**', '?', '[ab]', '\\*', '/', '/', 'build', ' ', '\t'];

function randomText(random: Random, parts: readonly string[], longest: number): string {
	return Array.from({ length: 1 + random.below(longest) }, () => random.pick(parts)).join('');
}

function randomPath(random: Random): string {
	const names = PARTS.filter((part) => !/[*?[/\\]/.test(part));
	const path = Array.from({ length: 1 + random.below(3) }, () => randomText(random, names, 3)).join('/');
	return random.below(4) === 0 ? `${path}/` : path;
}

describe('names that rules are about', () => {
	test('every path about which random rules say anything is named by them', () => {
		let [ignored, spared] = [0, 0];
		for (let seed = 0; seed < 3000; seed++) {
			const random = createRandom(seed);
			const rules = Array.from({ length: 1 + random.below(4) }, () => `${random.below(5) === 0 ? '!' : ''}${randomText(random, PARTS, 4)}`);
			const [isNamed, matcher] = [namedBy(rules), ignore({ ignorecase: true }).add(rules)];
			for (let i = 0; i < 10; i++) {
				const path = random.below(2) === 0 ? randomPath(random) : randomPath(random).toUpperCase();
				if (!ignore.isPathValid(path)) continue;
				const isIgnored = matcher.ignores(path);
				if (isIgnored) expect(isNamed(path), `${JSON.stringify(path)} by ${JSON.stringify(rules)}`).toBe(true);
				ignored += isIgnored ? 1 : 0;
				spared += isNamed(path) ? 0 : 1;
			}
		}
		expect(ignored).toBeGreaterThan(1000);
		expect(spared).toBeGreaterThan(1000);
	});

	test('the built-in rules are asked about what they name, and not about common sources', () => {
		const isNamed = namedBy([...SECRET_RULES, ...DEFAULT_RULES]);
		for (const path of [
			'.env.local',
			'src/id_rsa.pub',
			'a/.docker/config.json',
			'a/node_modules/b/c.js',
			'x/app.min.js',
			'API_PB2.py',
			'.git/',
		])
			expect(isNamed(path), path).toBe(true);
		for (const path of ['src/index.ts', 'environment.ts', 'lib/vendors.py', 'a/b/pb2.py', 'docs/keys.md', 'README'])
			expect(isNamed(path), path).toBe(false);
	});

	test('of two folders with files of one name each is judged by itself', () => {
		const isNamed = namedBy(['build/']);
		expect(['build/a.ts', 'src/a.ts', 'src/build/a.ts', 'a.ts', 'build/a.ts'].map(isNamed)).toEqual([true, false, true, false, true]);
	});
});
