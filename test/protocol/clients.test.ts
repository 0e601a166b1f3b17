/** What clients send that is odd: each case is one that a client in use sends, or that the specification allows. */
import { mkdirSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { COMMANDS, type StatusChangedParams } from 'hef-shared';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { ErrorCodes, type InlineCompletionItem } from 'vscode-languageserver-protocol/node';
import { createFakeServices, type FakeOptions, reportOf } from '../support/fake-services.ts';
import { FULL_CAPABILITIES, type InitializeOptions, type InProcessServer, startInProcess } from '../support/lsp-client.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const URI = 'file:///w/app/src/a.ts';
const servers: InProcessServer[] = [];
const at = (line: number, character: number) => ({ line, character });

vi.setConfig({ testTimeout: 15_000 });

afterEach(() => {
	for (const server of servers.splice(0)) server.close();
});

function create(options: FakeOptions = {}) {
	const fake = createFakeServices(options);
	const server = startInProcess(fake.createServices);
	servers.push(server);
	return { client: server.client, fake, server };
}

async function start(options: FakeOptions = {}, initialize: InitializeOptions = {}) {
	const started = create(options);
	await started.client.initialize({ folders: ['file:///w/app'], ...initialize });
	return started;
}

const as = <T>(value: unknown) => value as T;

describe('initialize', () => {
	test.each([
		['null where a section could be', { capabilities: { textDocument: null, workspace: null, window: null, general: null } }],
		['a path for a root', { rootUri: null, workspaceFolders: null, rootPath: '/w/app' }],
		['a root, and no folder in the list', { rootUri: 'file:///w/app', workspaceFolders: [] }],
		['null options', { initializationOptions: null }],
		['a list for options', { initializationOptions: [] }],
	])('with %s', async (_, params) => {
		const { client, fake } = create();
		await client.initialize({ folders: ['file:///w/app'], untilReady: false, params: as(params) });
		await expect.poll(() => fake.calls).toEqual(['open /w/app']);
	});

	test('a second time is refused, and the first goes on', async () => {
		const { client, fake } = await start();
		const params = { processId: null, rootUri: null, capabilities: {} };
		await expect(client.connection.sendRequest('initialize', params)).rejects.toMatchObject({ code: ErrorCodes.InvalidRequest });
		client.open(URI, 'x');
		expect(await client.inlineCompletion(URI, at(0, 1))).toHaveLength(1);
		expect(fake.starts).toHaveLength(1);
	});

	test('a request before it is told so', async () => {
		const { client } = create();
		await expect(client.status()).rejects.toMatchObject({ code: ErrorCodes.ServerNotInitialized });
		await expect(client.inlineCompletion(URI, at(0, 0))).rejects.toMatchObject({ code: ErrorCodes.ServerNotInitialized });
		await client.initialize({ untilReady: false });
		expect((await client.status()).version).toBe('0.0.0-test');
	});
});

describe('after shutdown', () => {
	test('the answer comes while the models still load, and nothing is left running in the end', async () => {
		let open = () => {};
		const startGate = new Promise<void>((resolve) => {
			open = resolve;
		});
		const { client, fake } = create({ startGate });
		await client.initialize({ untilReady: false });
		await expect.poll(() => fake.starts.length).toBe(1);
		expect(await client.shutdown()).toBeNull();
		open();
		await expect.poll(() => fake.calls).toEqual(['dispose']);
		expect(fake.nRunning).toBe(0);
	});

	test('requests are invalid, and nothing is started any more', async () => {
		const { client, fake, server } = await start();
		client.open(URI, 'x');
		await client.shutdown();
		await expect(client.inlineCompletion(URI, at(0, 1))).rejects.toMatchObject({ code: ErrorCodes.InvalidRequest });
		await expect(client.execute(COMMANDS.reindex)).rejects.toMatchObject({ code: ErrorCodes.InvalidRequest });
		client.settings = { maxThreads: 1 };
		void client.connection.sendNotification('workspace/didChangeConfiguration', { settings: null });
		await expect.poll(() => client.nPulls).toBe(2);
		await client.exit();
		expect(await server.exitCode).toBe(0);
		expect(fake.starts).toHaveLength(1);
		expect(fake.nRunning).toBe(0);
	});
});

describe('requests', () => {
	test('commands with null for arguments, as eglot sends them', async () => {
		const { client } = await start();
		const execute = (command: string) => client.connection.sendRequest('workspace/executeCommand', { command, arguments: null });
		expect(await execute(COMMANDS.explain)).toBeNull();
		expect(await execute(COMMANDS.accepted)).toBeNull();
	});

	test('inline completion without a context', async () => {
		const { client, fake } = await start();
		client.open(URI, 'x');
		const params = { textDocument: { uri: URI }, position: at(0, 1) };
		expect(await client.connection.sendRequest('textDocument/inlineCompletion', params)).toHaveLength(1);
		expect(fake.requests[0]).toMatchObject({ explicit: false });
	});

	test('a position between the halves of a surrogate pair', async () => {
		const { client, fake } = await start();
		client.open(URI, 'a😀b');
		expect(await client.inlineCompletion(URI, at(0, 2))).toHaveLength(1);
		expect(fake.requests[0]?.offset).toBe(1);
	});

	test('a settings section of another type', async () => {
		const { client, fake } = create();
		client.settings = ['x', 1];
		await client.initialize({ folders: ['file:///w/app'] });
		client.settings = 'off';
		void client.connection.sendNotification('workspace/didChangeConfiguration', { settings: 3 });
		await expect.poll(() => client.nPulls).toBe(2);
		expect(fake.starts).toHaveLength(1);
	});
});

describe('documents', () => {
	test('a secret is one under any scheme and however its name is written', async () => {
		const { client, fake } = await start({ includes: (_, path) => path.split('/').at(-1) !== '.env' });
		for (const uri of ['file:///w/app/%2Eenv', 'git:/w/app/.env?%7B%22ref%22%3A%22~%22%7D', 'untitled:/w/app/%2Eenv', 'x:/w/.env#L1']) {
			client.open(uri, 'KEY=');
			await client.inlineCompletion(uri, at(0, 4));
			expect([uri, (await client.explain(uri))?.suppressed]).toEqual([uri, 'excluded']);
		}
		expect(fake.requests).toEqual([]);
	});

	test('odd names are no failure', async () => {
		const { client } = await start();
		for (const uri of ['x:/a/..', 'x:', 'file:///w/app/%zz.ts', 'x:/a/%ff', 'file://host/share/a.ts']) {
			client.open(uri, 'x');
			expect([uri, await client.inlineCompletion(uri, at(0, 1))]).toEqual([uri, expect.objectContaining({ length: 1 })]);
		}
	});

	test('one without a name of its own has the ending of its language, also where that says whether it is source', async () => {
		const { client, fake } = await start({ includes: (_, path, named) => named === `${path}.py` });
		client.open('untitled:Untitled-1', 'x', 'python');
		client.open('vscode-notebook-cell:/w/app/nb.ipynb#W0sZmlsZQ%3D%3D', 'x', 'python');
		await client.inlineCompletion('untitled:Untitled-1', at(0, 1));
		await client.inlineCompletion('vscode-notebook-cell:/w/app/nb.ipynb#W0sZmlsZQ%3D%3D', at(0, 1));
		client.open('file:///w/app/bin/tool', 'x', 'python');
		await client.inlineCompletion('file:///w/app/bin/tool', at(0, 1));
		expect(fake.requests.map(({ path }) => path)).toEqual(['Untitled-1.py', 'nb.ipynb.py', 'bin/tool.py']);
	});

	test('a cell of a notebook stands among the other cells of its language; positions are its own', async () => {
		const { client, fake } = await start();
		const cell = (id: string, path = 'nb.ipynb') => `vscode-notebook-cell:/w/app/${path}#${id}`;
		client.open(cell('W0'), 'import numpy as np\n', 'python');
		client.open(cell('W1'), '# Title', 'markdown');
		client.open(cell('W2'), 'x = 1\ny = np.', 'python');
		client.open(cell('W3'), 'plot(y)', 'python');
		client.open(cell('W0', 'other.ipynb'), 'import pandas', 'python');
		const [item] = (await client.inlineCompletion(cell('W2'), at(1, 7))) as InlineCompletionItem[];
		expect(item?.range).toEqual({ start: at(1, 7), end: at(1, 7) });
		const { text, offset } = fake.requests[0] ?? { text: '', offset: 0 };
		expect([text.slice(0, offset), text.slice(offset)]).toEqual(['import numpy as np\n\nx = 1\ny = np.', '\n\nplot(y)\n\n']);
		await client.inlineCompletion(cell('W0'), at(1, 0));
		expect(fake.requests[1]?.text.slice(fake.requests[1].offset)).toBe('\n\nx = 1\ny = np.\n\nplot(y)\n\n');
	});

	test('the home folder, and what holds it, is not indexed, and the user is told', async () => {
		const home = temporaryFolder({ 'app/a.ts': 'a' });
		vi.stubEnv('HOME', home);
		const { client, fake } = create();
		const link = join(temporaryFolder(), 'link');
		symlinkSync(home, link);
		const folders = [home, dirname(home), '/', link, join(home, 'app')];
		await client.initialize({ folders: folders.map((path) => pathToFileURL(path).href) });
		expect(fake.calls).toEqual([`open ${join(home, 'app')}`]);
		const message = `HEF: ${home} is not indexed: it holds your home folder. Open the folder of a project instead.`;
		expect(await client.notification('window/showMessage')).toMatchObject({ message });
		mkdirSync(join(home, '.git'));
		const added = [{ uri: pathToFileURL(home).href, name: '' }];
		void client.connection.sendNotification('workspace/didChangeWorkspaceFolders', { event: { added, removed: [] } });
		await expect.poll(() => fake.calls).toContain(`open ${home}`);
		vi.unstubAllEnvs();
	});

	test('a folder taken away and given back at once is open in the end', async () => {
		const { client, fake } = await start();
		const folder = { uri: 'file:///w/app', name: 'app' };
		const change = (event: unknown) => client.connection.sendNotification('workspace/didChangeWorkspaceFolders', { event });
		void change({ added: [], removed: [folder] });
		void change({ added: [folder], removed: [] });
		await client.status();
		await expect.poll(() => fake.calls).toEqual(['open /w/app', 'close /w/app', 'open /w/app']);
	});

	test('a folder given back while it is being closed is still being opened', async () => {
		let open = () => {};
		const { client, fake } = await start();
		fake.options.openGate = new Promise((resolve) => {
			open = resolve;
		});
		const before = client.received.length;
		const folder = { uri: 'file:///w/app', name: 'app' };
		const event = { added: [folder], removed: [folder] };
		void client.connection.sendNotification('workspace/didChangeWorkspaceFolders', { event });
		await client.status();
		await client.status();
		const kinds = () => client.received.slice(before).flatMap(({ params }) => as<Partial<StatusChangedParams>>(params).kind ?? []);
		expect(kinds()).toEqual(['indexing']);
		open();
		await expect.poll(() => kinds().at(-1)).toBe('ready');
	});
});

describe('completion list', () => {
	const capabilities = { ...FULL_CAPABILITIES, textDocument: { completion: {} } };
	const list = async (text: string, insertText: string, replaces = 0) => {
		const { client } = await start(
			{
				complete: async (request) => {
					const report = reportOf(insertText, request);
					for (const { range } of report.items) range.end = { ...range.end, character: range.end.character + replaces };
					return report;
				},
			},
			{ capabilities },
		);
		client.open(URI, text.replace('$0', ''));
		const before = text.slice(0, text.indexOf('$0')).split('\n');
		const position = at(before.length - 1, (before.at(-1) ?? '').length);
		return (await client.completion(URI, position))?.items[0];
	};

	test('what stands behind the cursor stays there where it can, for editors that do not replace it', async () => {
		expect(await list('f(ab$0)', 'c)', 1)).toMatchObject({
			label: 'abc',
			textEdit: { newText: 'abc', range: { start: at(0, 2), end: at(0, 4) } },
		});
	});

	test('the range spans the word before the cursor and what the text replaces', async () => {
		expect(await list('f(ab$0)', 'c);', 1)).toMatchObject({
			filterText: 'abc);',
			textEdit: { newText: 'abc);', range: { start: at(0, 2), end: at(0, 5) } },
		});
		expect(await list('// 😀 𝒳a$0', 'b')).toMatchObject({ label: '𝒳ab', textEdit: { range: { start: at(0, 6), end: at(0, 9) } } });
	});
});
