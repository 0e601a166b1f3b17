/** Damaged data files, and what it costs to start on a file that was left in the middle of a write. */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hashText, type NodeId, type SpaceId } from '../../../server/base/ids.ts';
import { openStore } from '../../../server/store/lmdb-store.ts';
import { noteUnrest } from '../../../server/store/rest.ts';
import { runDamageRounds } from '../../support/damage-rounds.ts';
import { latentVectors } from '../../support/vectors.ts';
import type { Bar, Measurement } from '../bars.ts';

const SPACE = { spaceId: 'damage' as SpaceId, dimension: 192 };
const PER_WRITE = 1000;
const STARTS = 5;

export const damage: Measurement = {
	name: 'damage',
	async run({ quick, progress }) {
		return [await endsWell(quick ? 4 : 50, progress), await startAfterAKill(quick ? 5000 : 100_000)];
	},
};

async function endsWell(sequences: number, progress: (message: string) => void): Promise<Bar> {
	const seeds = Array.from({ length: sequences }, (_, i) => i + 1);
	const { outcomes, failures } = await runDamageRounds({ seeds, progress });
	const { kept, repaired, recovered, rebuilt } = outcomes;
	return {
		what: 'Bits flipped and ends cut off in the data file: sequences with a crash, a hang, a wrong or a lost vector',
		values: [failures.length],
		unit: 'sequences',
		limit: { relation: '=', value: 0 },
		note: `${sequences} sequences of 6 damages, each followed by a start and a write: ${kept} hit nothing in use, ${repaired} were made good, of ${recovered} a part was recovered, ${rebuilt} were built anew; stand-ins for the models`,
	};
}

/** What opening costs when the last process was killed in a write, beyond what it costs otherwise. */
async function startAfterAKill(nodes: number): Promise<Bar> {
	const folder = mkdtempSync(join(tmpdir(), 'hef-damage-'));
	try {
		let store = await openStore({ folder, ...SPACE });
		const vectorOf = latentVectors({ dimension: SPACE.dimension, clusters: 100, seed: 1 });
		for (let at = 0; at < nodes; at += PER_WRITE) {
			const vectors = Array.from({ length: PER_WRITE }, (_, i) => [hashText(`${at + i}`) as NodeId, vectorOf(at + i)] as const);
			await store.write({ vectors });
		}
		const megabytes = statSync(join(store.path, 'data.mdb')).size / 1e6;
		const times: number[] = [];
		for (let start = 0; start < STARTS; start++) {
			await store.close();
			noteUnrest(store.path);
			const began = performance.now();
			store = await openStore({ folder, ...SPACE });
			times.push(performance.now() - began);
		}
		await store.close();
		return {
			what: 'A start on a store that was left in the middle of a write: until it is copied',
			values: times,
			unit: 'ms',
			note: `${nodes.toLocaleString('en')} nodes, d = ${SPACE.dimension}; ${Math.round(megabytes)} MB before the first copy packed it`,
		};
	} finally {
		rmSync(folder, { recursive: true, force: true });
	}
}
