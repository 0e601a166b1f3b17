/** The built server as an editor starts it: real process, real streams, real models (random weights, see support/tiny-bundle.ts). */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { StatusReport, UpdateReport } from 'hef-shared';
import { afterEach, describe, expect, test } from 'vitest';
import { CancellationTokenSource, type InlineCompletionItem, LSPErrorCodes } from 'vscode-languageserver-protocol/node';
import { TINY_BUNDLE } from '../support/cli.ts';
import { type LspClient, type ServerProcess, startProcess, type Transport } from '../support/lsp-client.ts';
import { temporaryFolder, writeFiles } from '../support/temporary-folder.ts';

const NAMES = ['Circle', 'Square', 'Triangle', 'Ellipse', 'Rhombus', 'Trapezoid', 'Pentagon', 'Hexagon'];
/** Long enough for several chunks. */
const SHAPES = NAMES.map(
	(name, i) => `/** Shape number ${i}. */
export class ${name} implements Shape {
	constructor(readonly size: number) {}

	area(): number {
		return ${i} + this.size ** 2;
	}

	perimeter(): number {
		return ${i} + this.size * 4;
	}
}
`,
).join('\n');
const MAIN = `import { Circle, Hexagon } from './shapes.ts';

export function total(): number {
	const shapes = [new Circle(1), new Hexagon(2)];
	return shapes.reduce((sum, shape) => sum + shape.`;
const CURSOR = { line: 4, character: 50 };

const running: ServerProcess[] = [];
afterEach(async () => {
	for (const server of running.splice(0)) {
		server.process.kill('SIGKILL');
		await server.ended;
	}
});

/** A server on a small repository, its cache in a folder of its own. */
async function start({ transport = 'stdio' as Transport, settings = {} as Record<string, unknown>, untilReady = true } = {}) {
	const folder = temporaryFolder({
		'src/shapes.ts': SHAPES,
		'src/main.ts': `${MAIN}area(), 0);\n}\n`,
		'README.md': '# Shapes\n',
		'.env': 'SECRET=1\n',
	});
	const cacheFolder = temporaryFolder();
	const server = await startProcess({ transport });
	running.push(server);
	const { client } = server;
	client.settings = { bundle: TINY_BUNDLE, cacheFolder, executionProvider: 'cpu', maxThreads: 1, minConfidence: 0, ...settings };
	const uri = (path: string) => pathToFileURL(join(folder, path)).href;
	await client.initialize({ folders: [pathToFileURL(folder).href], untilReady: false });
	if (untilReady) {
		await client.untilStatus('ready', 60_000);
		await indexed(client);
	}
	return { server, client, folder, uri };
}

/** Waits for an update of the only folder, the first one or one that the predicate takes. */
async function indexed(client: LspClient, accepts: (update: UpdateReport) => boolean = () => true): Promise<StatusReport> {
	let status: StatusReport | undefined;
	await expect
		.poll(
			async () => {
				status = await client.status();
				const { state, pending, lastUpdate } = status.workspaces[0] ?? {};
				return state === 'ready' && pending === 0 && lastUpdate ? accepts(lastUpdate) : false;
			},
			{ timeout: 60_000, interval: 50 },
		)
		.toBe(true);
	return status as StatusReport;
}

/** A request that an answer must come to, whatever it says. */
async function answers(client: LspClient, uri: string, position = CURSOR): Promise<InlineCompletionItem[]> {
	const answer = await client.inlineCompletion(uri, position, { context: { triggerKind: 1 } });
	expect(Array.isArray(answer)).toBe(true);
	return answer as InlineCompletionItem[];
}

