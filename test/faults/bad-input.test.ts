/** What goes wrong at a user's place: each gives a clear message, a non-zero exit code, and costs nothing already indexed. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, cp, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CompletionReport, StatusReport, WorkspaceReport } from 'hef-shared';
import { beforeEach, describe, expect, test } from 'vitest';
import { runCli, runJson, SERVER, TINY_BUNDLE } from '../support/cli.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

let root: string;
let folder: string;
let cache: string;
beforeEach(() => {
	root = temporaryFolder({ 'workspace/a.ts': 'export function alpha() {\n\treturn 1;\n}\n' });
	folder = join(root, 'workspace');
	cache = join(root, 'cache');
});

const common = (bundle = TINY_BUNDLE) => ['--cache', cache, '--bundle', bundle];
const index = (bundle?: string) => runCli(['index', folder, ...common(bundle)]);

describe('bundle', () => {
	async function damaged(damage: (bundle: string) => Promise<void>): Promise<string> {
		const bundle = join(root, 'bundle');
		await cp(TINY_BUNDLE, bundle, { recursive: true });
		await damage(bundle);
		return bundle;
	}

	async function editManifest(bundle: string, edit: (manifest: Record<string, Record<string, unknown>>) => void): Promise<void> {
		const file = join(bundle, 'manifest.json');
		const manifest = JSON.parse(await readFile(file, 'utf8'));
		edit(manifest);
		await writeFile(file, JSON.stringify(manifest));
	}

	test('missing', async () => {
		const { code, stderr } = await index(join(root, 'nowhere'));
		expect(code).toBe(1);
		expect(stderr).toMatch(/nowhere/);
	});

	test('truncated model', async () => {
		const bundle = await damaged((path) => truncate(join(path, 'generator.onnx'), 1000));
		const { code, stderr } = await index(bundle);
		expect(code).toBe(1);
		expect(stderr).toMatch(/generator\.onnx/);
	});

	test('one flipped bit', async () => {
		const bundle = await damaged(async (path) => {
			const file = join(path, 'embedder.onnx');
			const bytes = await readFile(file);
			bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1;
			await writeFile(file, bytes);
		});
		const { code, stderr } = await index(bundle);
		expect(code).toBe(1);
		expect(stderr).toMatch(/embedder\.onnx: its SHA-256 is/);
	});

	test('dimensions that do not agree', async () => {
		const bundle = await damaged((path) =>
			editManifest(path, (manifest) => {
				(manifest.fuser as Record<string, unknown>).dimension = 7;
			}),
		);
		const { code, stderr } = await index(bundle);
		expect(code).toBe(1);
		expect(stderr).toMatch(/fuser\.dimension is 7/);
	});

	test('no JSON', async () => {
		const bundle = await damaged((path) => writeFile(join(path, 'manifest.json'), '{'));
		expect(await index(bundle)).toMatchObject({ code: 1 });
	});

	test('a failing bundle costs nothing that was indexed', async () => {
		expect(await index()).toMatchObject({ code: 0 });
		const bundle = await damaged((path) => rm(join(path, 'fuser.onnx')));
		expect(await index(bundle)).toMatchObject({ code: 1 });
		const again = await runJson<WorkspaceReport>(['index', folder, ...common()]);
		expect(again).toMatchObject({ files: 1, lastUpdate: { chunksEmbedded: 0 } });
	});
});

describe('workspace', () => {
	test('a folder that is not there', async () => {
		const { code, stderr } = await runCli(['index', join(root, 'none'), ...common()]);
		expect(code).toBe(1);
		expect(stderr).toMatch(/none/);
	});

	test('a file instead of a folder', async () => {
		expect(await runCli(['index', join(folder, 'a.ts'), ...common()])).toMatchObject({ code: 1 });
	});

	test('binary, huge, invalid and unreadable files are passed over, the rest is indexed', async () => {
		await writeFile(join(folder, 'binary.ts'), Buffer.from([0x61, 0, 0x62]));
		await writeFile(join(folder, 'latin1.ts'), Buffer.from([0x61, 0xe9, 0x0a]));
		await writeFile(join(folder, 'huge.ts'), 'const x = 1;\n'.repeat(200_000));
		await writeFile(join(folder, 'empty.ts'), '');
		await writeFile(join(folder, 'lines.ts'), '\r\n\r\n\u2028\n');
		await symlink(folder, join(folder, 'loop'));
		await writeFile(join(folder, 'locked.ts'), 'export const locked = 1;\n');
		await chmod(join(folder, 'locked.ts'), 0o000);
		const report = await runJson<WorkspaceReport>(['index', folder, ...common()]);
		expect(report.state).toBe('ready');
		expect(report.skipped).toMatchObject({ binary: 1, notUtf8: 1, tooLarge: 1 });
		expect(report.files).toBeGreaterThanOrEqual(2);
	});

	test('secrets are not indexed', async () => {
		await writeFile(join(folder, '.env'), 'API_KEY=sk-123\n');
		await writeFile(join(folder, 'id_rsa'), 'PRIVATE\n');
		const report = await runJson<WorkspaceReport>(['index', folder, ...common()]);
		expect(report.files).toBe(1);
	});
});

describe('complete', () => {
	const complete = (line: string, column: string) =>
		runCli(['complete', join(folder, 'a.ts'), '--line', line, '--column', column, '--folder', folder, ...common(), '--json']);

	test('a position inside of the document answers one JSON document', async () => {
		const { code, stdout } = await complete('1', '8');
		expect(code).toBe(0);
		const report = JSON.parse(stdout) as CompletionReport;
		expect(report).toMatchObject({ context: 'hef', bundle: expect.any(String) });
	});

	test('a position outside of it is a usage error', async () => {
		const { code, stdout, stderr } = await complete('99', '0');
		expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
		expect(stderr).toMatch(/line 99, column 0 lies outside/);
	});

	test('an unknown flag is a usage error', async () => {
		expect(await runCli(['complete', 'x.ts', '--colour', 'red'])).toMatchObject({ code: 2 });
	});
});

test.each([
	[['--stdio', '--cache', '/c'], "unknown argument '--cache' after --stdio"],
	[['--socket', 'http'], "--socket wants a port number, got 'http'"],
	[['--pipe'], '--pipe wants the name of a pipe'],
])('a connection that cannot be: %j', async (args, message) => {
	const { code, stderr } = await runCli(args);
	expect(code).toBe(2);
	expect(stderr).toContain(message);
});

test('status of a folder that was never indexed', async () => {
	const status = await runJson<StatusReport>(['status', folder, ...common()]);
	expect(status.workspaces).toMatchObject([{ files: 0, pending: 1 }]);
});

test('a cache folder that cannot be written', async () => {
	await writeFile(join(root, 'occupied'), '');
	const { code, stderr } = await runCli(['index', folder, '--cache', join(root, 'occupied'), '--bundle', TINY_BUNDLE]);
	expect(code).toBe(1);
	expect(stderr).toMatch(/occupied/);
});

test('a reader that has enough of a command ends it quietly', async () => {
	const child = spawn(process.execPath, [SERVER, '--help'], { stdio: ['ignore', 'pipe', 'pipe'] });
	child.stdout.destroy();
	let stderr = '';
	child.stderr.on('data', (data: Buffer) => {
		stderr += data.toString();
	});
	const [code] = await once(child, 'close');
	expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
});
