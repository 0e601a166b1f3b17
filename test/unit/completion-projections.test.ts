import { expect, test } from 'vitest';
import type { NodeId } from '../../server/base/ids.ts';
import { createProjecting } from '../../server/completion/projecting.ts';
import { createProjections } from '../../server/completion/projections.ts';

const WIDTH = 4;
const nodes = Array.from({ length: 100 }, (_, n) => `node-${n}` as NodeId);

/** A projector that counts what it is asked; the pseudo-token of node n is n, n, n, n. */
function source({ without = [] as readonly NodeId[], name = 'hef' } = {}) {
	const projected: number[] = [];
	const projector = {
		async project(vectors: readonly Float32Array[]) {
			projected.push(...vectors.map(([n]) => n as number));
			return Float32Array.from(vectors.flatMap(([n]) => new Array<number>(WIDTH).fill(n as number)));
		},
	};
	const vector = (id: NodeId) => (without.includes(id) ? undefined : Float32Array.of(nodes.indexOf(id)));
	return { projector, name, vector, projected };
}

/** What `of` answers, as node numbers. */
async function rowsOf(projections: ReturnType<typeof createProjections>, ids: readonly NodeId[], from: ReturnType<typeof source>) {
	const found = await projections.of(ids, from);
	expect(found?.embeddings.length ?? 0).toBe((found?.keys.length ?? 0) * WIDTH);
	return found?.keys.map((key, i) => {
		const row = [...found.embeddings.subarray(i * WIDTH, (i + 1) * WIDTH)];
		expect(new Set(row).size).toBe(1);
		expect(key).toBe(`${from.name}:node-${row[0]}`);
		return row[0];
	});
}

test('a node is projected once, in the order of the request, and what has no vector is left out', async () => {
	const projections = createProjections();
	const from = source({ without: nodes.slice(3, 4) });
	expect(await rowsOf(projections, [nodes[5], nodes[3], nodes[2]] as NodeId[], from)).toEqual([5, 2]);
	expect(await rowsOf(projections, [nodes[2], nodes[9], nodes[5]] as NodeId[], from)).toEqual([2, 9, 5]);
	expect(from.projected).toEqual([5, 2, 9]);
	expect(await rowsOf(projections, nodes.slice(3, 4), from)).toBeUndefined();
	const other = source({ name: 'llavacode' });
	expect(await rowsOf(projections, nodes.slice(2, 3), other)).toEqual([2]);
	expect(other.projected).toEqual([2]);
});

test('what was projected ahead costs a request nothing', async () => {
	const projections = createProjections();
	const from = source();
	const projecting = createProjecting({
		view: { nodes: () => nodes, settled: async () => {} },
		project: (some) => projections.ahead(some, from),
	});
	projecting.follow();
	await projecting.settled();
	expect(from.projected).toEqual(nodes.map((_, n) => n));
	expect(await rowsOf(projections, nodes, from)).toEqual(nodes.map((_, n) => n));
	projecting.follow();
	await projecting.settled();
	expect(from.projected.length).toBe(nodes.length);
});

test('memory is bounded: old rows make room, and nothing is projected ahead into the last of it', async () => {
	const projections = createProjections(10 * WIDTH * Float32Array.BYTES_PER_ELEMENT);
	const from = source();
	const told: boolean[] = [];
	for (const id of nodes.slice(0, 12)) told.push(await projections.ahead([id], from));
	expect(told.filter(Boolean).length).toBe(8);
	// More than there is room for, in one request and over several.
	for (const start of [0, 30, 5]) {
		const some = nodes.slice(start, start + 25);
		expect(await rowsOf(projections, some, from)).toEqual(some.map((_, n) => start + n));
	}
});

test('closing ends the work under way', async () => {
	let turns = 0;
	const projecting = createProjecting({
		view: { nodes: () => nodes, settled: async () => {} },
		async project() {
			turns++;
			void projecting.close();
			return true;
		},
	});
	projecting.follow();
	await projecting.settled();
	expect(turns).toBe(1);
});

test('of a large folder a part is projected ahead', async () => {
	let projected = 0;
	const projecting = createProjecting({
		view: { nodes: () => Array.from({ length: 20_000 }, (_, n) => `node-${n}` as NodeId), settled: async () => {} },
		async project(some) {
			projected += some.length;
			return true;
		},
	});
	projecting.follow();
	await projecting.settled();
	expect(projected).toBe(6000);
});
