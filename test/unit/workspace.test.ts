import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Logger } from '../../server/base/logger.ts';
import { silentLogger } from '../../server/base/logger.ts';
import { SECRET_RULES } from '../../server/workspace/builtin-rules.ts';
import { createPathFilter, looksSecret } from '../../server/workspace/path-filter.ts';
import { MAX_DATA_BYTES, MAX_SOURCE_BYTES } from '../../server/workspace/read-source.ts';
import { createReader, createWorkspace, type WorkspaceOptions } from '../../server/workspace/workspace.ts';
import { createManualClock } from '../support/fakes.ts';
import { temporaryFolder, writeFiles } from '../support/temporary-folder.ts';

const open = (folder: string, options: WorkspaceOptions = {}) => createWorkspace(folder, { useGlobalGitExcludes: false, ...options });

/** Paths that a workspace over the files lists. */
async function listed(files: Record<string, string>, options: WorkspaceOptions = {}): Promise<string[]> {
	const workspace = await open(temporaryFolder(files), options);
	return (await workspace.list()).map(({ path }) => path);
}

/** Files of these names, each with a little text. */
function named(...paths: string[]): Record<string, string> {
	return Object.fromEntries(paths.map((path) => [path, 'x\n']));
}

test.each([
	['.env', true],
	['a.ts', false],
	['', false],
	['..', false],
	['/a/.env', true],
	['/home/u/.kube/config', true],
	['/home/u/.ssh/known_hosts', true],
	['C:\\Users\\u\\.aws\\credentials', true],
	['/home/u/.docker/config.json', true],
	['/home/u/docker/config.json', false],
	['../.env', true],
])('outside of any folder, %j holds a secret by its name: %s', (path, expected) => {
	expect(looksSecret(path)).toBe(expected);
});

test('every kind of secret is one wherever it lies', async () => {
	const rules = SECRET_RULES.filter((rule) => !rule.startsWith('!'));
	const examples = rules.map((rule) => rule.replace('**/', '').replace(/\/$/, '/file.ts').replaceAll('*', 'x'));
	const filter = await createPathFilter({ folder: temporaryFolder(), exclude: [], useGlobalGitExcludes: false });
	for (const example of examples) {
		for (const place of ['', 'a/b/', 'deploy/.config/'])
			expect([place + example, filter.ignores(place + example, false)]).toEqual([place + example, true]);
		expect([example, looksSecret(`/home/u/${example}`)]).toEqual([example, true]);
	}
	for (const path of ['app-firebase-adminsdk-1a2b3.json', 'a/auth.json']) expect(looksSecret(path)).toBe(true);
	for (const path of ['config.json', 'a/docker/config.json', 'src/auth.ts']) expect(looksSecret(path)).toBe(false);
});

test('a file without an ending is source by the name given for it, and never one that is ignored', async () => {
	const workspace = await open(temporaryFolder({ '.gitignore': 'tool\n', ...named('bin/run', 'bin/tool', '.env') }));
	expect(['bin/run', 'bin/tool', '.env'].map((path) => workspace.includes(path, `${path}.py`))).toEqual([true, false, false]);
	expect(workspace.includes('bin/run')).toBe(false);
});

