import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { CompletionReport, Settings, WorkspaceReport } from 'hef-shared';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { HefError } from '../../server/base/errors.ts';
import type { CommandContext } from '../../server/cli/command.ts';
import { describeCompletion } from '../../server/cli/complete.ts';
import { drawCursors } from '../../server/cli/cursors.ts';
import { readExamples } from '../../server/cli/evaluation/examples.ts';
import { scoreLine, summarizeScores } from '../../server/cli/evaluation/scores.ts';
import { runCommand, usage } from '../../server/cli/run.ts';
import type { CompletionRequest } from '../../server/completion/types.ts';
import type { Services } from '../../server/services.ts';

let folder: string;
beforeAll(async () => {
	folder = await mkdtemp(join(tmpdir(), 'hef-cli-'));
	await writeFile(join(folder, 'a.ts'), 'const one = 1;\nconst two = 2;\n');
});
afterAll(() => rm(folder, { recursive: true }));

const workspaceReport: WorkspaceReport = {
	folder: '/w',
	state: 'ready',
	searchable: 1,
	files: 1,
	chunks: 1,
	nodes: 3,
	nodesByLevel: { chunk: 1, file: 1, directory: 0, repository: 1 },
	stale: 0,
	pending: 0,
	storeBytes: 4096,
	hnsw: { size: 3, tombstones: 0, recallAt32: 1 },
	lastUpdate: null,
	skipped: {},
};

/** Runs a command on services that record requests and answer with a fixed text. */
async function run(args: string[], overrides: Partial<CommandContext> = {}) {
	const out: string[] = [];
	const err: string[] = [];
	const requests: CompletionRequest[] = [];
	const settings: Settings[] = [];
	let disposed = 0;
	const answer = (request: CompletionRequest): CompletionReport => ({
		items: ['42;', '43;', '44;'].slice(0, request.most).map((insertText, i) => ({
			insertText,
			range: { start: { line: 0, character: 0 }, end: { line: 0, character: 0 } },
			confidence: 0.9 - i / 10,
		})),
		suppressed: null,
		nodes: [],
		tokens: { pseudo: 0, entities: 0, suffix: 2, prefix: 3, generated: 2 },
		timingsMs: { tokenize: 0, embed: 0, retrieve: 0, project: 0, prefill: 1, decode: 1, total: 2 },
		bundle: 'fake',
		executionProvider: 'cpu',
		context: request.context,
	});
	const services: Partial<Services> = {
		includes: (_, path) => !path.endsWith('.env'),
		openFolder: async () => {},
		settled: async () => {},
		report: async () => workspaceReport,
		complete: async (request) => {
			requests.push(request);
			return answer(request);
		},
		dispose: async () => {
			disposed++;
		},
	};
	const code = await runCommand(args, {
		version: '9.9.9',
		createServices: async (given) => {
			settings.push(given);
			return services as Services;
		},
		loadBundle: () => Promise.reject(new HefError('bundle-missing', 'no bundle; run the recipe')),
		openChunkSource: () => Promise.reject(new Error('not used')),
		openBareEngine: () => Promise.reject(new Error('not used')),
		inspect: async () => workspaceReport,
		importVectors: async (folder, text) => ({ imported: text.length, unknown: folder.length }),
		clearCache: async (folder) => ({ removed: [folder ?? 'all'], inUse: ['/open'], freedBytes: 5e6 }),
		cacheFolder: () => folder,
		stdout: (text) => out.push(text),
		stderr: (text) => err.push(text),
		interactive: false,
		...overrides,
	});
	return { code, out: out.join(''), err: err.join(''), requests, settings, disposed };
}

