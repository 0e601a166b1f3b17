/** What git and formatters do to a folder, and what that costs: real repositories, models that count. */
import { execFileSync } from 'node:child_process';
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { ChangeReason } from '../../server/workspace/types.ts';
import { createWorkspace } from '../../server/workspace/workspace.ts';
import { openEditor } from '../support/folder-index.ts';
import { temporaryFolder, writeFiles } from '../support/temporary-folder.ts';

const N = 40;
const lines = (count: number, name: string) => Array.from({ length: count }, (_, i) => `def ${name}${i}\n`).join('');
const project = (name: string, n = N) =>
	Object.fromEntries(Array.from({ length: n }, (_, i) => [`src/d${i % 4}/f${i}.py`, lines(4, `${name}${i}_`)]));

function repository() {
	const folder = temporaryFolder(project('main'));
	const git = (...args: string[]) =>
		execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@b', '-c', 'core.autocrlf=false', ...args], {
			cwd: folder,
			stdio: 'pipe',
		});
	git('init', '-q', '-b', 'main');
	git('add', '.');
	git('commit', '-q', '-m', 'one');
	return { folder, git };
}

async function indexed() {
	const { folder, git } = repository();
	const editor = await openEditor({ folder, cacheFolder: temporaryFolder() });
	await editor.refresh();
	const cost = async (reason: string) => {
		const { chunksEmbedded, nodesFused, filesChanged } = await editor.refresh(reason);
		return { chunksEmbedded, nodesFused, filesChanged };
	};
	return { folder, git, editor, cost };
}

test('a branch switch embeds what differs; back and forth again, nothing', async () => {
	const { folder, git, cost } = await indexed();
	git('checkout', '-q', '-b', 'other');
	writeFiles(folder, project('other', 10));
	git('commit', '-q', '-a', '-m', 'two');
	expect(await cost('branch')).toMatchObject({ chunksEmbedded: 20, filesChanged: 10 });
	git('checkout', '-q', 'main');
	expect(await cost('branch')).toEqual({ chunksEmbedded: 0, nodesFused: 0, filesChanged: 10 });
	git('checkout', '-q', 'other');
	expect(await cost('branch')).toEqual({ chunksEmbedded: 0, nodesFused: 0, filesChanged: 10 });
});

test('stash and pop embed nothing', async () => {
	const { folder, git, cost } = await indexed();
	writeFiles(folder, project('work', 5));
	expect(await cost('watch')).toMatchObject({ chunksEmbedded: 10, filesChanged: 5 });
	git('stash', '-q');
	expect(await cost('watch')).toEqual({ chunksEmbedded: 0, nodesFused: 0, filesChanged: 5 });
	git('stash', 'pop', '-q');
	expect(await cost('watch')).toEqual({ chunksEmbedded: 0, nodesFused: 0, filesChanged: 5 });
});

test('a folder that is renamed, and one that is moved into another, embed nothing and chunk nothing', async () => {
	const { folder, git, cost, editor } = await indexed();
	renameSync(join(folder, 'src/d1'), join(folder, 'src/renamed'));
	expect(await cost('watch')).toMatchObject({ chunksEmbedded: 0, filesChanged: 20 });
	git('mv', 'src/d2', 'src/d3/moved');
	expect(await cost('watch')).toMatchObject({ chunksEmbedded: 0, filesChanged: 20 });
	expect(editor.index.report()).toMatchObject({ files: N, stale: 0 });
});

test('a formatter over all files embeds the chunks that it changed', async () => {
	const { folder, cost } = await indexed();
	// Each file has two chunks; the formatter rewrites all files and changes the first chunk of each.
	const formatted = Object.entries(project('main')).map(([path, text]) => [path, text.replace('def', 'def ')] as const);
	writeFiles(folder, Object.fromEntries(formatted));
	expect(await cost('watch')).toMatchObject({ chunksEmbedded: N, filesChanged: N });
});

test('the watcher sees a checkout as one burst that names the branch', async () => {
	const { folder, git } = repository();
	git('checkout', '-q', '-b', 'other');
	writeFiles(folder, project('other', 30));
	git('commit', '-q', '-a', '-m', 'two');
	const workspace = await createWorkspace(folder, { useGlobalGitExcludes: false });
	const changes: { paths: string[]; reason: ChangeReason }[] = [];
	onTestFinished(
		await workspace.watch(
			(paths, reason) => changes.push({ paths, reason }),
			() => {},
		),
	);
	git('checkout', '-q', 'main');
	const seen = () => new Set(changes.flatMap(({ paths }) => paths).filter((path) => path.startsWith('src/')));
	await expect.poll(() => seen().size, { timeout: 20_000 }).toBe(30);
	expect(changes.some(({ reason }) => reason === 'branch')).toBe(true);
	expect(changes.length).toBeLessThanOrEqual(3);
});
