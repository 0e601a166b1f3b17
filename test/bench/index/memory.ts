/** What an index takes in memory beside the models, opened as both workers do: two trees, the graph, the mapped store. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { MemoryReport } from '../../support/memory-child.ts';
import type { Measurement } from '../bars.ts';

const DIMENSION = 384;
const loader = fileURLToPath(new URL('../typescript.mjs', import.meta.url));
const child = fileURLToPath(new URL('../../support/memory-child.ts', import.meta.url));

async function run(...args: readonly (string | number)[]): Promise<string> {
	const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', '--import', loader, child, ...args.map(String)]);
	return stdout;
}

/** Reports of so many processes, one after the other, that open one index of `nodes` nodes. */
export async function measureMemory(nodes: number, dimension: number, processes: number): Promise<MemoryReport[]> {
	const folder = mkdtempSync(join(tmpdir(), 'hef-memory-'));
	try {
		await run('make', folder, nodes, dimension);
		const reports: MemoryReport[] = [];
		for (let i = 0; i < processes; i++) reports.push(JSON.parse(await run('open', folder, dimension)) as MemoryReport);
		return reports;
	} finally {
		rmSync(folder, { recursive: true, force: true });
	}
}

export const memory: Measurement = {
	name: 'memory',
	async run({ quick }) {
		const reports = await measureMemory(quick ? 5_000 : 100_000, DIMENSION, quick ? 2 : 5);
		const per100k = (bytes: number, nodes: number) => (bytes / nodes) * 0.1;
		const [first] = reports;
		return [
			{
				what: 'Resident memory per 100,000 nodes beyond the models',
				values: reports.map(({ bytes, nodes }) => per100k(bytes, nodes)),
				unit: 'MB',
				limit: { relation: '<', value: 400 },
				note: `${first?.nodes.toLocaleString('en')} nodes, d = ${DIMENSION}; of it ${Math.round(per100k(first?.mappedBytes ?? 0, first?.nodes ?? 1))} MB of mapped files, which the system takes back when it needs them; a start that checks every vector maps the whole store, ${Math.round(per100k(first?.storeBytes ?? 0, first?.nodes ?? 1))} MB, for that time`,
			},
		];
	},
};
