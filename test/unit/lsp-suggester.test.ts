/** When a request is computed, dropped or prepared: a suggester over fake services, with a clock that the test moves. */
import { defaultSettings } from 'hef-shared';
import { expect, test } from 'vitest';
import type { TextDocuments } from 'vscode-languageserver';
import { TextDocument } from 'vscode-languageserver-textdocument';
import type { DebouncePolicy } from '../../server/lsp/debounce.ts';
import type { Session } from '../../server/lsp/session.ts';
import { createSuggester, type SuggestionQuery } from '../../server/lsp/suggester.ts';
import { createFakeServices, type FakeOptions, reportOf } from '../support/fake-services.ts';
import { createManualClock } from '../support/fakes.ts';

const URI = 'file:///w/a.ts';
const nobody = new AbortController().signal;

async function setUp(options: FakeOptions = {}, waitMs = 0) {
	const fake = createFakeServices(options);
	const services = await fake.createServices(defaultSettings(), { progress() {}, updated() {}, problem() {} });
	const refusals: string[] = [];
	const session = {
		settings: defaultSettings(),
		services,
		locate: () => ({ folder: '/w', path: 'a.ts' }),
		countRefusal: (reason: string) => refusals.push(reason),
	} as unknown as Session;
	let document = TextDocument.create(URI, 'typescript', 1, 'let a');
	const documents = { get: (uri: string) => (uri === URI ? document : undefined) } as unknown as TextDocuments<TextDocument>;
	const accepted: string[] = [];
	const debounce: DebouncePolicy = { typed() {}, accepted: (uri) => accepted.push(uri), answered() {}, waitFor: () => waitMs };
	const clock = createManualClock();
	const suggester = createSuggester({ documents, session, debounce, clock });
	const ask = (query: Partial<SuggestionQuery> = {}, signal = nobody) =>
		suggester.suggest({ uri: URI, position: document.positionAt(document.getText().length), explicit: false, ...query }, signal);
	/** The user types at the end. */
	const type = (inserted: string) => {
		document = TextDocument.create(URI, 'typescript', document.version + 1, document.getText() + inserted);
		suggester.edited({ uri: URI, inserted, offset: document.getText().length });
	};
	return { fake, suggester, ask, type, clock, session, refusals, accepted };
}

/** A `complete` that never ends by itself. */
const endless: FakeOptions['complete'] = (_, signal) =>
	new Promise((resolve) => signal?.addEventListener('abort', () => resolve(undefined), { once: true }));

const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

test('a change of the document settles the request under way at once', async () => {
	const { ask, type } = await setUp({ complete: endless });
	const answer = ask();
	await settle();
	type('b');
	expect(await answer).toEqual({ kind: 'superseded' });
});

test('a newer request settles the older at once; the same request takes over what is under way', async () => {
	const signals: (AbortSignal | undefined)[] = [];
	const { ask } = await setUp({
		complete: (request, signal) => {
			signals.push(signal);
			return signals.length < 3 ? (endless(request, signal) as ReturnType<typeof endless>) : Promise.resolve(reportOf('x', request));
		},
	});
	const older = ask();
	await settle();
	const same = ask();
	// The second was begun before the first was dropped, so that its work is joined and not begun anew.
	expect(signals.map((signal) => signal?.aborted)).toEqual([true, false]);
	expect(await older).toEqual({ kind: 'superseded' });
	const other = ask({ position: { line: 0, character: 2 } });
	expect(await same).toEqual({ kind: 'superseded' });
	expect(await other).toMatchObject({ kind: 'answer' });
});