describe('usage errors exit with 2 and say what to do', () => {
	test.each([
		[['frobnicate'], "unknown command or flag 'frobnicate'; --help lists all\n"],
		[['--frob'], "unknown command or flag '--frob'"],
		[['index'], 'expected one folder'],
		[['index', ''], 'expected one folder'],
		[['index', 'a', 'b'], "unexpected argument 'b'"],
		[['clear'], 'expected one folder'],
		[['clear', '--all', 'a'], "--all clears every folder, and not 'a' alone"],
		[['clear', 'a', 'b'], "unexpected argument 'b'"],
		[['doctor', 'extra'], "unexpected argument 'extra'"],
		[['demo', 'a', 'b'], "unexpected argument 'b'"],
		[['import-vectors', 'a', 'b', 'c'], "unexpected argument 'c'"],
		[['import-vectors', '', 'a'], 'expected a folder and a file'],
		[['index', '.', '--frob'], "Unknown option '--frob'"],
		[['complete', 'a.ts', '--line', 'x', '--column', '0'], "--line wants a whole number of at least 0, got 'x'"],
		[['complete', 'a.ts', '--column', '0'], '--line wants a whole number'],
		[['index', '.', '--execution-provider', 'tpu'], '--execution-provider: expected one of'],
		[['index', '.', '--threads', 'many'], '--threads: expected a whole number, got "many"'],
		[['index', '.', '--threads', '1.5'], '--threads: expected a whole number, got 1.5'],
		[['index', '.', '--threads', ''], '--threads: expected a whole number, got ""'],
		[['index', '.', '--threads', '65'], '--threads: expected at most 64'],
		[['lines', '--repos', '.', '--kind', 'everyday', '--json'], 'lines prints JSON lines'],
		[['chunks', '--tokenizer', 'x', '.', '--json'], 'chunks prints JSON lines'],
		[['lines', '--repos', '.'], '--repos and --kind are needed'],
		[['lines', '--repos', '.', '--kind', 'all'], "--kind wants one of everyday, xfile, got 'all'"],
		[['lines', '--repos', '.', '--kind', 'everyday', '--languages', 'go,c#'], "php, got 'c#'"],
		[['eval'], '--data and --repos are needed'],
		[['eval', '--data', 'x', '--repos', 'y', '--modes', 'magic'], "got 'magic'"],
	])('%j', async (args, message) => {
		const { code, out, err } = await run(args);
		expect({ code, out }).toEqual({ code: 2, out: '' });
		expect(err).toContain(message);
	});

	test('a mode that does not exist', async () => {
		const { code, err } = await run(['complete', join(folder, 'a.ts'), '--line', '0', '--column', '0', '--context', 'magic']);
		expect(code).toBe(2);
		expect(err).toContain("--context wants one of none, snippets, hef, llavacode, copy, got 'magic'");
	});
});

test('help and version', async () => {
	expect(await run(['--help'])).toMatchObject({ code: 0, out: usage() });
	expect(await run(['--version'])).toMatchObject({ code: 0, out: '9.9.9\n' });
	expect((await run(['complete', '--help'])).out).toContain('--line L --column C');
});

test('a failing operation exits with 1 and its message', async () => {
	const { code, err } = await run(['status', folder]);
	expect(code).toBe(1);
	expect(err).toBe('hef-language-server status: no bundle; run the recipe\n');
});