describe('which files are source', () => {
	test('in path order, with size and time', async () => {
		const workspace = await open(temporaryFolder(named('b.ts', 'a/b.ts', 'a.ts', 'Makefile', 'photo.png', 'noname')));
		const files = await workspace.list();
		expect(files.map(({ path }) => path)).toEqual(['Makefile', 'a.ts', 'a/b.ts', 'b.ts']);
		expect(files[0]).toMatchObject({ sizeBytes: 2, mtimeMs: expect.any(Number) });
	});

	test('.gitignore at every level, deeper ones win, an ignored folder cannot be entered again', async () => {
		const files = {
			...named('a.ts', 'gen/a.ts', 'sub/gen/a.ts', 'sub/keep/gen/a.ts', 'sub/b.test.ts', 'sub/deep/c.test.ts', 'other/b.test.ts'),
			'.gitignore': '*.test.ts\n/gen/\nkeep/\n',
			'sub/.gitignore': '!b.test.ts\n!c.test.ts\n/deep/\n!keep/gen/a.ts\n',
		};
		expect(await listed(files)).toEqual(['a.ts', 'sub/b.test.ts', 'sub/gen/a.ts']);
	});

	test('a folder ignored above and lifted below is entered', async () => {
		const files = { ...named('a/b/c.ts', 'b/c.ts'), '.gitignore': 'b/\n', 'a/.gitignore': '!b/\n' };
		expect(await listed(files)).toEqual(['a/b/c.ts']);
	});

	test('.hefignore adds to .gitignore, and lifts it and the built-in list', async () => {
		const files = { ...named('a.ts', 'b.ts', 'vendor/c.ts'), '.gitignore': 'a.ts\n', '.hefignore': '!a.ts\nb.ts\n!vendor/\n' };
		expect(await listed(files)).toEqual(['a.ts', 'vendor/c.ts']);
	});

	test("the user's globs add to the rest", async () => {
		const files = { ...named('a.ts', 'docs/b.md', 'node_modules/c.js'), '.gitignore': '' };
		expect(await listed(files, { exclude: ['docs/'] })).toEqual(['a.ts']);
		expect(await listed(files, { exclude: ['!node_modules/'] })).toContain('node_modules/c.js');
	});

	test.each([
		['generated', ['api.generated.ts', 'schema.pb.go', 'user_pb2.py', 'model.g.dart', 'Form.Designer.cs']],
		['vendored', ['node_modules/m/i.js', 'vendor/a.go', 'third_party/b.c', '.venv/lib/c.py', 'Pods/d.swift']],
		['built', ['dist/a.js', 'coverage/b.html', 'target/debug/c.rs', '__pycache__/d.py', '.next/e.js']],
		['minified', ['jquery.min.js', 'style.min.css', 'app.bundle.js', '1.chunk.js']],
		['lock', ['package-lock.json', 'pnpm-lock.yaml', 'yarn.lock', 'composer.lock', 'packages.lock.json', 'Cargo.lock']],
		['binary', ['a.png', 'b.exe', 'c.so', 'd.zip', 'e.pdf', 'f.woff2', 'g.pyc', 'h.class', 'i.sqlite']],
		['secret', ['.env', '.env.production', 'deploy.pem', 'server.key', 'credentials.json', '.npmrc', 'id_rsa', 'terraform.tfvars']],
	])('%s files are out, and what the user excludes only adds to that', async (_, paths) => {
		expect(await listed(named('kept.ts', 'mine/a.ts', ...paths), { exclude: ['mine/'] })).toEqual(['kept.ts']);
	});

	test('.hefignore at every level', async () => {
		const files = { ...named('a/x.ts', 'a/b/x.ts', 'a/b/y.ts', 'x.ts'), 'a/.hefignore': 'x.ts\n', 'a/b/.hefignore': '!x.ts\ny.ts\n' };
		expect(await listed(files)).toEqual(['a/b/x.ts', 'x.ts']);
	});

	test('info/exclude, also from a worktree', async () => {
		const repository = { '.git/HEAD': 'ref: refs/heads/main\n', '.git/info/exclude': 'local.ts\n', ...named('a.ts', 'local.ts') };
		expect(await listed(repository)).toEqual(['a.ts']);
		const folder = temporaryFolder({
			...repository,
			'.git/worktrees/tree/commondir': '../..\n',
			'tree/.git': 'gitdir: ../.git/worktrees/tree\n',
			...named('tree/a.ts', 'tree/local.ts'),
		});
		expect((await (await open(join(folder, 'tree'))).list()).map(({ path }) => path)).toEqual(['a.ts']);
	});

	test('rules from above a folder inside a repository, anchored where they stand', async () => {
		const folder = temporaryFolder({
			'.git/HEAD': '',
			'.gitignore': '/pkg/a/gen.ts\n/gen2.ts\nlocal.ts\n',
			'pkg/.gitignore': 'a/skip.ts\n',
			...named('pkg/a/gen.ts', 'pkg/a/gen2.ts', 'pkg/a/b/local.ts', 'pkg/a/skip.ts', 'pkg/a/ok.ts'),
		});
		const workspace = await open(join(folder, 'pkg/a'));
		expect((await workspace.list()).map(({ path }) => path)).toEqual(['gen2.ts', 'ok.ts']);
	});

	test('a folder that its repository ignores was opened on purpose', async () => {
		const folder = temporaryFolder({ '.git/HEAD': '', '.gitignore': 'scratch/\n', ...named('scratch/a.ts') });
		expect(await (await open(join(folder, 'scratch'))).list()).toHaveLength(1);
	});

	test('the cache folder is left out', async () => {
		const folder = temporaryFolder(named('a.ts', '[cache] 1/b.ts'));
		const workspace = await open(folder, { cacheFolder: join(folder, '[cache] 1') });
		expect((await workspace.list()).map(({ path }) => path)).toEqual(['a.ts']);
	});

	test('rules are read again by list', async () => {
		const folder = temporaryFolder(named('a.ts', 'b.ts'));
		const workspace = await open(folder);
		expect(await workspace.list()).toHaveLength(2);
		writeFiles(folder, { '.gitignore': 'b.ts\n' });
		expect(await workspace.list()).toHaveLength(1);
		expect(workspace.includes('b.ts')).toBe(false);
	});
});

