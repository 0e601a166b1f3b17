/** What the generator asks of the runtime: memory for the new rows of a run is made once, and short runs keep one thread busy. */
import { expect, test } from 'vitest';
import { neverCancelled } from '../../server/base/cancellation.ts';
import { type Fetches, openSession, type SessionOptions } from '../../server/inference/session.ts';
import { openModels, tinyBundleFolder, tokens } from '../support/tiny-bundle.ts';

/** Where runs of so many positions wrote their rows. */
async function rowsOfRuns(most: number | undefined, nPositions: number): Promise<Map<number, (Fetches | undefined)[]>> {
	const runs = new Map<number, (Fetches | undefined)[]>();
	const open = async (options: SessionOptions) => {
		const session = await openSession(options);
		const run: typeof session.run = (feeds, fetches) => {
			const size = feeds.inputs_embeds?.dims[1];
			if (size !== undefined) runs.set(size, [...(runs.get(size) ?? []), fetches]);
			return session.run(feeds, fetches);
		};
		return { ...session, run };
	};
	const models = await openModels(tinyBundleFolder, { open });
	const generator = await models.generator();
	const ids = Array.from({ length: nPositions }, (_, i) => 20 + ((i * 37) % 200));
	await generator.prefill([tokens(ids)], neverCancelled, most);
	await models.dispose();
	return runs;
}

test.each([
	['read while nobody waits', 32, 160, 32],
	['read at once', undefined, 408, 136],
])('the pieces of a prompt that is %s write into the same memory', async (_, most, nPositions, size) => {
	const runs = await rowsOfRuns(most, nPositions);
	const [first, ...others] = runs.get(size) ?? [];
	expect(first).toBeDefined();
	expect(others.length).toBeGreaterThan(1);
	expect(others.every((fetches) => fetches === first)).toBe(true);
});

test('a small generator reads a few positions on one thread, with the same logits', async () => {
	const ids = Array.from({ length: 60 }, (_, i) => 20 + ((i * 37) % 200));
	const read = async (threads: number) => {
		const runs: (readonly [positions: number, threads: number])[] = [];
		const open = async (options: SessionOptions) => {
			const session = await openSession(options);
			const run: typeof session.run = (feeds, fetches) => {
				const size = feeds.inputs_embeds?.dims[1];
				if (size !== undefined) runs.push([size, options.threads]);
				return session.run(feeds, fetches);
			};
			return { ...session, run };
		};
		const models = await openModels(tinyBundleFolder, { open, threads });
		const generator = await models.generator();
		const prefilled = await generator.prefill([tokens(ids)], neverCancelled);
		const rows = [prefilled?.logits, ...(await generator.decodeMany([30, 31, 32])), await generator.decode(33)];
		await models.dispose();
		return { runs, rows };
	};
	const [two, one] = [await read(2), await read(1)];
	expect(two.runs).toEqual([
		[60, 2],
		[3, 1],
		[1, 1],
	]);
	expect(one.runs.map(([, threads]) => threads)).toEqual([1, 1, 1]);
	expect(two.rows).toEqual(one.rows);
});
