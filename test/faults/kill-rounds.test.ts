/** A few of the rounds that `npm run bench -- index --only kills` runs by the hundred, and the proof that their eyes are open. */
import { expect, test } from 'vitest';
import { createHierarchy } from '../../server/hierarchy/hierarchy.ts';
import { openStore } from '../../server/store/lmdb-store.ts';
import { createFakeEmbedder, fakeTokenizer } from '../support/fakes.ts';
import { runKillRounds } from '../support/kill-rounds.ts';
import { KILL_SPACE } from '../support/kill-space.ts';
import { placesOf, StoreChecker } from '../support/store-checker.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

test('killed in a build, an update, the upkeep of graphs and the compaction of the store, the store has no wrong vector and lost none', async () => {
	const seed = Date.now() % 1e9;
	console.info(`kill rounds, seed ${seed}`);
	const report = await runKillRounds({ rounds: 4, seed, files: 60 });
	expect(report.findings).toEqual({ wrong: [], lost: [] });
	expect(Object.values(report.kills).reduce((sum, kills) => sum + kills)).toBe(4);
	expect(report.vectorsChecked).toBeGreaterThan(1000);
}, 600_000);

test('a foreign vector, a missing vector and a missing record are found', async () => {
	const text = 'def a(x): return x\n';
	const checker = new StoreChecker();
	checker.learnText(text);
	const [place] = placesOf(text);
	const [right, foreign] = await createFakeEmbedder(KILL_SPACE).embed([fakeTokenizer.encode(text), fakeTokenizer.encode('other')]);
	const tree = createHierarchy(KILL_SPACE);
	tree.setFile('a.py', placesOf(text));
	const { addedNodes } = tree.commit();
	checker.learnNodes(addedNodes.map(({ id, children }) => `${id} ${children.join(' ')}\n`).join(''));
	const record = {
		contentHash: 'c'.repeat(32) as never,
		sizeBytes: text.length,
		mtimeMs: 0,
		chunks: [{ ...place, startOffset: 0, endOffset: text.length }] as never,
		entities: [],
	};
	const check = async (chunkVector: Float32Array | undefined, acknowledged: Record<string, string>) => {
		const folder = temporaryFolder();
		const store = await openStore({ folder, ...KILL_SPACE });
		const vectors = addedNodes.map(({ id }) => [id, right as Float32Array] as const);
		await store.write({
			files: [['a.py', record]],
			vectors: chunkVector ? [...vectors, [place?.id as never, chunkVector] as const] : vectors,
		});
		await store.close();
		checker.findings.wrong.length = 0;
		checker.findings.lost.length = 0;
		await checker.check(folder, new Map(Object.entries(acknowledged)));
		return { wrong: checker.findings.wrong.length, lost: checker.findings.lost.length };
	};
	expect(await check(right, { 'a.py': text })).toEqual({ wrong: 0, lost: 0 });
	expect((await check(foreign, {})).wrong).toBe(1);
	expect((await check(undefined, {})).lost).toBe(1);
	expect((await check(right, { 'b.py': text })).lost).toBe(1);
});
