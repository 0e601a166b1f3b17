/** Two servers, as two editors start them, on one folder and one cache: one builds; when it is killed, the other takes over. */
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { WorkspaceReport } from 'hef-shared';
import { afterEach, expect, test } from 'vitest';
import { TINY_BUNDLE } from '../support/cli.ts';
import { type ServerProcess, startProcess } from '../support/lsp-client.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const running: ServerProcess[] = [];
afterEach(async () => {
	for (const server of running.splice(0)) {
		server.process.kill('SIGKILL');
		await server.ended;
	}
});

async function edit(folder: string, cacheFolder: string) {
	const server = await startProcess({ transport: 'stdio' });
	running.push(server);
	const { client } = server;
	client.settings = { bundle: TINY_BUNDLE, cacheFolder, executionProvider: 'cpu', maxThreads: 1, minConfidence: 0 };
	await client.initialize({ folders: [pathToFileURL(folder).href], untilReady: false });
	const report = async () => (await client.status()).workspaces[0];
	const until = async (accepts: (report: WorkspaceReport) => boolean) => {
		let last: WorkspaceReport | undefined;
		await expect
			.poll(
				async () => {
					last = await report();
					return last !== undefined && accepts(last);
				},
				{ timeout: 60_000, interval: 100 },
			)
			.toBe(true);
		return last as WorkspaceReport;
	};
	return { server, client, pid: server.process.pid, until };
}

const source = (name: string) => `export function ${name}(a: number): number {\n\treturn a + 1;\n}\n`;
const isComplete = ({ state, files, pending, hnsw, nodes }: WorkspaceReport) =>
	state === 'ready' && files === 12 && pending === 0 && hnsw.size === nodes;

test('one of two servers embeds; after a kill -9 the other takes over and indexes the next save', async () => {
	const folder = temporaryFolder(Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`src/f${i}.ts`, source(`f${i}`)])));
	const cacheFolder = temporaryFolder();
	const editors = await Promise.all([edit(folder, cacheFolder), edit(folder, cacheFolder)]);
	const reports = await Promise.all(editors.map(({ until }) => until(isComplete)));
	// Both started at once; exactly one of them builds, and both know which.
	expect(reports.map(({ builder }) => builder?.own).sort()).toEqual([false, true]);
	expect(reports[0]?.builder?.pid).toBe(reports[1]?.builder?.pid);
	// The other's wish to begin finds all twelve chunks there: in an update of its own, or in that of the first, which then counts them again.
	for (const { lastUpdate } of reports) {
		const { chunksEmbedded = 0, chunksReused = 0 } = lastUpdate ?? {};
		expect(chunksEmbedded).toBeLessThanOrEqual(12);
		expect(chunksEmbedded + chunksReused).toBeGreaterThanOrEqual(12);
	}

	const [builder, follower] = reports[0]?.builder?.own ? editors : [editors[1], editors[0]];
	builder?.server.process.kill('SIGKILL');
	await builder?.server.ended;
	const path = join(folder, 'src/f3.ts');
	const uri = pathToFileURL(path).href;
	follower?.client.open(uri, source('f3'));
	const taken = await follower?.until((report) => report.builder?.own === true);
	expect(taken).toMatchObject({ files: 12, builder: { pid: follower?.pid, own: true } });

	writeFileSync(path, source('renamed'));
	follower?.client.save(uri);
	const saved = await follower?.until(
		({ lastUpdate, state, pending }) => state === 'ready' && pending === 0 && lastUpdate?.filesChanged === 1,
	);
	expect(saved?.lastUpdate).toMatchObject({ chunksEmbedded: 1 });
	const [workspace = ''] = readdirSync(join(cacheFolder, 'workspaces'));
	expect(readdirSync(join(cacheFolder, 'workspaces', workspace))).not.toContain('damaged');
}, 180_000);
