/** The bars of the index: what a change costs, and what scale and crashes do to it. */
import { runSuite } from '../bars.ts';
import { changes } from './changes.ts';
import { damage } from './damage.ts';
import { latencyOfCompletions, throughputOfBuild } from './during-build.ts';
import { insertionIntoDirectory } from './hierarchy.ts';
import { kills } from './kills.ts';
import { memory } from './memory.ts';
import { million } from './million.ts';
import { starts } from './starts.ts';

const ARGUMENTS = {
	graphs: 'folder that keeps the graphs of `million` for the next run',
	bundle: 'folder of a bundle for `starts` and `throughput`; without it, the shipped one',
	files: 'new files in each pair of `throughput`; fewer are enough where a chunk takes long to embed',
};
const measurements = [insertionIntoDirectory, changes, starts, throughputOfBuild, latencyOfCompletions, memory, million, kills, damage];

await runSuite('index', measurements, { arguments: ARGUMENTS });
