/** What the shape of the tree makes a change cost, without models: nodes re-fused by one more file in a large directory. */
import { chunkId, type SpaceId } from '../../../server/base/ids.ts';
import { createHierarchy } from '../../../server/hierarchy/hierarchy.ts';
import { createRandom } from '../../support/random.ts';
import type { Measurement } from '../bars.ts';

const space = 'bench-space' as SpaceId;

/** Nodes that are new after one file was put at a random place of a directory, one value for each trial. */
export function insertionCosts(options: { files: number; trials: number; seed: number }): number[] {
	const { files, trials, seed } = options;
	const random = createRandom(seed);
	const hierarchy = createHierarchy({ spaceId: space });
	const name = (i: number) => `dir/file${String(i).padStart(6, '0')}.ts`;
	const put = (path: string, text: string) => hierarchy.setFile(path, [{ id: chunkId(space, text), startLine: 0, endLine: 9 }]);
	for (let i = 0; i < files; i++) put(name(2 * i), `${seed} text ${i}`);
	hierarchy.commit();
	return Array.from({ length: trials }, (_, trial) => {
		const path = name(2 * random.below(files) + 1);
		put(path, `${seed} new ${trial}`);
		const { addedNodes } = hierarchy.commit();
		hierarchy.setFile(path, null);
		hierarchy.commit();
		return addedNodes.length;
	});
}

export const insertionIntoDirectory: Measurement = {
	name: 'insertion',
	async run({ quick }) {
		const files = quick ? 1000 : 10_000;
		const trials = quick ? 20 : 200;
		const values = insertionCosts({ files, trials, seed: 11 });
		const within = values.filter((value) => value <= 15).length;
		return [
			{
				what: 'Adding one file to a directory of 10,000 files: nodes re-fused',
				values,
				unit: 'nodes',
				limit: { relation: '≤', value: 15 },
				note: `${files.toLocaleString('en')} files; ${within} of ${trials} random places within the bar`,
			},
		];
	},
};