describe('complete', () => {
	const complete = (...args: string[]) => run(['complete', join(folder, 'a.ts'), ...args]);

	test('asks at the UTF-16 offset, in the mode, and prints one JSON document', async () => {
		const { code, out, requests, disposed } = await complete('--line', '1', '--column', '6', '--context', 'snippets', '--json');
		expect(code).toBe(0);
		expect(JSON.parse(out)).toMatchObject({ items: [{ insertText: '42;' }], context: 'snippets' });
		expect(requests).toMatchObject([{ offset: 21, path: 'a.ts', folder, context: 'snippets', minConfidence: 0 }]);
		expect(disposed).toBe(1);
	});

	test('prints as many to choose from as are asked for', async () => {
		const place = ['--line', '1', '--column', '6'];
		expect(JSON.parse((await complete(...place, '--json')).out).items).toHaveLength(1);
		const { out } = await complete(...place, '--alternatives', '2');
		expect(out).toContain('suggestion (confidence 0.90):\n  42;\nalternative 1 (confidence 0.80):\n  43;\ntimes:');
		expect(await complete(...place, '--alternatives', '0')).toMatchObject({ code: 2 });
	});

	test('says what an editor would not show while one types', async () => {
		const report = JSON.parse((await complete('--line', '1', '--column', '6', '--json')).out) as CompletionReport;
		expect(describeCompletion(report, 0.95)).toContain('suggestion (confidence 0.90, below 0.95: not shown while you type):\n  42;\n');
		expect(describeCompletion(report, 0.25)).toContain('suggestion (confidence 0.90):\n  42;\n');
	});

	test('a position outside of the document', async () => {
		const { code, err } = await complete('--line', '7', '--column', '0');
		expect(code).toBe(2);
		expect(err).toContain('line 7, column 0 lies outside of');
		expect(await complete('--line', '0', '--column', '14')).toMatchObject({ code: 0, requests: [{ offset: 14 }] });
		expect((await complete('--line', '0', '--column', '15')).err).toContain('line 0, column 15 lies outside of');
	});

	test('a secret reaches no model', async () => {
		await writeFile(join(folder, '.env'), 'SECRET=1\n');
		const { code, err, requests } = await run(['complete', join(folder, '.env'), '--line', '0', '--column', '3']);
		expect({ code, requests }).toEqual({ code: 1, requests: [] });
		expect(err).toContain('.env is not completed');
	});

	test('a file in the home folder, outside of any project, has nothing indexed unless it is said', async () => {
		vi.stubEnv('HOME', folder);
		const place = ['--line', '1', '--column', '6'];
		expect(await complete(...place)).toMatchObject({ code: 2, requests: [], err: expect.stringContaining('its folder holds your home') });
		expect(await complete(...place, '--folder', folder)).toMatchObject({ code: 0, requests: [{ folder }] });
		vi.unstubAllEnvs();
	});

	test('a folder that does not hold the file', async () => {
		const { code, err } = await complete('--line', '0', '--column', '0', '--folder', join(folder, 'elsewhere'));
		expect(code).toBe(2);
		expect(err).toContain('does not hold');
	});

	test('reads the text as an editor does: without its byte order mark, and UTF-8 alone', async () => {
		const file = join(folder, 'marked.ts');
		await writeFile(file, '\ufeffconst one = 1;\n');
		const { requests } = await run(['complete', file, '--line', '0', '--column', '6']);
		expect(requests).toMatchObject([{ text: 'const one = 1;\n', offset: 6 }]);
		await writeFile(file, Buffer.from([0x61, 0xff, 0xfe, 0x62]));
		const refused = await run(['complete', file, '--line', '0', '--column', '1']);
		expect(refused).toMatchObject({ code: 1, requests: [] });
		expect(refused.err).toContain(`cannot read ${file}: it is no UTF-8`);
	});

	test('a file that cannot be read', async () => {
		const { code, err } = await run(['complete', join(folder, 'none.ts'), '--line', '0', '--column', '0']);
		expect(code).toBe(1);
		expect(err).toContain('cannot read');
	});
});

test('index prints the report, and the cache option reaches the services', async () => {
	const { code, out, settings } = await run(['index', folder, '--cache', '/c', '--json']);
	expect(code).toBe(0);
	expect(JSON.parse(out)).toEqual(workspaceReport);
	expect(settings).toMatchObject([{ cacheFolder: '/c' }]);
});

test('~ is the home folder, and a relative cache folder is taken from the working directory', async () => {
	const { settings } = await run(['index', folder, '--cache=~/cache', '--bundle=~/bundle']);
	expect(settings).toMatchObject([{ cacheFolder: join(homedir(), 'cache'), bundle: join(homedir(), 'bundle') }]);
	expect((await run(['index', folder, '--cache', 'c'])).settings).toMatchObject([{ cacheFolder: resolve('c') }]);
});

test('a bundle is a folder where one is there or a path is given, else a name', async () => {
	const bundleOf = async (given: string) => (await run(['index', folder, '--bundle', given])).settings[0]?.bundle;
	expect(await bundleOf('models')).toBe(resolve('models'));
	expect(await bundleOf('./none')).toBe(resolve('none'));
	expect(await bundleOf('..')).toBe(resolve('..'));
	expect(await bundleOf('hef-nano')).toBe('hef-nano');
	expect(await bundleOf('')).toBe('');
});

