/** The protocol as an editor sees it: a real client and the server over two streams, with fake services behind. */
import { symlinkSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { COMMANDS, defaultSettings, FOCUS_NOTIFICATION, type StatusChangedParams, type StatusReport } from 'hef-shared';
import { afterEach, describe, expect, test, vi } from 'vitest';
import {
	CancellationTokenSource,
	ErrorCodes,
	type InlineCompletionItem,
	InlineCompletionTriggerKind,
	LSPErrorCodes,
	type Position,
} from 'vscode-languageserver-protocol/node';
import { HefError } from '../../server/base/errors.ts';
import { looksSecret } from '../../server/workspace/path-filter.ts';
import { createFakeServices, type FakeComplete, type FakeOptions, type FakeServices, reportOf, UPDATE } from '../support/fake-services.ts';
import { FULL_CAPABILITIES, type InitializeOptions, type InProcessServer, type LspClient, startInProcess } from '../support/lsp-client.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const URI = 'file:///w/app/src/a.ts';
const servers: InProcessServer[] = [];

vi.setConfig({ testTimeout: 15_000 });

afterEach(() => {
	for (const server of servers.splice(0)) server.close();
});

interface Started {
	client: LspClient;
	fake: FakeServices;
	server: InProcessServer;
}

function create(options: FakeOptions = {}): Started {
	const fake = createFakeServices(options);
	const server = startInProcess(fake.createServices, fake.clearCache);
	servers.push(server);
	return { client: server.client, fake, server };
}

async function start(options: FakeOptions = {}, initialize: InitializeOptions = {}): Promise<Started> {
	const started = create(options);
	await started.client.initialize({ folders: ['file:///w/app'], ...initialize });
	return started;
}

/** A `complete` whose answers the test releases one by one, in any order. */
function gatedComplete() {
	const gates: { aborted: () => boolean; release(text: string | undefined): void }[] = [];
	const waiting: (() => void)[] = [];
	const complete: FakeOptions['complete'] = (request, signal) =>
		new Promise((resolve) => {
			gates.push({ aborted: () => signal?.aborted === true, release: (text) => resolve(reportOf(text, request)) });
			signal?.addEventListener('abort', () => resolve(undefined));
			for (const wake of waiting.splice(0)) wake();
		});
	/** Waits until `n` requests have reached the services. */
	const reached = async (n: number) => {
		while (gates.length < n) await new Promise<void>((resolve) => waiting.push(resolve));
		return gates[n - 1] as (typeof gates)[number];
	};
	return { complete, reached };
}

const at = (line: number, character: number) => ({ line, character });
const texts = (answer: unknown) => (answer as InlineCompletionItem[]).map(({ insertText }) => insertText);

describe('initialize', () => {
	test('answers at once, before any model is there', async () => {
		const { client, fake } = create({ startGate: new Promise(() => {}) });
		const { serverInfo } = await client.initialize({ untilReady: false });
		expect(serverInfo).toEqual({ name: 'hef-language-server', version: '0.0.0-test' });
		expect(fake.nRunning).toBe(0);
		client.open(URI, 'const a');
		expect(await client.inlineCompletion(URI, at(0, 7))).toEqual([]);
		expect(await client.explain()).toMatchObject({ suppressed: 'notReady' });
	});

	test.each([
		['an object', {}],
		['null, as lsp-mode sends it', null],
	])('offers inline completion alone when the client has the key: %s', async (_, inlineCompletion) => {
		const { client } = create();
		const capabilities = { textDocument: { inlineCompletion, completion: {} } } as InitializeOptions['capabilities'];
		const { capabilities: offered } = await client.initialize({ capabilities: capabilities ?? {} });
		expect(offered.inlineCompletionProvider).toEqual({});
		expect(offered.completionProvider).toBeUndefined();
		expect(offered.executeCommandProvider?.commands).toEqual(Object.values(COMMANDS));
		expect(offered.textDocumentSync).toMatchObject({ openClose: true, change: 2 });
	});

	test('offers the completion list to the others', async () => {
		const { client } = create();
		const { capabilities } = await client.initialize({ capabilities: { textDocument: { completion: {} } } });
		expect(capabilities.inlineCompletionProvider).toBeUndefined();
		expect(capabilities.completionProvider).toBeDefined();
	});

	test('survives a client that declares nothing', async () => {
		const { client, fake } = create();
		await client.initialize({ capabilities: {}, params: { workspaceFolders: null, rootUri: 'file:///w/app' } });
		await expect.poll(() => fake.calls).toEqual(['open /w/app']);
		client.open(URI, 'x');
		expect((await client.completion(URI, at(0, 1)))?.items).toHaveLength(1);
	});
});

describe('inline completion', () => {
	test('answers the suggestion, its range and the command that reports the accept', async () => {
		const { client, fake } = await start();
		client.open(URI, 'const a = 1;\nconst b');
		const [item] = (await client.inlineCompletion(URI, at(1, 7))) as InlineCompletionItem[];
		expect(item).toMatchObject({
			insertText: 'suggested',
			range: { start: at(1, 7), end: at(1, 7) },
			command: { command: COMMANDS.accepted, arguments: [URI] },
		});
		expect(await client.execute(COMMANDS.accepted, URI)).toBeNull();
		expect(fake.requests[0]).toMatchObject({ folder: '/w/app', path: 'src/a.ts', offset: 20, explicit: false, context: 'hef' });
		expect(await client.explain(URI)).toMatchObject({ uri: URI, version: 1, suppressed: null, items: [{ insertText: 'suggested' }] });
	});

	test('a request by hand has several to choose from, one that nobody asked for has one', async () => {
		const { client, fake } = await start({ complete: several });
		client.open(URI, 'x');
		const invoked = { context: { triggerKind: InlineCompletionTriggerKind.Invoked } };
		const items = (await client.inlineCompletion(URI, at(0, 1), invoked)) as InlineCompletionItem[];
		expect(texts(items)).toEqual(['one', 'two', 'three']);
		expect(items.map(({ command }) => command?.command)).toEqual(Array(3).fill(COMMANDS.accepted));
		expect(await client.explain(URI)).toMatchObject({ items: [{ insertText: 'one' }, { insertText: 'two' }, { insertText: 'three' }] });
		const automatic = { context: { triggerKind: InlineCompletionTriggerKind.Automatic } };
		expect(texts(await client.inlineCompletion(URI, at(0, 1), automatic))).toEqual(['one']);
		expect(fake.requests.map(({ most }) => most)).toEqual([3, undefined]);
	});

	test('nothing to suggest is an empty list', async () => {
		const { client } = await start({ complete: async (request) => reportOf(undefined, request) });
		client.open(URI, 'x');
		expect(await client.inlineCompletion(URI, at(0, 1))).toEqual([]);
		expect(await client.explain()).toMatchObject({ suppressed: 'empty' });
	});

	test('a newer request supersedes the older one, which answers null', async () => {
		const { complete, reached } = gatedComplete();
		const { client } = await start({ complete });
		client.open(URI, 'x');
		const older = client.inlineCompletion(URI, at(0, 1));
		await reached(1);
		const newer = client.inlineCompletion(URI, at(0, 1));
		(await reached(2)).release('new');
		(await reached(1)).release('old');
		expect(await older).toBeNull();
		expect(texts(await newer)).toEqual(['new']);
	});

	test('requests of two documents do not supersede each other', async () => {
		const { complete, reached } = gatedComplete();
		const { client } = await start({ complete });
		const other = 'file:///w/app/src/b.ts';
		client.open(URI, 'x');
		client.open(other, 'y');
		const first = client.inlineCompletion(URI, at(0, 1));
		(await reached(1)).aborted();
		const second = client.inlineCompletion(other, at(0, 1));
		(await reached(2)).release('second');
		(await reached(1)).release('first');
		expect([texts(await first), texts(await second)]).toEqual([['first'], ['second']]);
	});

	test('an answer for an older version of the document is null', async () => {
		const { complete, reached } = gatedComplete();
		const { client } = await start({ complete });
		client.open(URI, 'x');
		const answer = client.inlineCompletion(URI, at(0, 1));
		const gate = await reached(1);
		client.change(URI, 'xy');
		await client.status(); // Messages keep their order: the change has arrived.
		gate.release('stale');
		expect(await answer).toBeNull();
	});

	test('typing drops what is under way, and prepares the place behind the typed text', async () => {
		const { complete, reached } = gatedComplete();
		const { client, fake } = await start({ complete });
		client.open(URI, 'one\ntwo');
		const answer = client.inlineCompletion(URI, at(0, 3));
		const gate = await reached(1);
		client.change(URI, [{ range: { start: at(0, 3), end: at(0, 3) }, text: '()' }]);
		expect(await answer).toBeNull();
		expect(gate.aborted()).toBe(true);
		expect(fake.prepared).toMatchObject([{ text: 'one()\ntwo', offset: 5 }]);
		// Several places at once have no likely next one.
		client.change(URI, [
			{ range: { start: at(1, 0), end: at(1, 0) }, text: 'a' },
			{ range: { start: at(0, 0), end: at(0, 0) }, text: 'a' },
		]);
		client.change(URI, 'all new');
		await client.status();
		expect(fake.prepared).toHaveLength(1);
		// Behind the end of the document is its end.
		client.change(URI, [{ range: { start: at(9, 0), end: at(9, 0) }, text: '\nx' }]);
		await client.status();
		expect(fake.prepared.at(-1)).toMatchObject({ text: 'all new\nx', offset: 9 });
	});

	test('a document closed meanwhile is null, and forgotten', async () => {
		const { complete, reached } = gatedComplete();
		const { client, fake } = await start({ complete });
		client.open(URI, 'x');
		const answer = client.inlineCompletion(URI, at(0, 1));
		const gate = await reached(1);
		client.close(URI);
		await client.status();
		gate.release('late');
		expect(await answer).toBeNull();
		expect(fake.calls).toContain(`forget ${URI}`);
		expect(await client.explain(URI)).toBeNull();
	});

	test('cancelling answers RequestCancelled, and the next request is answered', async () => {
		const { complete, reached } = gatedComplete();
		const { client } = await start({ complete });
		client.open(URI, 'x');
		const source = new CancellationTokenSource();
		const cancelled = client.inlineCompletion(URI, at(0, 1), { token: source.token });
		const gate = await reached(1);
		source.cancel();
		await expect(cancelled).rejects.toMatchObject({ code: LSPErrorCodes.RequestCancelled });
		expect(gate.aborted()).toBe(true);
		const next = client.inlineCompletion(URI, at(0, 1));
		(await reached(2)).release('next');
		expect(texts(await next)).toEqual(['next']);
	});

	test('a position outside of the document is InvalidParams, and the server stays up', async () => {
		const { client } = await start();
		client.open(URI, 'one line');
		for (const position of [at(1, 0), at(-1, 0), at(0, -1), at(1_000_000, 5)])
			await expect(client.inlineCompletion(URI, position)).rejects.toMatchObject({ code: ErrorCodes.InvalidParams });
		// Past the end of a line is its end: the specification says so.
		expect(await client.inlineCompletion(URI, at(0, 99))).toMatchObject([{ range: { start: at(0, 8) } }]);
	});

	test.each([null, undefined, {}, { line: 'a', character: 0 }, { line: 0.5, character: 0 }, { line: 0 }])(
		'position %j is InvalidParams',
		async (position) => {
			const { client } = await start();
			client.open(URI, 'one line');
			for (const ask of [client.inlineCompletion, client.completion])
				await expect(ask(URI, position as Position)).rejects.toMatchObject({
					code: ErrorCodes.InvalidParams,
					message: expect.stringContaining('position wants a line and a character'),
				});
			await expect(client.inlineCompletion(null as unknown as string, at(0, 0))).rejects.toMatchObject({
				code: ErrorCodes.InvalidParams,
				message: expect.stringContaining('textDocument.uri is missing'),
			});
		},
	);

	test('a document that is not open is InvalidParams', async () => {
		const { client } = await start();
		await expect(client.inlineCompletion('file:///w/app/no.ts', at(0, 0))).rejects.toMatchObject({ code: ErrorCodes.InvalidParams });
	});

	test('a failure of the services is an error with its cause, not an empty list', async () => {
		let fail = true;
		const { client } = await start({
			complete: async (request) => {
				if (fail) throw new HefError('inference-failed', 'the model gave no logits');
				return reportOf('fine', request);
			},
		});
		client.open(URI, 'x');
		await expect(client.inlineCompletion(URI, at(0, 1))).rejects.toMatchObject({
			code: LSPErrorCodes.RequestFailed,
			message: 'the model gave no logits',
		});
		fail = false;
		expect(texts(await client.inlineCompletion(URI, at(0, 1)))).toEqual(['fine']);
	});

	test('the entry selected in the popup and a request by hand reach the services', async () => {
		const { client, fake } = await start();
		client.open(URI, 'foo.b');
		const selectedCompletionInfo = { range: { start: at(0, 4), end: at(0, 5) }, text: 'bar' };
		await client.inlineCompletion(URI, at(0, 5), { context: { triggerKind: 1, selectedCompletionInfo } });
		expect(fake.requests[0]).toMatchObject({ selected: 'bar', explicit: true });
	});

	test('counts in UTF-16 and knows CRLF', async () => {
		const { client, fake } = await start();
		const text = '// 😀 𝒳\r\nlet 𝒳 = 1;\r\n';
		client.open(URI, text);
		const [item] = (await client.inlineCompletion(URI, at(1, 6))) as InlineCompletionItem[];
		expect(fake.requests[0]?.offset).toBe(text.indexOf(' = 1'));
		expect(item?.range?.start).toEqual(at(1, 6));
		// Incremental: the astral letter becomes `y`; the line keeps its break.
		client.change(URI, [{ range: { start: at(1, 4), end: at(1, 6) }, text: 'y' }]);
		await client.inlineCompletion(URI, at(1, 5));
		expect(fake.requests[1]?.text).toBe('// 😀 𝒳\r\nlet y = 1;\r\n');
	});

	test('changes out of order neither crash nor answer for a text that is gone', async () => {
		const { client, fake } = await start();
		client.open(URI, 'ab');
		client.change(URI, [{ range: { start: at(0, 4), end: at(0, 4) }, text: 'e' }], 4);
		client.change(URI, [{ range: { start: at(0, 2), end: at(0, 2) }, text: 'c' }], 2);
		client.change(URI, [{ range: { start: at(0, 3), end: at(0, 3) }, text: 'd' }], 3);
		client.change(URI, [], 5);
		expect(await client.inlineCompletion(URI, at(0, 1))).toHaveLength(1);
		client.change(URI, 'whole text', 6);
		await client.inlineCompletion(URI, at(0, 10));
		expect(fake.requests.at(-1)?.text).toBe('whole text');
	});

	test('edits of a document that is not open are ignored', async () => {
		const { client } = await start();
		client.change('file:///w/app/never.ts', 'x');
		client.save('file:///w/app/never.ts');
		client.close('file:///w/app/never.ts');
		expect((await client.status()).bundle.name).toBe('fake');
	});
});

/** As many as were asked for. */
const several: FakeComplete = async (request) => {
	const texts = ['one', 'two', 'three'].slice(0, request.most ?? 1);
	return { ...reportOf('', request), items: texts.flatMap((text) => reportOf(text, request).items) };
};

describe('completion list', () => {
	const capabilities = { ...FULL_CAPABILITIES, textDocument: { completion: {} } };

	test('one entry that replaces the word before the cursor', async () => {
		const { client } = await start({ complete: async (request) => reportOf('bar(1, 2);\n}', request) }, { capabilities });
		client.open(URI, '  x.foo');
		expect(await client.completion(URI, at(0, 7))).toEqual({
			isIncomplete: true,
			items: [
				expect.objectContaining({
					label: 'foobar(1, 2);',
					filterText: 'foobar(1, 2);',
					insertTextFormat: 1,
					textEdit: { newText: 'foobar(1, 2);\n}', range: { start: at(0, 4), end: at(0, 7) } },
				}),
			],
		});
	});

	test('several entries in their order where the user asks, one after a keystroke', async () => {
		const { client, fake } = await start({ complete: several }, { capabilities });
		client.open(URI, 'x.f');
		const list = await client.completion(URI, at(0, 3));
		expect(list?.items.map(({ label }) => label)).toEqual(['fone', 'ftwo', 'fthree']);
		const order = list?.items.map(({ sortText }) => sortText ?? '') ?? [];
		expect(order).toEqual([...order].sort());
		expect(new Set(order).size).toBe(3);
		expect(fake.requests.at(-1)).toMatchObject({ explicit: false, most: 3 });
		client.change(URI, [{ range: { start: at(0, 3), end: at(0, 3) }, text: 'o' }]);
		expect((await client.completion(URI, at(0, 4)))?.items).toHaveLength(1);
	});

	test('a position behind the end of its line is the end of the line', async () => {
		const { client } = await start({}, { capabilities });
		client.open(URI, 'x.foo\n');
		const list = await client.completion(URI, at(0, 99));
		expect(list?.items).toMatchObject([{ textEdit: { range: { start: at(0, 2), end: at(0, 5) } } }]);
	});

	test('nothing to suggest is an empty list; superseded is null', async () => {
		const { complete, reached } = gatedComplete();
		const { client } = await start({ complete }, { capabilities });
		client.open(URI, 'x');
		const older = client.completion(URI, at(0, 1));
		await reached(1);
		const newer = client.completion(URI, at(0, 1));
		(await reached(2)).release(undefined);
		(await reached(1)).release('old');
		expect(await newer).toEqual({ isIncomplete: true, items: [] });
		expect(await older).toBeNull();
	});
});

describe('settings', () => {
	test('are pulled, beat the initialization options, and start the services once', async () => {
		const { client, fake } = create();
		client.settings = { minConfidence: 0.5 };
		await client.initialize({ initializationOptions: { minConfidence: 0.7, bundle: 'from-options' } });
		// VS Code answers the registration with a change notification, while the models may still load.
		void client.connection.sendNotification('workspace/didChangeConfiguration', { settings: null });
		await expect.poll(() => client.nPulls).toBe(2);
		client.open(URI, 'x');
		await client.inlineCompletion(URI, at(0, 1));
		expect(fake.requests[0]?.minConfidence).toBe(0.5);
		expect(fake.starts.map(({ bundle }) => bundle)).toEqual(['from-options']);
	});

	test('a client that cannot answer for them after all has its initialization options', async () => {
		const { client, fake } = create();
		client.connection.onRequest('workspace/configuration', () => {
			throw new Error('not today');
		});
		await client.initialize({ initializationOptions: { minConfidence: 0.7 } });
		expect(fake.starts).toMatchObject([{ minConfidence: 0.7 }]);
	});

	test('a client that answered once and then cannot keeps what it said', async () => {
		const { client, fake } = create();
		client.settings = { minConfidence: 0.5, maxThreads: 2 };
		await client.initialize({ initializationOptions: { maxThreads: 1 } });
		let asked = 0;
		client.connection.onRequest('workspace/configuration', () => {
			asked++;
			throw new Error('not today');
		});
		void client.connection.sendNotification('workspace/didChangeConfiguration', { settings: null });
		await expect.poll(() => asked).toBe(1);
		client.open(URI, 'x');
		await client.inlineCompletion(URI, at(0, 1));
		expect(fake.requests[0]?.minConfidence).toBe(0.5);
		expect(fake.starts.map(({ maxThreads }) => maxThreads)).toEqual([2]);
	});

	test('a client that does not answer for them has its initialization options, until it does', async () => {
		vi.useFakeTimers({ toFake: ['setTimeout'] });
		try {
			const { client, fake } = create();
			let answer = (_: unknown) => {};
			client.connection.onRequest(
				'workspace/configuration',
				() =>
					new Promise((resolve) => {
						answer = resolve;
					}),
			);
			await client.initialize({ initializationOptions: { minConfidence: 0.7, maxThreads: 1 }, untilReady: false });
			await client.status();
			expect(fake.starts).toEqual([]);
			vi.advanceTimersByTime(3000);
			await expect.poll(() => fake.starts).toMatchObject([{ minConfidence: 0.7, maxThreads: 1 }]);
			answer([{ maxThreads: 2 }]);
			await expect.poll(() => fake.starts[1]).toMatchObject({ minConfidence: 0.7, maxThreads: 2 });
		} finally {
			vi.useRealTimers();
		}
	});

	test('a second pull while the models load does not load them twice', async () => {
		let open = () => {};
		const startGate = new Promise<void>((resolve) => {
			open = resolve;
		});
		const { client, fake } = create({ startGate });
		await client.initialize({ untilReady: false });
		await expect.poll(() => fake.starts.length).toBe(1);
		void client.connection.sendNotification('workspace/didChangeConfiguration', { settings: null });
		await expect.poll(() => client.nPulls).toBe(2);
		open();
		await client.untilStatus('ready');
		await client.status();
		expect(fake.starts).toHaveLength(1);
		expect(fake.calls).not.toContain('dispose');
	});

	test('are pushed to a server whose client cannot be asked', async () => {
		const capabilities = { ...FULL_CAPABILITIES, workspace: {} };
		const { client, fake } = await start({}, { capabilities, initializationOptions: { minConfidence: 0.7 } });
		client.open(URI, 'x');
		await client.inlineCompletion(URI, at(0, 1));
		void client.connection.sendNotification('workspace/didChangeConfiguration', { settings: { hef: { minConfidence: 0.1 } } });
		client.change(URI, 'xy');
		await client.inlineCompletion(URI, at(0, 2));
		expect(fake.requests.map(({ minConfidence }) => minConfidence)).toEqual([0.7, 0.1]);
	});

	test('a wrong value is named and takes its default; the others hold', async () => {
		const { client, fake } = create();
		client.settings = { minConfidence: 'high', multiLine: 'never' };
		await client.initialize();
		const { message } = await client.notification<{ message: string }>('window/showMessage');
		expect(message).toContain('hef.minConfidence: expected a number, got "high"');
		client.open(URI, 'x');
		await client.inlineCompletion(URI, at(0, 1));
		expect(fake.requests[0]).toMatchObject({ minConfidence: defaultSettings().minConfidence, multiLine: 'never' });
	});

	test.each([
		['maxThreads', 1.5],
		['cacheBudgetBytes', 0.5],
		['alternatives', 2.5],
	])('%s is a whole number', async (name, value) => {
		const { client, fake } = create();
		client.settings = { [name]: value };
		await client.initialize();
		const message = `hef.${name}: expected a whole number, got ${value}`;
		expect(await client.notification('window/showMessage')).toMatchObject({ message });
		expect(fake.starts).toEqual([defaultSettings()]);
	});

	test('~ in a path is the home folder', async () => {
		const { client, fake } = create();
		client.settings = { cacheFolder: '~/cache', bundle: '~/bundle' };
		await client.initialize();
		expect(fake.starts).toMatchObject([{ cacheFolder: join(homedir(), 'cache'), bundle: join(homedir(), 'bundle') }]);
		client.settings = { cacheFolder: '~', bundle: 'hef-nano' };
		void client.connection.sendNotification('workspace/didChangeConfiguration', { settings: null });
		await vi.waitFor(() => expect(fake.starts[1]).toMatchObject({ cacheFolder: homedir(), bundle: 'hef-nano' }));
	});

	test.each(['cache', './cache', '../cache', '~someone/cache', 'C:cache'])(
		'the cache folder %s is refused: relative to what?',
		async (cacheFolder) => {
			const { client, fake } = create();
			client.settings = { cacheFolder };
			await client.initialize();
			const message = `hef.cacheFolder: expected an absolute path, or one that begins with ~/, got "${cacheFolder}"`;
			expect(await client.notification('window/showMessage')).toMatchObject({ message });
			expect(fake.starts).toMatchObject([{ cacheFolder: '' }]);
		},
	);

	test.each(['/c', 'C:\\c', 'c:/c', '\\\\server\\c'])('the folder %s is taken, for the cache and for a bundle', async (path) => {
		const { client, fake } = create();
		client.settings = { cacheFolder: path, bundle: path };
		await client.initialize();
		expect(fake.starts).toMatchObject([{ cacheFolder: path, bundle: path }]);
	});

	test.each(['.', '..', './bundle', 'models/bundle', 'models\\bundle', '~someone/bundle'])(
		'the bundle %s is refused: relative to what?',
		async (bundle) => {
			const { client, fake } = create();
			client.settings = { bundle };
			await client.initialize();
			const expected = 'expected the name of a bundle that ships with the server, an absolute path, or one that begins with ~/';
			const message = `hef.bundle: ${expected}, got ${JSON.stringify(bundle)}`;
			expect(await client.notification('window/showMessage')).toMatchObject({ message });
			expect(fake.starts).toMatchObject([{ bundle: '' }]);
		},
	);

	test('a name that is not known is reported with the nearest that is; what other programs are told is not', async () => {
		const { client } = create();
		const own = { serverPath: '/server.js', hef: {} };
		client.settings = { maxThread: 2, multiline: 'never', constructor: 1, colours: 1, ...own };
		await client.initialize({ initializationOptions: { minConfidance: 0.5 } });
		const shown = client.received.filter(({ method }) => method === 'window/showMessage');
		expect(shown.map(({ params }) => (params as { message: string }).message)).toEqual([
			'hef.minConfidance: there is no such setting; did you mean hef.minConfidence?',
			'hef.maxThread: there is no such setting; did you mean hef.maxThreads?',
			'hef.multiline: there is no such setting; did you mean hef.multiLine?',
			'hef.constructor: there is no such setting',
			'hef.colours: there is no such setting',
		]);
	});

	test('a setting that the workers were made with restarts them; another does not', async () => {
		const { client, fake } = await start();
		const change = async (settings: unknown) => {
			client.settings = settings;
			const { nPulls } = client;
			void client.connection.sendNotification('workspace/didChangeConfiguration', { settings: null });
			await expect.poll(() => client.nPulls).toBe(nPulls + 1);
		};
		await change({ multiLine: 'never' });
		await change({ multiLine: 'never', maxThreads: 1 });
		await expect.poll(() => fake.starts.length).toBe(2);
		await expect.poll(() => fake.calls).toEqual(['open /w/app', 'dispose', 'open /w/app']);
		expect(fake.nRunning).toBe(1);
	});

	test('off means no services; explain says why', async () => {
		const { client, fake } = create();
		client.settings = { enabled: false };
		await client.initialize({ untilReady: false });
		await client.untilStatus('off');
		client.open(URI, 'x');
		expect(await client.inlineCompletion(URI, at(0, 1))).toEqual([]);
		expect(await client.explain()).toMatchObject({ suppressed: 'off' });
		expect(fake.starts).toEqual([]);
	});

	test('a document of more than a million characters reaches no model, and is completed again when it is shorter', async () => {
		const { client, fake } = await start();
		client.open(URI, 'x'.repeat(1_000_001));
		expect(await client.inlineCompletion(URI, at(0, 1))).toEqual([]);
		expect(await client.explain()).toMatchObject({ suppressed: 'tooLarge' });
		client.change(URI, [{ range: { start: at(0, 0), end: at(0, 0) }, text: 'y' }]);
		expect(await client.inlineCompletion(URI, at(0, 1))).toEqual([]);
		expect([...fake.requests, ...fake.prepared]).toEqual([]);
		client.change(URI, 'x'.repeat(1_000_000));
		expect(texts(await client.inlineCompletion(URI, at(0, 1)))).toEqual(['suggested']);
	});

	test('an empty document reaches no model, also by hand: there is nothing to go on', async () => {
		const { client, fake } = await start();
		const byHand = { context: { triggerKind: 1 as const } };
		client.open(URI, '\n  \n');
		expect(await client.inlineCompletion(URI, at(1, 2), byHand)).toEqual([]);
		expect(await client.explain()).toMatchObject({ suppressed: 'emptyDocument' });
		const cell = (id: string) => `vscode-notebook-cell:/w/app/nb.ipynb#${id}`;
		client.open(cell('W0'), '', 'python');
		client.open(cell('W1'), '\n', 'python');
		expect(await client.inlineCompletion(cell('W0'), at(0, 0), byHand)).toEqual([]);
		expect([...fake.requests, ...fake.prepared]).toEqual([]);
		client.change(cell('W1'), 'import numpy');
		expect(texts(await client.inlineCompletion(cell('W0'), at(0, 0), byHand))).toEqual(['suggested']);
	});

	test('a language switched off, and an excluded file, reach no model', async () => {
		const { client, fake } = create({ includes: (folder, path) => folder !== '/w/app' || path !== '.env' });
		client.settings = { languages: { markdown: false } };
		await client.initialize({ folders: ['file:///w/app'] });
		client.open('file:///w/app/a.md', 'x', 'markdown');
		client.open('file:///w/app/.env', 'SECRET=', 'dotenv');
		expect(await client.inlineCompletion('file:///w/app/a.md', at(0, 1))).toEqual([]);
		expect(await client.inlineCompletion('file:///w/app/.env', at(0, 7))).toEqual([]);
		expect(await client.explain('file:///w/app/a.md')).toMatchObject({ suppressed: 'languageOff', notes: ['language markdown'] });
		expect(await client.explain('file:///w/app/.env')).toMatchObject({ suppressed: 'excluded' });
		expect(fake.requests).toEqual([]);
		expect((await client.status()).suppressed).toEqual({ languageOff: 1, excluded: 1 });
	});

	test('outside of all folders the whole path says whether a file holds secrets; the model is given the name alone', async () => {
		const { client, fake } = create({ includes: (_, path) => !looksSecret(path) });
		await client.initialize({ folders: ['file:///w/app'] });
		for (const uri of ['file:///home/u/.kube/config', 'file:///home/u/.docker/config.json', 'file:///home/u/.ssh/config']) {
			client.open(uri, 'a: ', 'yaml');
			expect(await client.inlineCompletion(uri, at(0, 3))).toEqual([]);
			expect(await client.explain(uri)).toMatchObject({ suppressed: 'excluded' });
		}
		client.open('file:///home/u/config', 'a: ', 'yaml');
		expect(texts(await client.inlineCompletion('file:///home/u/config', at(0, 3)))).toEqual(['suggested']);
		expect(fake.requests.map(({ path }) => path)).toEqual(['config.yaml']);
	});
});

describe('folders', () => {
	test('a document belongs to the innermost of nested folders, or to none', async () => {
		const { client, fake } = await start({}, { folders: ['file:///w', 'file:///w/app', 'file:///w/app%20two'] });
		for (const uri of [
			'file:///w/app/a.ts',
			'file:///w/application/b.ts',
			'file:///w/app%20two/c.ts',
			'file:///else/d.ts',
			'untitled:Untitled-1',
		]) {
			client.open(uri, 'x');
			await client.inlineCompletion(uri, at(0, 1));
		}
		expect(fake.requests.map(({ folder, path }) => [folder, path])).toEqual([
			['/w/app', 'a.ts'],
			['/w', 'application/b.ts'],
			['/w/app two', 'c.ts'],
			[undefined, 'd.ts'],
			[undefined, 'Untitled-1.ts'],
		]);
	});

	test('a document belongs to the folder that links lead to, whichever of the two the editor has followed', async () => {
		const disk = temporaryFolder({ 'real/sub/a.ts': 'x', 'other/b.ts': 'x', 'home/real/c.ts': 'x' });
		symlinkSync(join(disk, 'real'), join(disk, 'link'));
		symlinkSync(join(disk, 'home'), join(disk, 'user'));
		const uriOf = (path: string) => pathToFileURL(join(disk, path)).href;
		const { client, fake } = await start({}, { folders: [uriOf('link'), uriOf('home/real')] });
		for (const path of ['real/sub/a.ts', 'link/sub/a.ts', 'real/sub/new.ts', 'user/real/c.ts', 'other/b.ts']) {
			client.open(uriOf(path), 'x');
			await client.inlineCompletion(uriOf(path), at(0, 1));
		}
		const [link, home] = [join(disk, 'link'), join(disk, 'home/real')];
		expect(fake.requests.map(({ folder, path }) => [folder, path])).toEqual([
			[link, 'sub/a.ts'],
			[link, 'sub/a.ts'],
			[link, 'sub/new.ts'],
			[home, 'c.ts'],
			[undefined, 'b.ts'],
		]);
		client.save(uriOf('real/sub/a.ts'));
		await expect.poll(() => fake.calls).toContain(`update ${link} sub/a.ts save`);
	});

	test('are added and removed while the server runs', async () => {
		const { client, fake } = await start();
		const event = { added: [{ uri: 'file:///w/new', name: 'new' }], removed: [{ uri: 'file:///w/app', name: 'app' }] };
		void client.connection.sendNotification('workspace/didChangeWorkspaceFolders', { event });
		await expect.poll(() => fake.calls).toEqual(['open /w/app', 'close /w/app', 'open /w/new']);
		expect((await client.status()).workspaces.map(({ folder }) => folder)).toEqual(['/w/new']);
	});

	test('what a save asked for is a failure, unless its folder was closed meanwhile', async () => {
		let fail = (_: Error) => {};
		const updateGate = new Promise<void>((_, reject) => {
			fail = reject;
		});
		const { client } = await start({ updateGate }, { folders: ['file:///w/app', 'file:///w/lib'] });
		for (const uri of [URI, 'file:///w/lib/c.ts']) {
			client.open(uri, 'x');
			client.save(uri);
		}
		const event = { added: [], removed: [{ uri: 'file:///w/app', name: 'app' }] };
		void client.connection.sendNotification('workspace/didChangeWorkspaceFolders', { event });
		await expect.poll(async () => (await client.status()).workspaces.map(({ folder }) => folder)).toEqual(['/w/lib']);
		fail(new Error('the update came to nothing'));
		const failures = () => client.received.filter(({ params }) => JSON.stringify(params).includes('came to nothing'));
		await expect.poll(() => failures().length).toBeGreaterThan(0);
		await client.status();
		expect(failures().map(({ params }) => (params as { message: string }).message)).toEqual(['/w/lib: the update came to nothing']);
	});

	test('one added while the models load is opened once', async () => {
		let loaded = () => {};
		const warmGate = new Promise<void>((resolve) => {
			loaded = resolve;
		});
		const { client, fake } = await start({ warmGate }, { untilReady: false });
		await expect.poll(() => fake.nRunning).toBe(1);
		const event = { added: [{ uri: 'file:///w/new', name: 'new' }], removed: [] };
		void client.connection.sendNotification('workspace/didChangeWorkspaceFolders', { event });
		await client.status();
		loaded();
		await client.untilStatus('ready');
		expect(fake.calls).toEqual(['open /w/app', 'open /w/new']);
	});

	test('a save and changes on disk go to the folder that holds the files', async () => {
		const { client, fake } = await start({}, { folders: ['file:///w/app', 'file:///w/lib'] });
		client.open(URI, 'x');
		client.save(URI);
		const changes = ['file:///w/app/b.ts', 'file:///w/lib/c.ts', 'file:///else/d.ts'].map((uri) => ({ uri, type: 2 }));
		void client.connection.sendNotification('workspace/didChangeWatchedFiles', { changes });
		await client.status();
		expect(fake.calls.slice(2)).toEqual(['update /w/app src/a.ts save', 'update /w/app b.ts watch', 'update /w/lib c.ts watch']);
	});
});

describe('commands and status', () => {
	test.each(['hef.nonsense', 'toString', '__proto__'])(
		'%s, an unknown command, is InvalidParams and names the known ones',
		async (command) => {
			const { client } = await start();
			const failure = client.execute(command);
			await expect(failure).rejects.toMatchObject({ code: ErrorCodes.InvalidParams });
			await expect(failure).rejects.toThrow('hef.reindex');
		},
	);

	test('status as a command and as a request', async () => {
		const { client } = await start();
		const expected = { version: '0.0.0-test', bundle: { name: 'fake' }, workspaces: [{ folder: '/w/app' }] };
		expect(await client.execute<StatusReport>(COMMANDS.status)).toMatchObject(expected);
		expect(await client.status()).toMatchObject(expected);
	});

	test('reindex and clearCache act on every folder and answer the status', async () => {
		const { client, fake } = await start({}, { folders: ['file:///w/app', 'file:///w/lib'] });
		expect(await client.execute<StatusReport>(COMMANDS.reindex)).toMatchObject({ bundle: { name: 'fake' } });
		expect(await client.execute<StatusReport>(COMMANDS.clearCache)).toMatchObject({ bundle: { name: 'fake' } });
		expect(fake.calls.slice(2)).toEqual(['reconcile /w/app command', 'reconcile /w/lib command', 'clear /w/app', 'clear /w/lib']);
	});

	test.each([
		['off', { enabled: false }, {}],
		['error', {}, { startError: new HefError('bundle-missing', 'no bundle at /nowhere') }],
	] as const)('%s: clearCache deletes what lies on the disk and says so, reindex is an error', async (kind, settings, options) => {
		const { client, fake } = create(options);
		client.settings = { ...settings, cacheFolder: '/cache' };
		await client.initialize({ folders: ['file:///w/app', 'file:///w/lib'], untilReady: false });
		const { message: why } = await client.untilStatus(kind);
		expect(await client.execute<StatusReport>(COMMANDS.clearCache)).toMatchObject({ workspaces: [{ state: kind }, { state: kind }] });
		expect(fake.calls).toEqual(['clear /w/app in /cache', 'clear /w/lib in /cache']);
		const message = 'HEF: deleted the index of /w/app, /w/lib (5.0 MB freed)';
		await client.notification<{ message: string }>('window/showMessage', (shown) => shown.message === message);
		await expect(client.execute(COMMANDS.reindex)).rejects.toMatchObject({
			code: LSPErrorCodes.RequestFailed,
			message: expect.stringContaining(why),
		});
	});

	test('clearCache and reindex wait for services that are starting', async () => {
		let loaded = () => {};
		const { client, fake } = create({ warmGate: new Promise<void>((resolve) => (loaded = resolve)) });
		await client.initialize({ folders: ['file:///w/app'], untilReady: false });
		await vi.waitFor(() => expect(fake.nRunning).toBe(1));
		const both = Promise.all([client.execute(COMMANDS.reindex), client.execute(COMMANDS.clearCache)]);
		await client.status();
		loaded();
		await both;
		expect(fake.calls).toEqual(['open /w/app', 'reconcile /w/app command', 'clear /w/app']);
	});

	test('pause and resume: told to the services and the status, kept across a restart; reindex does not wait meanwhile', async () => {
		const { client, fake } = await start();
		await client.execute<StatusReport>(COMMANDS.pause);
		expect(fake.calls.at(-1)).toBe('pause');
		await client.untilStatus('paused');
		// Work that ends late changes nothing.
		fake.events.progress({ folder: '/w/app', filesDone: 1, filesTotal: 2, reason: 'start' });
		fake.events.updated('/w/app', UPDATE);
		fake.options.reconcileGate = new Promise(() => {});
		expect(await client.execute<StatusReport>(COMMANDS.reindex)).toMatchObject({ bundle: { name: 'fake' } });
		client.settings = { exclude: ['x'] };
		void client.connection.sendNotification('workspace/didChangeConfiguration', { settings: null });
		await vi.waitFor(() => expect(fake.starts.length).toBe(2));
		await vi.waitFor(() => expect(fake.calls.slice(-2)).toEqual(['pause', 'open /w/app']));
		const before = client.received.length;
		await client.execute<StatusReport>(COMMANDS.resume);
		const kinds = client.received.slice(before).flatMap(({ params }) => (params as Partial<StatusChangedParams>).kind ?? []);
		expect(kinds.at(-1)).toBe('ready');
		expect(fake.calls.at(-1)).toBe('resume');
	});

	test('indexing that another editor pauses and resumes shows in the status, and is resumed from here', async () => {
		const { client, fake } = await start();
		fake.events.paused?.('/w/app', true);
		await client.untilStatus('paused');
		fake.events.progress({ folder: '/w/app', filesDone: 1, filesTotal: 2, reason: 'start' });
		fake.options.reconcileGate = new Promise(() => {});
		expect(await client.execute<StatusReport>(COMMANDS.reindex)).toMatchObject({ bundle: { name: 'fake' } });
		const kindsAfter = (before: number) =>
			client.received.slice(before).flatMap(({ params }) => (params as Partial<StatusChangedParams>).kind ?? []);
		let before = client.received.length;
		fake.events.paused?.('/w/app', false);
		await vi.waitFor(() => expect(kindsAfter(before)).toEqual(['indexing']));
		await client.execute<StatusReport>(COMMANDS.pause);
		before = client.received.length;
		// Resumed by another editor: this one has nothing left to resume.
		fake.events.paused?.('/w/app', false);
		await vi.waitFor(() => expect(kindsAfter(before)).toEqual(['indexing']));
		fake.events.updated('/w/app', UPDATE);
		await client.untilStatus('ready');
	});

	test('open documents are told, the last touched first, also those opened before the folder', async () => {
		const { client, fake } = create();
		await client.initialize({ folders: ['file:///w/app'], untilReady: false });
		client.open(URI, 'x');
		await client.untilStatus('ready');
		const other = 'file:///w/app/b.ts';
		client.open(other, 'y');
		client.change(URI, 'xx');
		client.change(URI, 'xxx');
		client.close(URI);
		await client.status();
		expect(fake.priorities).toEqual(['/w/app src/a.ts', '/w/app b.ts,src/a.ts', '/w/app src/a.ts,b.ts', '/w/app b.ts']);
	});

	test('the return to the window compares the folders with the disk, at most every ten seconds', async () => {
		const { client, fake } = await start();
		for (let i = 0; i < 3; i++) void client.connection.sendNotification(FOCUS_NOTIFICATION);
		await client.status();
		expect(fake.calls.filter((call) => call.startsWith('reconcile'))).toEqual(['reconcile /w/app focus']);
	});

	test('explain before any request is null', async () => {
		const { client } = await start();
		expect(await client.explain()).toBeNull();
	});

	test('a bundle that cannot be loaded: a message, the reason in the status, and the server stays up', async () => {
		const startError = new HefError('bundle-missing', 'no bundle at /nowhere; set hef.bundle');
		const { client, fake } = create({ startError });
		await client.initialize({ untilReady: false, folders: ['file:///w/app'] });
		expect(await client.untilStatus('error')).toMatchObject({ message: startError.message });
		expect(await client.notification('window/showMessage')).toMatchObject({ message: `HEF: ${startError.message}` });
		expect((await client.status()).workspaces).toMatchObject([{ folder: '/w/app', state: 'error', message: startError.message }]);
		client.open(URI, 'x');
		expect(await client.inlineCompletion(URI, at(0, 1))).toEqual([]);
		expect(await client.explain()).toMatchObject({ suppressed: 'notReady', notes: [startError.message, 'language typescript'] });
		// The user mends the setting.
		fake.options.startError = undefined;
		client.settings = { bundle: '/somewhere' };
		void client.connection.sendNotification('workspace/didChangeConfiguration', { settings: null });
		await client.untilStatus('ready');
		expect(texts(await client.inlineCompletion(URI, at(0, 1)))).toEqual(['suggested']);
	});

	test('services whose worker died are started again, once; then the reason stands in the status', async () => {
		const { client, fake } = await start();
		fake.events.died?.('the completion worker failed: out of memory');
		await vi.waitFor(() => expect(fake.starts.length).toBe(2));
		await vi.waitFor(() => expect(fake.calls).toEqual(['open /w/app', 'dispose', 'open /w/app']));
		client.open(URI, 'x');
		expect(texts(await client.inlineCompletion(URI, at(0, 1)))).toEqual(['suggested']);
		fake.events.died?.('the completion worker failed: out of memory');
		expect((await client.untilStatus('error')).message).toContain('out of memory');
		expect(fake.starts.length).toBe(2);
		expect(fake.nRunning).toBe(0);
		// Another configuration is another chance.
		client.settings = { bundle: '/somewhere' };
		void client.connection.sendNotification('workspace/didChangeConfiguration', { settings: null });
		await vi.waitFor(() => expect(fake.nRunning).toBe(1));
	});

	test('problems are shown by notification, so that a client need not answer', async () => {
		const { client, fake } = await start();
		fake.events.problem('too many files to watch');
		expect(await client.notification('window/showMessage')).toEqual({ type: 2, message: 'HEF: too many files to watch' });
	});

	test('status notifications only for clients that asked', async () => {
		const { client } = await start({}, { untilReady: false, initializationOptions: { statusNotifications: false } });
		client.open(URI, 'x');
		await expect.poll(() => client.inlineCompletion(URI, at(0, 1))).toHaveLength(1);
		expect(client.received.filter(({ method }) => method === 'hef/statusChanged')).toEqual([]);
	});
});

describe('progress', () => {
	const indexing = (folder: string, filesDone: number, filesTotal = 100) => ({ folder, filesDone, filesTotal, reason: 'start' });
	interface Progress {
		token: string;
		value: { kind: string; title?: string; percentage?: number };
	}
	const kinds = (client: LspClient) =>
		client.received.filter(({ method }) => method === '$/progress').map(({ params }) => (params as Progress).value.kind);

	test('begin, report and end around an update', async () => {
		const { client, fake } = await start();
		fake.events.progress(indexing('/w/app', 10));
		fake.events.progress(indexing('/w/app', 50));
		await client.notification<Progress>('$/progress', ({ value }) => value.percentage === 50);
		const { message } = await client.notification<StatusChangedParams>('hef/statusChanged', ({ progress }) => progress === 0.1);
		expect(message).toBe('Indexing 10 of 100 files');
		fake.events.updated('/w/app', UPDATE);
		await client.notification<Progress>('$/progress', ({ value }) => value.kind === 'end');
		expect(kinds(client)).toEqual(['begin', 'report', 'report', 'end']);
		const tokens = client.received.filter(({ method }) => method === '$/progress').map(({ params }) => (params as Progress).token);
		expect(new Set(tokens).size).toBe(1);
	});

	test('a folder still being indexed keeps the status when another is done', async () => {
		const { client, fake } = await start({}, { folders: ['file:///w/app', 'file:///w/lib'] });
		fake.events.progress(indexing('/w/app', 10));
		fake.events.progress(indexing('/w/lib', 20));
		fake.events.updated('/w/lib', UPDATE);
		await client.status();
		const last = client.received.filter(({ method }) => method === 'hef/statusChanged').at(-1)?.params as StatusChangedParams;
		expect(last.kind).toBe('indexing');
		fake.events.updated('/w/app', UPDATE);
		await client.notification<StatusChangedParams>('hef/statusChanged', (status) => status !== last && status.kind === 'ready');
	});

	test('the status is ready when every folder can be searched, and a completion does not wait for it', async () => {
		let open = () => {};
		const openGate = new Promise<void>((resolve) => {
			open = resolve;
		});
		const { client } = await start({ openGate }, { untilReady: false });
		expect(await client.untilStatus('indexing')).toMatchObject({ message: 'Opening app' });
		client.open(URI, 'x');
		expect(texts(await client.inlineCompletion(URI, at(0, 1)))).toEqual(['suggested']);
		expect(client.received.some(({ params }) => (params as StatusChangedParams).kind === 'ready')).toBe(false);
		open();
		await client.untilStatus('ready');
	});

	test('ends when the services stop in the middle', async () => {
		const { client, fake } = await start();
		fake.events.progress(indexing('/w/app', 10));
		await client.notification<Progress>('$/progress', ({ value }) => value.kind === 'report');
		client.settings = { enabled: false };
		void client.connection.sendNotification('workspace/didChangeConfiguration', { settings: null });
		await client.notification<Progress>('$/progress', ({ value }) => value.kind === 'end');
		expect(fake.nRunning).toBe(0);
		fake.events.updated('/w/app', UPDATE);
		await client.status();
		const last = client.received.filter(({ method }) => method === 'hef/statusChanged').at(-1);
		expect(last?.params).toMatchObject({ kind: 'off' });
	});

	test('a client without progress gets none', async () => {
		const { client, fake } = await start({}, { capabilities: { ...FULL_CAPABILITIES, window: {} } });
		fake.events.progress(indexing('/w/app', 10));
		fake.events.updated('/w/app', UPDATE);
		await client.status();
		expect(kinds(client)).toEqual([]);
	});
});

describe('the end', () => {
	test('shutdown disposes the services; exit ends with 0', async () => {
		const { client, fake, server } = await start();
		expect(await client.shutdown()).toBeNull();
		expect(fake.nRunning).toBe(0);
		await client.exit();
		expect(await server.exitCode).toBe(0);
	});

	test('shutdown waits for a start under way', async () => {
		let open = () => {};
		const startGate = new Promise<void>((resolve) => {
			open = resolve;
		});
		const { client, fake } = create({ startGate });
		await client.initialize({ untilReady: false });
		await expect.poll(() => fake.starts.length).toBe(1);
		const ended = client.shutdown();
		open();
		await ended;
		expect(fake.nRunning).toBe(0);
	});

	test('exit without shutdown ends with 1', async () => {
		const { client, server } = await start();
		await client.exit();
		expect(await server.exitCode).toBe(1);
	});
});