describe('secrets are never read', () => {
	const secrets = [
		'.env',
		'.env.local.json',
		'config/.env.ts',
		'server.key',
		'Cert.PEM',
		'id_rsa.md',
		'credentials.json',
		'gcp-credentials.yaml',
		'secrets.py',
		'.aws/config.ini',
		'.docker/config.json',
		'prod.tfvars.json',
		'a/.npmrc',
	];
	test.each(secrets)('%s, whatever the user says', async (path) => {
		const folder = temporaryFolder({ ...named(path), '.hefignore': '!*\n!**/*\n', '.gitignore': `!${path}\n` });
		const workspace = await open(folder, { exclude: ['!**', `!${path}`] });
		expect(workspace.includes(path)).toBe(false);
		expect(await workspace.list()).toEqual([]);
		expect(await workspace.stat(path)).toBeUndefined();
		expect(await workspace.read(path)).toEqual({ kind: 'skipped', reason: 'unreadable' });
	});

	test.each(['config.json', '.env.example', 'credentials.ts', 'environment.ts', 'src/keys.ts'])('%s is none', async (path) => {
		expect(await listed(named(path))).toEqual([path]);
	});
});

describe('text of a file', () => {
	test.each([
		['plain', 'a\r\nb\n', { kind: 'text', text: 'a\r\nb\n' }],
		['byte order mark', Uint8Array.of(0xef, 0xbb, 0xbf, 0x61), { kind: 'text', text: 'a' }],
		['empty', '', { kind: 'text', text: '' }],
		['NUL', 'a\0b', { kind: 'skipped', reason: 'binary' }],
		['Latin-1', Uint8Array.of(0x61, 0xe9, 0x62), { kind: 'skipped', reason: 'notUtf8' }],
		['cut in a character', Uint8Array.of(0x61, 0xc3), { kind: 'skipped', reason: 'notUtf8' }],
		['too large', 'x\n'.repeat(MAX_SOURCE_BYTES / 2 + 1), { kind: 'skipped', reason: 'tooLarge' }],
		['minified', `/* licence */\n${'a=1;'.repeat(500)}`, { kind: 'skipped', reason: 'generated' }],
	])('%s', async (_, content, expected) => {
		const workspace = await open(temporaryFolder({ 'a.ts': content }));
		expect(await workspace.read('a.ts')).toEqual(expected);
	});

	test('data is read while it is small, prose may have long lines', async () => {
		const workspace = await open(temporaryFolder({ 'a.json': '1\n'.repeat(MAX_DATA_BYTES), 'a.md': 'word '.repeat(1000) }));
		expect(await workspace.read('a.json')).toEqual({ kind: 'skipped', reason: 'tooLarge' });
		expect(await workspace.read('a.md')).toMatchObject({ kind: 'text' });
	});
});

