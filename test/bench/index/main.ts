/** The bars of the index: what a change costs, and what scale and crashes do to it. */
import { runSuite } from '../bars.ts';
import { changes } from './changes.ts';
import { damage } from './damage.ts';
import { insertionIntoDirectory } from './hierarchy.ts';
import { kills } from './kills.ts';
import { memory } from './memory.ts';
import { million } from './million.ts';
import { serviceMeasurements } from './services.ts';

const ARGUMENTS = { graphs: 'folder that keeps the graphs of `million` for the next run' };
const measurements = [insertionIntoDirectory, changes, ...serviceMeasurements, memory, million, kills, damage];

await runSuite('index', measurements, { arguments: ARGUMENTS });