test('until it is known whether a document may be completed no model sees it, nor is anything prepared', async () => {
	const waiting: ((isIncluded: boolean) => void)[] = [];
	const judge = (isIncluded: boolean) => {
		for (const resolve of waiting.splice(0)) resolve(isIncluded);
	};
	const { ask, type, fake } = await setUp({
		includes: () => new Promise<boolean>((resolve) => void waiting.push(resolve)),
	});
	const excluded = ask();
	await settle();
	judge(false);
	expect(await excluded).toMatchObject({ kind: 'answer', report: { suppressed: 'excluded' } });
	const superseded = ask();
	await settle();
	type('b');
	judge(true);
	expect(await superseded).toEqual({ kind: 'superseded' });
	expect([...fake.requests, ...fake.prepared]).toEqual([]);
	const included = ask();
	await settle();
	judge(true);
	expect(await included).toMatchObject({ kind: 'answer', report: { suppressed: null } });
});

test('a request that the editor cancels is an error, not an answer', async () => {
	const { ask } = await setUp({ complete: endless });
	const editor = new AbortController();
	const answer = ask({}, editor.signal);
	await settle();
	editor.abort();
	await expect(answer).rejects.toThrow('cancelled');
});

test('a wait is over in its time; what needs no model does not wait', async () => {
	const { ask, clock, fake } = await setUp({}, 100);
	const answer = ask();
	await settle();
	clock.advance(99);
	await settle();
	expect(fake.requests).toEqual([]);
	clock.advance(1);
	expect(await answer).toMatchObject({ kind: 'answer' });

	const known = await setUp({ recall: (request) => reportOf('known', request) }, 100);
	expect(await known.ask()).toMatchObject({ report: { items: [{ insertText: 'known' }] } });
	expect(known.fake.requests).toEqual([]);
});

test('a request superseded while it waits is never computed', async () => {
	const { ask, type, clock, fake } = await setUp({}, 100);
	const older = ask();
	await settle();
	type('b');
	expect(await older).toEqual({ kind: 'superseded' });
	clock.advance(1000);
	await settle();
	expect(fake.requests).toEqual([]);
});

test('after a change the likely request is prepared, while the editor goes on asking', async () => {
	const { ask, type, clock, fake } = await setUp();
	type('b');
	expect(fake.prepared).toEqual([]);
	await ask();
	type('c');
	expect(fake.prepared).toMatchObject([{ uri: URI, text: 'let abc', offset: 7, explicit: false }]);
	clock.advance(61_000);
	type('d');
	expect(fake.prepared).toHaveLength(1);
});

test('nothing is prepared for a document that no model may see, and each refusal is counted', async () => {
	const { ask, type, fake, session, refusals } = await setUp();
	await ask();
	session.settings.languages.typescript = false;
	type('b');
	await ask();
	session.settings.enabled = false;
	await ask();
	expect(fake.prepared).toEqual([]);
	expect(refusals).toEqual(['languageOff', 'off']);
});

test('there is a choice for a request by hand, and for a list where nothing was typed just before', async () => {
	const { ask, type, clock, fake, session } = await setUp();
	const asked = async (query: Partial<SuggestionQuery>) => {
		await ask(query);
		return fake.requests.at(-1);
	};
	expect(await asked({})).not.toHaveProperty('most');
	expect(await asked({ explicit: true })).toMatchObject({ most: 3 });
	expect(await asked({ list: true })).toMatchObject({ most: 3, explicit: false });
	type('b');
	clock.advance(900);
	expect(await asked({ list: true })).not.toHaveProperty('most');
	clock.advance(200);
	expect(await asked({ list: true })).toMatchObject({ most: 3 });
	session.settings.alternatives = 1;
	expect(await asked({ explicit: true })).not.toHaveProperty('most');
});

test('an edit that inserts the suggestion, or another of those to choose from, is an accept', async () => {
	const { ask, type, accepted } = await setUp();
	await ask();
	type('s');
	expect(accepted).toEqual([]);
	type('suggested');
	expect(accepted).toEqual([URI]);

	const several = await setUp({
		complete: async (request) => {
			const report = reportOf('one', request);
			return { ...report, items: [...report.items, ...reportOf('another', request).items] };
		},
	});
	await several.ask({ explicit: true });
	several.type('another');
	expect(several.accepted).toEqual([URI]);
});
