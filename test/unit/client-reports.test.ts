/** The client's pages and its search for the server, which need no editor. */
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { StatusReport } from 'hef-shared';
import { describe, expect, test } from 'vitest';
import { explainText, statusText, updateText } from '../../client-vscode/src/report-text.ts';
import { environmentOf, findProgram } from '../../client-vscode/src/server-program.ts';

const ANSWER = {
	uri: 'file:///a.ts',
	version: 3,
	items: [{ insertText: 'a`b', range: { start: { line: 0, character: 0 }, end: { line: 0, character: 0 } }, confidence: 0.5 }],
	suppressed: null,
	nodes: [
		{ level: 'chunk', path: 'src/a.ts', startLine: 0, endLine: 9, score: 0.91 },
		{ level: 'repository', path: '', startLine: 0, endLine: 0, score: 0.4 },
	] as const,
	entities: ['parse', 'Node.size'],
	tokens: { pseudo: 32, entities: 10, suffix: 4, prefix: 100, generated: 7 },
	timingsMs: { tokenize: 1, embed: 2, retrieve: 3, project: 4, prefill: 5, decode: 6, total: 21 },
	bundle: 'hef-nano',
	executionProvider: 'cpu',
	context: 'hef' as const,
	notes: ['index not ready'],
};

describe('explain', () => {
	test('a suggestion with the nodes behind it', () => {
		expect(explainText({ ...ANSWER, nodes: [...ANSWER.nodes] })).toMatchInlineSnapshot(`
			"# The last suggestion

			Suggested with confidence 0.50:

			\`\`\`
			a\`b
			\`\`\`

			- index not ready

			Context \`hef\`, bundle \`hef-nano\`, on \`cpu\`.

			## Retrieved nodes

			| Score | Level | Where |
			|---|---|---|
			| 0.910 | chunk | src/a.ts:1-10 |
			| 0.400 | repository | / |

			## Entities

			\`parse\`, \`Node.size\`

			## Cost

			- Tokens: 32 pseudo, 10 entities, 4 suffix, 100 prefix, 7 generated
			- Time: tokenize 1.0 ms, embed 2.0 ms, retrieve 3.0 ms, project 4.0 ms, prefill 5.0 ms, decode 6.0 ms, total 21.0 ms
			"
		`);
	});

	test('a reason in words, and an unknown one as it is', () => {
		expect(explainText({ ...ANSWER, nodes: [], items: [], suppressed: 'lowConfidence' })).toContain('`hef.minConfidence`');
		expect(explainText({ ...ANSWER, nodes: [], items: [], suppressed: 'newReason' })).toContain('Nothing was shown. newReason');
	});
});

describe('status', () => {
	const report: StatusReport = {
		version: '0.1.0',
		bundle: { id: 'x', name: 'hef-nano' },
		executionProvider: { name: 'cpu', why: 'webgpu: no adapter' },
		workspaces: [
			{
				folder: '/w/app',
				state: 'ready',
				searchable: 1,
				files: 12,
				chunks: 40,
				nodes: 60,
				nodesByLevel: { chunk: 40, file: 12, directory: 7, repository: 1 },
				stale: 0,
				pending: 0,
				storeBytes: 1_250_000,
				hnsw: { size: 60, tombstones: 2, recallAt32: null },
				lastUpdate: {
					reason: 'save',
					filesChanged: 1,
					chunksEmbedded: 2,
					chunksReused: 38,
					nodesFused: 3,
					nodesReused: 17,
					nodesRemoved: 3,
					durationMs: 1500,
				},
				skipped: { binary: 3 },
			},
		],
		latencyMs: { total: { p50: 50, p95: 90, n: 10 } },
		suppressed: { lowConfidence: 4 },
	};

	test('says state, counts and the last update', () => {
		const text = statusText(report);
		for (const part of [
			'webgpu: no adapter',
			'12 files, 40 chunks, 60 nodes',
			'Skipped: 3 binary',
			'| total | 50.0 | 90.0 | 10 |',
			'lowConfidence: 4',
		])
			expect(text).toContain(part);
		expect(text).toContain('Last update (save): 1 files, 2 chunks embedded, 3 nodes fused in 1.5 s');
	});

	test('a folder that was never indexed says why', () => {
		const [first] = report.workspaces as [StatusReport['workspaces'][number]];
		expect(updateText({ ...first, lastUpdate: null, state: 'off', message: 'no bundle' })).toBe('HEF: /w/app: no bundle');
	});
});

describe('the server’s program', () => {
	const extensionFolder = join('/', 'x', 'client-vscode');
	const only = (path: string) => (asked: string) => asked === path;

	test('is the user’s, then the bundled one, then the checkout’s', () => {
		const mine = join('/', 'mine.js');
		expect(findProgram({ extensionFolder, serverPath: mine, exists: only(mine) })).toBe(mine);
		for (const folder of [extensionFolder, join('/', 'x')]) {
			const program = join(folder, 'server', 'bin', 'hef-language-server.js');
			expect(findProgram({ extensionFolder, serverPath: '', exists: only(program) })).toBe(program);
		}
	});

	test('is missed with a message that says what to do', () => {
		const exists = () => false;
		expect(() => findProgram({ extensionFolder, serverPath: 'mine.js', exists })).toThrow("must be an absolute path, got 'mine.js'");
		expect(() => findProgram({ extensionFolder, serverPath: join('/', 'mine.js'), exists })).toThrow('hef.serverPath: there is no file');
		expect(() => findProgram({ extensionFolder, serverPath: '', exists })).toThrow('set hef.serverPath');
	});
});

test('the server keeps its compiled code in the cache folder that is set, unless the environment names another', () => {
	const set = join('/', 'cache');
	expect(environmentOf({ PATH: 'p' }, set)).toMatchObject({
		PATH: 'p',
		ELECTRON_RUN_AS_NODE: '1',
		NODE_COMPILE_CACHE: join(set, 'compiled'),
	});
	expect(environmentOf({ NODE_COMPILE_CACHE: 'mine' }, set)).toMatchObject({ NODE_COMPILE_CACHE: 'mine' });
	expect(environmentOf({}, '~/cache')).toMatchObject({ NODE_COMPILE_CACHE: join(homedir(), 'cache', 'compiled') });
	for (const none of ['', 'relative']) expect(environmentOf({}, none)).not.toHaveProperty('NODE_COMPILE_CACHE');
});
