import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { chunkId, type NodeId, type SpaceId } from '../../server/base/ids.ts';
import { createHierarchy } from '../../server/hierarchy/hierarchy.ts';
import type { ChunkPlace, Hierarchy, HierarchyDelta } from '../../server/hierarchy/types.ts';
import { naiveTree } from '../support/naive-hierarchy.ts';
import { createRandom, type Random } from '../support/random.ts';

const space = 'test-space' as SpaceId;
type Files = Map<string, string[]>;
const placesOf = (hierarchy: Hierarchy, id: NodeId) => [...hierarchy.occurrences(id)];

/** Chunks named by their text, ten lines each. */
const places = (texts: readonly string[]): ChunkPlace[] =>
	texts.map((text, i) => ({ id: chunkId(space, text), startLine: i * 10, endLine: i * 10 + 9 }));
const idsOf = (files: Files) => new Map([...files].map(([path, texts]) => [path, texts.map((text) => chunkId(space, text) as string)]));

function build(files: Files): Hierarchy {
	const hierarchy = createHierarchy({ spaceId: space });
	for (const [path, texts] of files) hierarchy.setFile(path, places(texts));
	hierarchy.commit();
	return hierarchy;
}

/** Everything that can be read from a tree, in one comparable value. */
function describeTree(hierarchy: Hierarchy) {
	const nodes = [...hierarchy.ids()].sort().map((id) => ({
		children: hierarchy.node(id)?.children,
		places: placesOf(hierarchy, id)
			.map((o) => `${o.level} ${o.path}:${o.startLine}-${o.endLine}`)
			.sort(),
		id,
	}));
	const { rootId, fileCount, chunkCount, nodeCount } = hierarchy;
	return { nodes, rootId, fileCount, chunkCount, nodeCount, levels: hierarchy.nodesByLevel() };
}

test('an empty tree has no root, and a file without chunks does not exist', () => {
	const hierarchy = createHierarchy({ spaceId: space });
	hierarchy.setFile('a.ts', []);
	expect(hierarchy.commit()).toEqual({ addedChunks: [], addedNodes: [], removed: [], reusedNodes: 0 });
	expect(hierarchy.rootId).toBeUndefined();
	expect(hierarchy.fileCount).toBe(0);
});

test('arity below 2 is refused by name and value', () => {
	expect(() => createHierarchy({ spaceId: space, arity: 1 })).toThrow('arity: expected an integer of at least 2, got 1');
});

test('a container with one child has a node of its own over it, and levels are told apart', () => {
	const hierarchy = build(new Map([['src/a.ts', ['one']]]));
	const [chunk, file, directory, root] = hierarchy.fileNodes('src/a.ts') as [NodeId, NodeId, NodeId, NodeId];
	expect(hierarchy.node(chunk)?.children).toEqual([]);
	expect(hierarchy.node(file)?.children).toEqual([chunk]);
	expect(hierarchy.node(directory)?.children).toEqual([file]);
	expect(hierarchy.node(root)?.children).toEqual([directory]);
	expect(hierarchy.rootId).toBe(root);
	expect(placesOf(hierarchy, chunk)).toEqual([{ level: 'chunk', path: 'src/a.ts', startLine: 0, endLine: 9 }]);
	expect(placesOf(hierarchy, file)).toEqual([{ level: 'file', path: 'src/a.ts', startLine: 0, endLine: 9 }]);
	expect(placesOf(hierarchy, directory)).toEqual([{ level: 'directory', path: 'src', startLine: 0, endLine: 0 }]);
	expect(placesOf(hierarchy, root)).toEqual([{ level: 'repository', path: '', startLine: 0, endLine: 0 }]);
	expect(hierarchy.nodesByLevel()).toEqual({ chunk: 1, file: 1, directory: 1, repository: 1 });
});

test('equal content in two places is one node with two occurrences, and outlives one of them', () => {
	const hierarchy = build(
		new Map([
			['a.ts', ['same', 'other']],
			['b.ts', ['same', 'other']],
		]),
	);
	const [chunk] = hierarchy.fileNodes('a.ts') as [NodeId];
	expect(placesOf(hierarchy, chunk).map((o) => o.path)).toEqual(['a.ts', 'b.ts']);
	hierarchy.setFile('a.ts', null);
	const delta = hierarchy.commit();
	expect(delta.removed).not.toContain(chunk);
	expect(placesOf(hierarchy, chunk).map((o) => o.path)).toEqual(['b.ts']);
	hierarchy.setFile('b.ts', null);
	expect(hierarchy.commit().removed).toContain(chunk);
	expect(hierarchy.nodeCount).toBe(0);
});

