/** The indexing thread on a real folder, with real models (random weights) and a real store. */
import { cpSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ActivityGate } from '../../server/base/cancellation.ts';
import { type Logger, silentLogger } from '../../server/base/logger.ts';
import { createHierarchy } from '../../server/hierarchy/hierarchy.ts';
import { loadBundle } from '../../server/inference/bundle.ts';
import { openStoreReader } from '../../server/store/lmdb-store.ts';
import { temporaryFolder, writeFiles } from '../support/temporary-folder.ts';
import { tinyBundleFolder } from '../support/tiny-bundle.ts';

/** Threads run the compiled server. */
const { createIndexingClient } = (await import(
	new URL('../../server/dist/indexing/client.js', import.meta.url).href
)) as typeof import('../../server/indexing/client.ts');

const method = (name: string, body: string) => `\n\t${name}(): number {\n\t\treturn ${body};\n\t}\n`;
const shape = (name: string, area = 'this.size ** 2') =>
	`/** A ${name}. */\nexport class ${name} {\n\tconstructor(readonly size: number) {}\n${method('area', area)}${method('perimeter', 'this.size * 4')}}\n\n`;
const NAMES = [
	'Circle',
	'Square',
	'Hexagon',
	'Rhombus',
	'Triangle',
	'Ellipse',
	'Pentagon',
	'Octagon',
	'Trapezoid',
	'Kite',
	'Annulus',
	'Lens',
];
const files = () => ({
	'README.md': '# Shapes\n\nAll of them.\n',
	'src/shapes.ts': NAMES.map((name, i) => shape(name, `${i} * this.size ** 2`)).join(''),
	'src/more/solids.ts': shape('Cube') + shape('Cone'),
	'src/more/lines.py': 'def line(a, b):\n    return b - a\n',
	'.env': 'PASSWORD=1\n',
});

const bundle = await loadBundle(tinyBundleFolder);

function start(cacheFolder: string, { logger = silentLogger, progress = () => {} }: { logger?: Logger; progress?(): void } = {}) {
	const published: (string[] | 'all')[] = [];
	const moved: string[] = [];
	const client = createIndexingClient({
		bundle: { folder: bundle.folder, manifest: bundle.manifest },
		executionProvider: 'cpu',
		threads: 1,
		cacheFolder,
		gate: new ActivityGate().buffer,
		logger,
		host: { chooseExecutionProvider: () => ({ name: 'cpu', why: 'a test' }) },
		events: {
			progress,
			updated() {},
			paused() {},
			problem() {},
			moved: (_, path) => moved.push(path),
			published: (_, paths) => published.push(paths),
		},
	});
	let ended: Promise<unknown> | undefined;
	const end = () => (ended ??= client.dispose());
	onTestFinished(async () => void (await end()));
	return { client, published, moved, end };
}

test('builds, does nothing the second time, follows edits, deletions and renames, and can be reopened', async () => {
	const folder = temporaryFolder(files());
	const cacheFolder = temporaryFolder();
	const { client, published, end } = start(cacheFolder);
	const { storePath } = await client.openFolder({ folder, exclude: [], watch: false });
	const compare = () => client.request(folder, { paths: 'all', reason: 'command' });

	const built = await compare();
	expect(built).toMatchObject({ filesChanged: 4, nodesRemoved: expect.any(Number) });
	expect(built.chunksEmbedded).toBeGreaterThanOrEqual(5);
	expect(published.flat().sort()).toEqual(['README.md', 'src/more/lines.py', 'src/more/solids.ts', 'src/shapes.ts']);
	const whole = await client.report(folder);
	expect(whole).toMatchObject({ state: 'ready', files: 4, stale: 0, pending: 0 });
	expect(await compare()).toMatchObject({ filesChanged: 0, chunksEmbedded: 0, nodesFused: 0 });

	writeFileSync(join(folder, 'src/shapes.ts'), files()['src/shapes.ts'].replace('3 * this.size ** 2', '3.14 * this.size ** 2'));
	const edited = await client.request(folder, { paths: ['src/shapes.ts'], reason: 'save' });
	expect(edited).toMatchObject({ reason: 'save', filesChanged: 1, chunksEmbedded: 1 });
	expect(edited.nodesFused).toBeGreaterThan(0);
	expect(edited.nodesFused).toBeLessThanOrEqual(6);

	renameSync(join(folder, 'src/more'), join(folder, 'src/further'));
	expect(await compare()).toMatchObject({ filesChanged: 4, chunksEmbedded: 0 });
	rmSync(join(folder, 'src/further/lines.py'));
	expect(await compare()).toMatchObject({ filesChanged: 1, chunksEmbedded: 0 });
	const last = await client.report(folder);
	await end();

	const { spaceId, manifest } = bundle;
	const reader = openStoreReader({ path: storePath, spaceId, dimension: manifest.embedder.dimension });
	const hierarchy = createHierarchy({ spaceId });
	for (const [path, record] of reader.files()) hierarchy.setFile(path, record.chunks);
	hierarchy.commit();
	expect(hierarchy.nodeCount).toBe(last.nodes);
	for (const id of hierarchy.ids()) expect(reader.hasVector(id)).toBe(true);
	await reader.close();

	const again = start(cacheFolder);
	await again.client.openFolder({ folder, exclude: [], watch: false });
	expect(await again.client.request(folder, { paths: 'all', reason: 'start' })).toMatchObject({
		filesChanged: 0,
		chunksEmbedded: 0,
		nodesFused: 0,
	});
	expect(await again.client.report(folder)).toMatchObject({ files: 3, nodes: last.nodes, nodesByLevel: last.nodesByLevel });
	expect(again.published).toEqual([]);
});