test('services are disposed when the operation fails', async () => {
	let disposed = false;
	const failing = {
		openFolder: () => Promise.reject(new HefError('workspace-unreadable', 'cannot read the folder')),
		dispose: async () => {
			disposed = true;
		},
	};
	const { code, err } = await run(['index', folder], { createServices: async () => failing as unknown as Services });
	expect({ code, disposed }).toEqual({ code: 1, disposed: true });
	expect(err).toContain('cannot read the folder');
});

test('eval names the repository that is not there', async () => {
	const data = join(folder, 'examples.jsonl');
	await writeFile(data, '{"id":"1","repo":"gone","path":"a.ts","offset":0,"gold":"x"}\n');
	const { code, err, disposed } = await run(['eval', '--data', data, '--repos', folder]);
	expect({ code, disposed }).toEqual({ code: 1, disposed: 1 });
	expect(err).toContain(`cannot copy the repository ${join(folder, 'gone')}`);
});

test.each([
	['{"id":"1","repo":"a","path":"a.ts","offset":0,"gold":"x"}\n\n{"id":"2"}\n', 'line 3 is no example'],
	['no json\n', 'line 1 is no example'],
	['null\n', 'line 1 is no example'],
	['\n', 'it holds none'],
])('eval names what is no example: %j', async (text, message) => {
	const data = join(folder, 'wrong.jsonl');
	await writeFile(data, text);
	const { code, err } = await run(['eval', '--data', data, '--repos', folder]);
	expect({ code, err }).toEqual({ code: 1, err: `hef-language-server eval: cannot read examples from ${data}: ${message}\n` });
});

// Read and not run: a run deletes what it takes for its own copy of the repository.
test.each([
	['..', 'a.ts'],
	['a/../..', 'a.ts'],
	['', 'a.ts'],
	['/a', 'a.ts'],
	['a', '../b/a.ts'],
	['a', 'b//a.ts'],
])('no example lies in %j at %j: copies are made, written and deleted under these names', async (repo, path) => {
	const data = join(folder, 'outside.jsonl');
	await writeFile(data, JSON.stringify({ id: '1', repo, path, offset: 0, gold: 'x' }));
	await expect(readExamples(data)).rejects.toThrow('line 1 is no example');
});

/** A repository of two names for one file, and an example in each. */
async function oneRepository(): Promise<{ repos: string; data: string }> {
	const repos = await mkdtemp(join(folder, 'repos-'));
	await mkdir(join(repos, 'r'));
	await writeFile(join(repos, 'r', 'a.ts'), 'one\ntwo\n');
	await symlink('a.ts', join(repos, 'r', 'b.ts'));
	const data = join(repos, 'examples.jsonl');
	const lines = ['a.ts', 'b.ts'].map((path, i) => JSON.stringify({ id: `${i}`, repo: 'r', path, offset: 0, gold: 'one' }));
	await writeFile(data, lines.join('\n'));
	return { repos, data };
}

/** Services that index nothing and suggest nothing. */
const idleServices = (complete = async () => undefined, prioritise: Services['prioritise'] = () => {}): Services =>
	({
		prioritise,
		openFolder: async () => {},
		closeFolder: async () => {},
		settled: async () => {},
		update: async () => {},
		complete,
		dispose: async () => {},
	}) as unknown as Services;

test('eval writes to no file of the repositories, also where links lead to one', async () => {
	const { repos, data } = await oneRepository();
	const open: string[] = [];
	const services = idleServices(undefined, (_, paths) => open.push(...paths));
	const { code, err } = await run(['eval', '--data', data, '--repos', repos], { createServices: async () => services });
	expect({ code, err }).toMatchObject({ code: 0 });
	// As an editor does.
	expect(open).toEqual(['a.ts', 'b.ts']);
	expect(await readFile(join(repos, 'r', 'a.ts'), 'utf8')).toBe('one\ntwo\n');
});