test('a group of siblings inside a file has the lines of its members', () => {
	const texts = Array.from({ length: 40 }, (_, i) => `chunk ${i}`);
	const hierarchy = build(new Map([['big.ts', texts]]));
	for (const id of hierarchy.ids()) {
		const node = hierarchy.node(id);
		const [place] = placesOf(hierarchy, id);
		if (place?.level !== 'file' || !node?.children.length) continue;
		const below = node.children.map((child) => placesOf(hierarchy, child)[0]);
		expect([place.startLine, place.endLine]).toEqual([below[0]?.startLine, below.at(-1)?.endLine]);
	}
	expect(placesOf(hierarchy, hierarchy.fileNodes('big.ts').at(-2) as NodeId)[0]).toMatchObject({ startLine: 0, endLine: 399 });
});

test('a file and a directory may change places in one commit, in either order', () => {
	for (const order of [0, 1]) {
		const hierarchy = build(new Map([['x', ['one']]]));
		const edits: (() => void)[] = [() => hierarchy.setFile('x', null), () => hierarchy.setFile('x/y', places(['one']))];
		for (const edit of order ? edits.reverse() : edits) edit();
		hierarchy.commit();
		expect(describeTree(hierarchy)).toEqual(describeTree(build(new Map([['x/y', ['one']]]))));
	}
});

test('renaming a folder adds only nodes of the directories above it, and no chunk', () => {
	const random = createRandom(7);
	const files: Files = new Map();
	for (let i = 0; i < 1000; i++) files.set(`pkg/old/sub${i % 9}/f${i}.ts`, randomTexts(random, 1 + random.below(6), 1e9));
	for (let i = 0; i < 50; i++) files.set(`pkg/other/f${i}.ts`, randomTexts(random, 3, 1e9));
	const hierarchy = build(files);
	for (const [path, texts] of files) {
		if (!path.startsWith('pkg/old/')) continue;
		hierarchy.setFile(path, null);
		hierarchy.setFile(path.replace('/old/', '/young/'), places(texts));
	}
	const delta = hierarchy.commit();
	expect(delta.addedChunks).toEqual([]);
	// The folder's own node is unchanged; its name moved it among its parent's two children.
	for (const { id } of delta.addedNodes) expect(['pkg', '']).toContain(placesOf(hierarchy, id)[0]?.path);
	expect(delta.addedNodes.length).toBeLessThanOrEqual(2);
});

test('one file put into a directory of 10,000 makes few new nodes', () => {
	const hierarchy = createHierarchy({ spaceId: space });
	const name = (i: number) => `dir/file${String(i).padStart(6, '0')}.ts`;
	for (let i = 0; i < 20_000; i += 2) hierarchy.setFile(name(i), places([`text ${i}`]));
	hierarchy.commit();
	const random = createRandom(11);
	const counts: number[] = [];
	for (let trial = 0; trial < 51; trial++) {
		const path = name(random.below(10_000) * 2 + 1);
		hierarchy.setFile(path, places([`new ${trial}`]));
		counts.push(hierarchy.commit().addedNodes.length);
		hierarchy.setFile(path, null);
		hierarchy.commit();
	}
	counts.sort((a, b) => a - b);
	console.info(`nodes re-fused by one insertion into 10,000 files: min ${counts[0]}, median ${counts[25]}, max ${counts[50]}`);
	expect(counts[25]).toBeLessThanOrEqual(15);
});

test('incremental commits equal a build from scratch, and their deltas add up', () => {
	for (let seed = 1; seed <= 12; seed++) {
		const random = createRandom(seed);
		const files: Files = new Map();
		const hierarchy = createHierarchy({ spaceId: space });
		const known = new Set<NodeId>();
		for (let step = 0; step < 25; step++) {
			for (let edits = 1 + random.below(6); edits > 0; edits--) randomEdit(random, files, hierarchy);
			checkDelta(hierarchy, hierarchy.commit(), known);
			const naive = naiveTree(space, idsOf(files));
			expect(hierarchy.rootId).toBe(naive.root);
			for (const [id, children] of naive.children) expect(hierarchy.node(id as NodeId)?.children).toEqual(children);
			expect([...hierarchy.ids()].sort()).toEqual([...known].sort());
			if (step % 8 === 7) expect(describeTree(hierarchy)).toEqual(describeTree(build(files)));
		}
	}
});