describe('the disk changes and resists', () => {
	test('a file that is gone, became a folder or lies outside', async () => {
		const folder = temporaryFolder(named('in/a.ts', 'in/b.ts', 'out.ts'));
		const workspace = await open(join(folder, 'in'));
		expect(await workspace.list()).toHaveLength(2);
		rmSync(join(folder, 'in/a.ts'));
		rmSync(join(folder, 'in/b.ts'));
		mkdirSync(join(folder, 'in/b.ts'));
		for (const path of ['a.ts', 'b.ts', '../out.ts', join(folder, 'out.ts'), './b.ts', '']) {
			expect(await workspace.stat(path)).toBeUndefined();
			expect(await workspace.read(path)).toEqual({ kind: 'skipped', reason: 'unreadable' });
		}
	});

	test('links are not followed: cycles, links out, links to files', async () => {
		const folder = temporaryFolder(named('in/a.ts', 'out/b.ts'));
		const inside = join(folder, 'in');
		symlinkSync(inside, join(inside, 'cycle'));
		symlinkSync(join(folder, 'out'), join(inside, 'away'));
		symlinkSync(join(inside, 'a.ts'), join(inside, 'link.ts'));
		const workspace = await open(inside);
		expect((await workspace.list()).map(({ path }) => path)).toEqual(['a.ts']);
		for (const path of ['away/b.ts', 'cycle/a.ts', 'link.ts']) {
			expect(await workspace.stat(path)).toBeUndefined();
			expect(await workspace.read(path)).toMatchObject({ kind: 'skipped' });
		}
	});

	test('what is indexed is read whatever the rules say by now, and nothing outside of the folder', async () => {
		const folder = temporaryFolder({ '.gitignore': 'a.ts\n', ...named('a.ts', 'out/b.ts') });
		symlinkSync(join(folder, 'out'), join(folder, 'away'));
		const read = createReader(folder);
		expect(read('a.ts')).toEqual({ kind: 'text', text: 'x\n' });
		for (const path of ['away/b.ts', '../a.ts', 'photo.png']) expect(read(path)).toEqual({ kind: 'skipped', reason: 'unreadable' });
	});

	test('a workspace that is a link itself', async () => {
		const folder = temporaryFolder(named('real/a.ts'));
		symlinkSync(join(folder, 'real'), join(folder, 'link'));
		const workspace = await open(join(folder, 'link'));
		expect(await workspace.list()).toHaveLength(1);
		expect(await workspace.stat('a.ts')).toMatchObject({ path: 'a.ts' });
		expect(await workspace.read('a.ts')).toMatchObject({ kind: 'text' });
	});

	test('a workspace that is a link into a repository follows the rules of that', async () => {
		const folder = temporaryFolder({ '.git/HEAD': 'ref: refs/heads/main\n', '.gitignore': 'made.ts\n', ...named('in/a.ts', 'in/made.ts') });
		const link = join(temporaryFolder(), 'link');
		symlinkSync(join(folder, 'in'), link);
		expect((await (await open(link)).list()).map(({ path }) => path)).toEqual(['a.ts']);
	});

	test.skipIf(process.getuid?.() === 0 || process.platform === 'win32')(
		'a folder without permission is left out, with a line in the log',
		async () => {
			const folder = temporaryFolder(named('a.ts', 'closed/b.ts'));
			chmodSync(join(folder, 'closed'), 0);
			const warnings: string[] = [];
			const logger: Logger = { ...silentLogger, warn: (message) => warnings.push(message) };
			const files = await (await open(folder, { logger })).list();
			chmodSync(join(folder, 'closed'), 0o755);
			expect(files).toHaveLength(1);
			expect(warnings).toEqual([expect.stringContaining('closed')]);
		},
	);

	test('a missing folder is a typed error that says what to do', async () => {
		const folder = temporaryFolder(named('in/a.ts'));
		const workspace = await open(join(folder, 'in'));
		renameSync(join(folder, 'in'), join(folder, 'moved'));
		const isMissing = { code: 'workspace-unreadable', message: expect.stringContaining('Check that') };
		await expect(workspace.list()).rejects.toMatchObject(isMissing);
		await expect(workspace.stat('a.ts')).rejects.toMatchObject(isMissing);
	});
});

describe('rules between two lists', () => {
	const folderWithRules = () =>
		temporaryFolder({ ...named('a.ts', 'b.ts'), '.git/HEAD': 'ref: refs/heads/main\n', '.git/info/exclude': 'a.ts\n' });
	const paths = async (workspace: Awaited<ReturnType<typeof open>>) => (await workspace.list()).map(({ path }) => path);

	test('the first list reads the ignore files of the folder anew, and believes what was just read outside of it', async () => {
		const folder = folderWithRules();
		const workspace = await open(folder, { clock: createManualClock() });
		expect([workspace.includes('a.ts'), workspace.includes('b.ts')]).toEqual([false, true]);
		writeFiles(folder, { '.gitignore': 'b.ts\n', '.git/info/exclude': '\n' });
		expect(await paths(workspace)).toEqual([]);
		expect(await paths(workspace)).toEqual(['a.ts']);
	});

	test('a first list that comes late reads everything anew', async () => {
		const folder = folderWithRules();
		const clock = createManualClock();
		const workspace = await open(folder, { clock });
		writeFiles(folder, { '.git/info/exclude': 'b.ts\n' });
		clock.advance(1000);
		expect(await paths(workspace)).toEqual(['a.ts']);
	});
});
