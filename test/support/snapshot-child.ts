/**
 * A process that saves snapshots of its graphs to a folder, over and over, each with other vectors than the last. Says on stdout
 * when a save begins and when it ends. Arguments: the folder, and a name that its ids begin with.
 */
import { writeSync } from 'node:fs';
import { createHnswIndex } from '../../server/vector-index/hnsw-index.ts';
import { SNAPSHOT_GRAPHS, snapshotId, snapshotVector } from './snapshot-space.ts';

const [folder = '', name = ''] = process.argv.slice(2);
for (let round = 0; ; round++) {
	const index = createHnswIndex(SNAPSHOT_GRAPHS);
	for (let save = 0; save < 4; save++) {
		for (let i = 0; i < 150; i++) {
			const id = snapshotId(`${name} ${round} ${save} ${i}`);
			index.add(id, snapshotVector(id));
		}
		writeSync(1, 'saving\n');
		await index.save(folder);
		writeSync(1, 'saved\n');
	}
}