/** New nodes come children first, within the arity, and the running set of ids stays the tree's. */
function checkDelta(hierarchy: Hierarchy, delta: HierarchyDelta, known: Set<NodeId>): void {
	for (const id of delta.addedChunks) {
		expect(known.has(id)).toBe(false);
		known.add(id);
	}
	for (const { id, children } of delta.addedNodes) {
		expect(known.has(id)).toBe(false);
		expect(children.length).toBeLessThanOrEqual(8);
		for (const child of children) expect(known.has(child)).toBe(true);
		known.add(id);
	}
	for (const id of delta.removed) {
		expect(hierarchy.has(id)).toBe(false);
		expect(known.delete(id)).toBe(true);
	}
}

function randomTexts(random: Random, count: number, alphabet: number): string[] {
	return Array.from({ length: count }, () => `text ${random.below(alphabet)}`);
}

/** Adds, edits, removes, renames or duplicates a file. Few distinct texts, so that content repeats. */
function randomEdit(random: Random, files: Files, hierarchy: Hierarchy): void {
	const set = (path: string, texts: string[] | undefined) => {
		if (texts?.length) files.set(path, texts);
		else files.delete(path);
		hierarchy.setFile(path, texts ? places(texts) : null);
	};
	const somePath = `${random.pick(['', 'a/', 'a/b/', 'c/', 'c/d/e/'])}f${random.below(40)}.ts`;
	const existing = files.size > 0 ? random.pick([...files.keys()]) : undefined;
	const kind = random.below(6);
	if (kind < 2 || !existing) {
		set(somePath, randomTexts(random, random.below(30), 60));
		return;
	}
	const texts = [...(files.get(existing) ?? [])];
	if (kind === 2) set(existing, undefined);
	else if (kind === 3) {
		texts.splice(random.below(texts.length + 1), random.below(3), ...randomTexts(random, random.below(3), 60));
		set(existing, texts);
	} else {
		if (kind === 4) set(existing, undefined);
		set(somePath, texts);
	}
}

test('the repository is one node, however many groups the root directory has', () => {
	const files: Files = new Map(Array.from({ length: 60 }, (_, i) => [`f${i}.ts`, [`text ${i}`]]));
	const { chunk, file, directory, repository } = build(files).nodesByLevel();
	expect({ chunk, file, repository }).toEqual({ chunk: 60, file: 60, repository: 1 });
	expect(directory).toBeGreaterThan(60 / 8);
});

/** One tree that every implementation of the rule must reproduce; `ids` by "file a/b.ts", "directory a", "repository ". */
interface GoldenCase {
	name: string;
	spaceId: SpaceId;
	/** Chunk texts by path. */
	tree: Record<string, string[]>;
	root: NodeId | null;
	ids: Record<string, NodeId>;
	/** Sibling groups inside containers. */
	groups: NodeId[];
}

test.each(['../fixtures/hierarchy-golden.json', '../../models/training/tests/hierarchy-golden.json'])('golden trees of %s', (file) => {
	const cases = JSON.parse(readFileSync(new URL(file, import.meta.url), 'utf8')) as GoldenCase[];
	for (const { spaceId, tree, root, ids, groups } of cases) {
		const hierarchy = createHierarchy({ spaceId });
		for (const [path, texts] of Object.entries(tree)) {
			hierarchy.setFile(
				path,
				texts.map((text) => ({ id: chunkId(spaceId, text), startLine: 0, endLine: 0 })),
			);
		}
		hierarchy.commit();
		expect(hierarchy.rootId ?? null).toBe(root);
		const inner = [...hierarchy.ids()].filter((id) => hierarchy.node(id)?.children.length);
		expect(inner.sort()).toEqual([...new Set([...Object.values(ids), ...groups])].sort());
		for (const [key, id] of Object.entries(ids)) {
			expect(placesOf(hierarchy, id).map(({ level, path }) => `${level} ${path}`)).toContain(key);
		}
	}
});