test('of two evaluations with one cache folder the second is refused, and may begin when the first has ended', async () => {
	const { repos, data } = await oneRepository();
	const args = ['eval', '--data', data, '--repos', repos, '--cache', join(repos, 'cache')];
	let [begun, end] = [() => {}, () => {}];
	const beginning = new Promise<void>((resolve) => {
		begun = resolve;
	});
	const ending = new Promise<void>((resolve) => {
		end = resolve;
	});
	const complete = async () => {
		begun();
		await ending;
		return undefined;
	};
	const first = run(args, { createServices: async () => idleServices(complete) });
	await beginning;
	const second = await run(args);
	expect(second).toMatchObject({ code: 1, settings: [] });
	expect(second.err).toContain(`process ${process.pid} evaluates with ${join(repos, 'cache')} too`);
	end();
	expect((await first).code).toBe(0);
	expect((await run(args, { createServices: async () => idleServices() })).code).toBe(0);
});

test('eval finds out before it runs that another bundle is not there, or that a file cannot be written', async () => {
	const { repos, data } = await oneRepository();
	const args = ['eval', '--data', data, '--repos', repos];
	const asked: string[] = [];
	const loadBundle = (given: Settings) => {
		asked.push(given.bundle);
		return Promise.reject(new HefError('bundle-missing', 'no such bundle'));
	};
	for (const flag of ['--against', '--reference'])
		expect(await run([...args, flag, './none'], { loadBundle })).toMatchObject({ code: 1, settings: [] });
	expect(asked).toEqual([resolve('none'), resolve('none')]);
	for (const flag of ['--plot', '--details']) {
		const { code, settings, err } = await run([...args, flag, join(repos, 'none', 'file')]);
		expect({ code, settings }).toEqual({ code: 2, settings: [] });
		expect(err).toContain(`${flag}: cannot write`);
	}
});

test('a file of vectors that cannot be read is no mistake in usage', async () => {
	const { code, err } = await run(['import-vectors', folder, join(folder, 'none')]);
	expect(code).toBe(1);
	expect(err).toContain('cannot read');
});

test('a folder without a line to complete at is named with what was looked for', async () => {
	await expect(drawCursors(folder, ['a.ts'], 3)).rejects.toThrow('a line of code of 12 characters or more, behind the first 5 lines');
});

describe('scores', () => {
	test('texts are compared stripped', () => {
		expect(scoreLine('  return 1; ', 'return 1;')).toEqual({ em: true, es: 1, identifierMatch: true });
		expect(scoreLine('return a', 'return b')).toEqual({ em: false, es: 1 - 1 / 8, identifierMatch: false });
		expect(scoreLine('f( x )', 'f(x)')).toMatchObject({ em: false, identifierMatch: true });
		expect(scoreLine('', '')).toMatchObject({ em: true, es: 1 });
	});

	test('what is shown is what passes the default threshold', () => {
		const score = (em: boolean, confidence: number) => ({
			...{ id: '', repo: '', mode: 'hef', mid: false, gold: '', prediction: '', identifierMatch: em, suppressed: null },
			...{ em, es: em ? 1 : 0, confidence, ttftMs: 10, totalMs: 20 },
		});
		expect(summarizeScores([score(true, 0.99), score(false, 0.01), score(false, 0.99), score(true, 0.01)])).toMatchObject({
			n: 4,
			em: 0.5,
			shown: 0.5,
			emOfShown: 0.5,
			ttftMs: { p50: 10 },
			totalMs: { p50: 20, p95: 20 },
		});
	});
});

test('cursors are real, reproducible, and cut the rest of their line', async () => {
	const code = Array.from({ length: 40 }, (_, i) => `\tconst value${i} = compute(${i}, other);`).join('\n');
	await writeFile(join(folder, 'many.ts'), code);
	const cursors = await drawCursors(folder, ['many.ts'], 6);
	expect(cursors).toHaveLength(6);
	expect(await drawCursors(folder, ['many.ts'], 6)).toEqual(cursors);
	for (const { text, offset, gold } of cursors) expect(text.slice(0, offset) + gold + text.slice(offset)).toBe(code);
});
