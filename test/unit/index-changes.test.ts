/** Small versions of the bars of `npm run bench -- index` that count: real files, chunker, store and graph, stand-in models. */
import { expect, test } from 'vitest';
import { buildMonorepo, renameFolder, saveOneFunction, startWarm, switchBranches } from '../bench/index/changes.ts';
import { insertionCosts } from '../bench/index/hierarchy.ts';
import { createMonorepo } from '../support/monorepo.ts';

test('a change to a synthetic monorepo costs what changed', async () => {
	const built = await buildMonorepo(30);
	try {
		for (const file of [0, 17, 29]) {
			const { chunksChanged, chunksEmbedded, nodesFused, depth } = await saveOneFunction(built, file, 1);
			expect(chunksChanged).toBeGreaterThan(0);
			expect(chunksEmbedded).toBe(chunksChanged);
			expect(nodesFused).toBeLessThanOrEqual(2 * depth);
			expect(depth).toBeGreaterThan(4);
		}
		const { files, embedded } = await renameFolder(built, 2);
		expect(files).toBeGreaterThan(20);
		expect(embedded).toEqual([0, 0]);
		expect(await switchBranches(built, 8, 2)).toEqual({ embeddedAway: expect.any(Number), embeddedBack: 0 });
		expect((await startWarm(built)).embedded).toBe(0);
		expect(built.index.view.readyShare).toBe(1);
	} finally {
		await built.remove();
	}
}, 300_000);

test('one more file in a directory of 2,000 re-fuses about the way to the root', () => {
	const costs = insertionCosts({ files: 2000, trials: 25, seed: 3 }).sort((a, b) => a - b);
	expect(costs[12]).toBeLessThanOrEqual(15);
});

test('a synthetic monorepo is the same every time, parses in part alone, and an edit changes one function', () => {
	const [one, two] = [createMonorepo({ files: 600, seed: 9 }), createMonorepo({ files: 600, seed: 9 })];
	expect(two.text(31)).toBe(one.text(31));
	expect(new Set(one.paths).size).toBe(600);
	expect(new Set(one.paths.map((path) => path.slice(path.lastIndexOf('.'))))).toEqual(new Set(['.ts', '.py']));
	const [before, after] = [one.text(31).split('\n'), one.text(31, 4).split('\n')];
	expect(after.length).toBe(before.length);
	const changed = after.flatMap((line, i) => (line === before[i] ? [] : [i]));
	expect(changed.length).toBeGreaterThan(0);
	expect((changed.at(-1) as number) - (changed[0] as number)).toBeLessThan(40);
});