describe('one session', () => {
	test('open, complete, cancel, edit, save, status, shutdown', async () => {
		const { server, client, folder, uri } = await start();
		const main = uri('src/main.ts');

		const first = (await client.status()).workspaces[0];
		expect(first).toMatchObject({ folder, state: 'ready', files: 3, stale: 0, lastUpdate: { reason: 'start', filesChanged: 3 } });
		expect(first?.nodesByLevel).toMatchObject({ file: 3, repository: 1 });

		client.open(main, MAIN);
		await answers(client, main);
		const explained = await client.explain(main);
		expect(explained).toMatchObject({ uri: main, version: 1, executionProvider: 'cpu', context: 'hef' });
		expect(explained?.tokens.pseudo).toBeGreaterThan(0);
		// What the prompt holds as text is not retrieved again.
		expect(explained?.nodes.map(({ path }) => path)).toContain('src/shapes.ts');

		const source = new CancellationTokenSource();
		client.change(main, [{ range: { start: CURSOR, end: CURSOR }, text: 'a' }]);
		const cancelled = client.inlineCompletion(main, { ...CURSOR, character: CURSOR.character + 1 }, { token: source.token });
		source.cancel();
		await expect(cancelled).rejects.toMatchObject({ code: LSPErrorCodes.RequestCancelled });
		await answers(client, main, { ...CURSOR, character: CURSOR.character + 1 });

		// One method edited: its chunks are embedded again, the rest is reused.
		const path = join(folder, 'src/shapes.ts');
		client.open(uri('src/shapes.ts'), SHAPES);
		const edited = SHAPES.replace('7 + this.size ** 2', '7 + this.size * this.size');
		client.change(uri('src/shapes.ts'), edited);
		writeFileSync(path, edited);
		client.save(uri('src/shapes.ts'));
		const { workspaces, ...status } = await indexed(client, ({ reason }) => reason !== 'start');
		expect(workspaces[0]?.lastUpdate).toMatchObject({ filesChanged: 1, chunksEmbedded: 1 });
		expect(workspaces[0]?.lastUpdate?.chunksReused).toBeGreaterThan(0);
		expect(status).toMatchObject({ bundle: { name: expect.any(String) }, executionProvider: { name: 'cpu' } });
		expect(status.latencyMs?.total?.n).toBeGreaterThan(0);

		await client.shutdown();
		await client.exit();
		expect(await server.ended).toBe(0);
		expect(server.stderr()).not.toMatch(/error|warning/i);
	});

	test('reindex finds what changed behind its back, and embeds nothing when nothing did', async () => {
		const { client, folder } = await start();
		expect((await client.execute<StatusReport>('hef.reindex')).workspaces[0]?.lastUpdate).toMatchObject({
			reason: 'command',
			chunksEmbedded: 0,
		});
		mkdirSync(join(folder, 'lib'));
		writeFileSync(join(folder, 'lib/new.ts'), 'export const answer = () => 42;\n');
		const status = await client.execute<StatusReport>('hef.reindex');
		expect(status.workspaces[0]).toMatchObject({ files: 4, stale: 0 });
		await client.shutdown();
	});

	test('a secret is neither indexed nor completed', async () => {
		const { client, uri } = await start();
		client.open(uri('.env'), 'SECRET=1\nTOKEN=', 'dotenv');
		expect(await client.inlineCompletion(uri('.env'), { line: 1, character: 6 })).toEqual([]);
		expect(await client.explain(uri('.env'))).toMatchObject({ suppressed: 'excluded' });
	});

	test('a fast typist gets one answer a request, the last of them for the last text', async () => {
		const { client, uri } = await start();
		const main = uri('src/main.ts');
		client.open(main, MAIN);
		const pending = [...'area(), 0'].map((letter, i) => {
			const position = { ...CURSOR, character: CURSOR.character + i };
			client.change(main, [{ range: { start: position, end: position }, text: letter }]);
			return client.inlineCompletion(main, { ...position, character: position.character + 1 }, { context: { triggerKind: 1 } });
		});
		const settled = await Promise.all(pending);
		expect(settled.slice(0, -1).every((answer) => answer === null)).toBe(true);
		expect(Array.isArray(settled.at(-1))).toBe(true);
	});
});

describe('transports', () => {
	test.each<Transport>(['socket', 'pipe'])('%s', async (transport) => {
		const { server, client, uri } = await start({ transport });
		client.open(uri('src/main.ts'), MAIN);
		await answers(client, uri('src/main.ts'));
		await client.shutdown();
		await client.exit();
		expect(await server.ended).toBe(0);
	});
});

describe('trouble', () => {
	test('a bundle that is not there: a message that says what to do, and the server stays up', async () => {
		const { server, client, uri } = await start({ settings: { bundle: '/nowhere/at/all' }, untilReady: false });
		const { message } = await client.untilStatus('error', 30_000);
		expect(message).toContain('/nowhere/at/all');
		expect(await client.notification('window/showMessage')).toMatchObject({ message: `HEF: ${message}` });
		client.open(uri('src/main.ts'), MAIN);
		expect(await client.inlineCompletion(uri('src/main.ts'), CURSOR)).toEqual([]);
		expect(await client.explain()).toMatchObject({ suppressed: 'notReady' });
		client.settings = { ...(client.settings as object), bundle: TINY_BUNDLE };
		void client.connection.sendNotification('workspace/didChangeConfiguration', { settings: null });
		await client.untilStatus('ready', 60_000);
		await answers(client, uri('src/main.ts'));
		expect(server.process.exitCode).toBeNull();
	});

	test('a damaged bundle is named with the file that is wrong', async () => {
		const copy = temporaryFolder();
		for (const name of ['manifest.json', 'tokenizer.json']) writeFiles(copy, { [name]: readFileSync(join(TINY_BUNDLE, name)) });
		const { client } = await start({ settings: { bundle: copy }, untilReady: false });
		expect((await client.untilStatus('error', 30_000)).message).toContain('.onnx');
	});

	test('a client that dies takes the server with it', async () => {
		const { server, client, uri } = await start();
		client.open(uri('src/main.ts'), MAIN);
		void client.inlineCompletion(uri('src/main.ts'), CURSOR).catch(() => {});
		await client.explain(); // The request before it has arrived.
		client.connection.dispose();
		server.process.stdin?.end();
		const code = await Promise.race([server.ended, new Promise((resolve) => setTimeout(resolve, 10_000, 'still alive'))]);
		expect(code).toBe(1);
	});

	test('so does one that only stops to read, and nothing is thrown at the user', async () => {
		const { server, client, uri } = await start();
		server.process.stdout?.destroy();
		client.open(uri('src/main.ts'), MAIN);
		void client.inlineCompletion(uri('src/main.ts'), CURSOR).catch(() => {});
		const code = await Promise.race([server.ended, new Promise((resolve) => setTimeout(resolve, 10_000, 'still alive'))]);
		expect({ code, stderr: server.stderr() }).toEqual({ code: 1, stderr: '' });
	});

	test('nonsense on the wire does not end it', async () => {
		const { server, client } = await start();
		server.process.stdin?.write('Content-Length: 9\r\n\r\nnot json!');
		expect((await client.status()).workspaces).toHaveLength(1);
	});
});
