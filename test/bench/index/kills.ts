/** Killing the indexing process at random moments, and what is on disk afterwards. */
import { runKillRounds } from '../../support/kill-rounds.ts';
import type { Measurement } from '../bars.ts';

export const kills: Measurement = {
	name: 'kills',
	async run({ quick, progress }) {
		const rounds = quick ? 16 : 200;
		const seed = Date.now() % 1e9;
		progress(`seed ${seed}`);
		const report = await runKillRounds({ rounds, seed, progress });
		const { wrong, lost } = report.findings;
		for (const finding of [...wrong, ...lost].slice(0, 20)) progress(finding);
		const { build, update, upkeep, compaction } = report.kills;
		return [
			{
				what: 'Random kill -9 during build, edit and compaction: wrong or lost vectors afterwards',
				values: [wrong.length + lost.length],
				unit: 'vectors',
				limit: { relation: '=', value: 0 },
				note: `${rounds} rounds: ${build} in a build, ${update} in an update, ${upkeep} in the upkeep of graphs, ${compaction} in the store's compaction; ${report.vectorsChecked.toLocaleString('en')} stored vectors compared, ${report.graphVectorsChecked.toLocaleString('en')} searched for in graphs; stand-ins for the models`,
			},
		];
	},
};
