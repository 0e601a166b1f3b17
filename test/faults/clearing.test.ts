/** The cache is cleared while something else happens to the same folder: nothing is read from a store that is gone. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import type { StatusReport } from 'hef-shared';
import { afterEach, expect, test } from 'vitest';
import { runCli, TINY_BUNDLE } from '../support/cli.ts';
import { type ServerProcess, startProcess } from '../support/lsp-client.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const running: ServerProcess[] = [];
afterEach(async () => {
	for (const server of running.splice(0)) {
		server.process.kill('SIGKILL');
		await server.ended;
	}
});

const N_FILES = 40;

async function edit() {
	const source = (i: number) =>
		Array.from({ length: 8 }, (_, k) => `export function f${i}_${k}(a: number) {\n\treturn a * ${k};\n}\n`).join('');
	const folder = temporaryFolder(Object.fromEntries(Array.from({ length: N_FILES }, (_, i) => [`src/f${i}.ts`, source(i)])));
	const cacheFolder = temporaryFolder();
	const server = await startProcess({ transport: 'stdio' });
	running.push(server);
	const { client } = server;
	client.settings = { bundle: TINY_BUNDLE, cacheFolder, executionProvider: 'cpu', maxThreads: 1 };
	const uri = pathToFileURL(folder).href;
	await client.initialize({ folders: [uri], untilReady: false });
	/** The folder is indexed, and nobody was told of a problem. */
	const expectHealthy = async () => {
		await expect
			.poll(async () => (await client.status()).workspaces[0], { timeout: 60_000, interval: 100 })
			.toMatchObject({ state: 'ready', files: N_FILES, pending: 0 });
		const messages = client.received.filter(({ method, params }) => /Message$/.test(method) && (params as { type: number }).type <= 2);
		expect(messages).toEqual([]);
	};
	const clear = () => client.execute<StatusReport>('hef.clearCache');
	return { client, folder, uri, cacheFolder, expectHealthy, clear };
}

test('two who clear at once, and the command line at the same time', async () => {
	const { folder, cacheFolder, expectHealthy, clear } = await edit();
	await expectHealthy();
	for (const report of await Promise.all([clear(), clear()])) expect(report.workspaces).toMatchObject([{ state: 'ready', files: N_FILES }]);
	const [cleared] = await Promise.all([
		runCli(['clear', folder, '--cache', cacheFolder]),
		(async () => {
			for (let i = 0; i < 8; i++) await clear();
		})(),
	]);
	expect(cleared).toMatchObject({ code: 0 });
	await expectHealthy();
}, 120_000);

test('a folder that is closed and opened again, and a restart of the workers, while it is cleared', async () => {
	const { client, folder, uri, expectHealthy, clear } = await edit();
	await expectHealthy();
	for (const restart of [false, true, false, true, false]) {
		const cleared = clear();
		writeFileSync(join(folder, 'src/f0.ts'), `export const restarted = ${restart};\n`);
		if (restart) {
			client.settings = { ...(client.settings as object), copy: (client.settings as { copy?: boolean }).copy === false };
			await client.connection.sendNotification('workspace/didChangeConfiguration', { settings: null });
		} else {
			const place = { uri, name: 'folder' };
			await client.connection.sendNotification('workspace/didChangeWorkspaceFolders', { event: { added: [], removed: [place] } });
			await client.connection.sendNotification('workspace/didChangeWorkspaceFolders', { event: { added: [place], removed: [] } });
		}
		await cleared;
		await expectHealthy();
	}
}, 180_000);

test.each([0, 10, 25, 40])(
	'a shutdown %d ms after the index began to be cleared',
	async (waitMs) => {
		const { client, expectHealthy, clear } = await edit();
		await expectHealthy();
		const cleared = clear();
		await wait(waitMs);
		await client.shutdown();
		await client.exit();
		expect(await running[0]?.ended).toBe(0);
		expect((await cleared).workspaces).toHaveLength(1);
	},
	120_000,
);