test('clear gives the store a new place, and the next request fills it', async () => {
	const folder = temporaryFolder(files());
	const { client, published, moved } = start(temporaryFolder());
	const { storePath } = await client.openFolder({ folder, exclude: [], watch: false });
	const built = await client.request(folder, { paths: 'all', reason: 'start' });
	expect(await client.clear(folder)).toBe(true);
	expect(moved).toEqual([expect.not.stringMatching(storePath)]);
	expect(await client.clear('/nowhere')).toBe(false);
	expect(published.at(-1)).toBe('all');
	expect((await client.request(folder, { paths: 'all', reason: 'clear' })).chunksEmbedded).toBe(built.chunksEmbedded);
});

test('a thread that is asked to end while it loads ahead does so first: ended in the middle, it takes the process down', async () => {
	for (let i = 0; i < 4; i++) {
		const { client, end } = start(temporaryFolder());
		await client.openFolder({ folder: temporaryFolder(), exclude: [], watch: false });
		await end();
	}
});

test('two folders are indexed side by side; a closed one is not open any more', async () => {
	const folders = [temporaryFolder(files()), temporaryFolder({ 'a.py': 'x = 1\n' })] as const;
	const { client } = start(temporaryFolder());
	await Promise.all(folders.map((folder) => client.openFolder({ folder, exclude: [], watch: false })));
	const reports = await Promise.all(folders.map((folder) => client.request(folder, { paths: 'all', reason: 'start' })));
	expect(reports.map(({ filesChanged }) => filesChanged)).toEqual([4, 1]);
	await client.closeFolder(folders[1]);
	await expect(client.report(folders[1])).rejects.toThrow('is not open');
});

test('of a folder that cannot be read nothing is left in the cache', async () => {
	const cacheFolder = temporaryFolder();
	const { client } = start(cacheFolder);
	const folder = join(temporaryFolder(), 'missing');
	await expect(client.openFolder({ folder, exclude: [], watch: false })).rejects.toThrow(`cannot read ${folder}`);
	expect(readdirSync(cacheFolder)).toEqual([]);
});

test('a change on disk is indexed without anyone asking', async () => {
	const folder = temporaryFolder(files());
	const { client, published } = start(temporaryFolder());
	await client.openFolder({ folder, exclude: [], watch: true });
	await client.request(folder, { paths: 'all', reason: 'start' });
	const before = published.length;
	writeFileSync(join(folder, 'src/more/solids.ts'), shape('Sphere'));
	await expect.poll(() => published.slice(before).flat(), { timeout: 20_000 }).toContain('src/more/solids.ts');
});

test('a folder that is gone keeps its index, and is followed again by itself once it is back', async () => {
	const [folder, moved] = [join(temporaryFolder(), 'work'), join(temporaryFolder(), 'away')];
	writeFiles(folder, files());
	const { client, published } = start(temporaryFolder());
	await client.openFolder({ folder, exclude: [], watch: true });
	await client.request(folder, { paths: 'all', reason: 'start' });
	const { files: count } = await client.report(folder);
	cpSync(folder, moved, { recursive: true });
	rmSync(folder, { recursive: true });
	const report = () => client.report(folder);
	await expect
		.poll(report, { timeout: 20_000 })
		.toMatchObject({ state: 'error', message: expect.stringContaining('cannot read'), files: count });
	await expect(client.request(folder, { paths: ['src'], reason: 'watch' })).rejects.toThrow('cannot read');
	renameSync(moved, folder);
	await expect.poll(report, { timeout: 20_000 }).toMatchObject({ state: 'ready', files: count });
	const before = published.length;
	writeFileSync(join(folder, 'src/more/solids.ts'), shape('Sphere'));
	await expect.poll(() => published.slice(before).flat(), { timeout: 20_000 }).toContain('src/more/solids.ts');
});

test('what the watcher asked for is no failure when the folder is closed meanwhile', async () => {
	const folder = temporaryFolder({ 'a.py': 'x = 1\n' });
	const errors: string[] = [];
	let began = () => {};
	const { client } = start(temporaryFolder(), {
		logger: { ...silentLogger, error: (message) => errors.push(message) },
		progress: () => began(),
	});
	await client.openFolder({ folder, exclude: [], watch: true });
	await client.request(folder, { paths: 'all', reason: 'start' });
	const underWay = new Promise<void>((resolve) => {
		began = resolve;
	});
	for (let i = 0; i < 60; i++) writeFileSync(join(folder, `b${i}.ts`), `// ${i}\n${files()['src/shapes.ts']}`);
	await underWay;
	await client.closeFolder(folder);
	await expect(client.report(folder)).rejects.toThrow('is not open');
	expect(errors).toEqual([]);
});
