import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createWorkspace } from '../../server/workspace/workspace.ts';
import { createRandom } from '../support/random.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const hasGit = spawnSync('git', ['--version']).status === 0;
const NAMES = ['a', 'b', 'c d', 'é', '[x]', 'build', '#h', '!n'];
const PATTERNS = [
	'a/',
	'/b',
	'b/',
	'*.ts',
	'!*.ts',
	'a/b',
	'/a/*',
	'!/a/b',
	'**/b',
	'a/**',
	'!a/b/',
	'b/**/f.ts',
	'f?.ts',
	'[ab]/',
	'\\[x\\]',
	'\\#h',
	'\\!n',
	'# note',
	'',
	'c\\ d',
	'f.ts ',
	'*',
	'!*/',
	'é',
	'build/',
	'!build/f.ts',
	'/**/g.ts',
	'a*/',
	'!f.ts',
	'f.ts\r',
];

/** What git would show of a folder: nothing is tracked, so `--others` is all that is not ignored. */
function gitFiles(folder: string): string[] {
	const git = (...args: string[]) => execFileSync('git', ['-C', folder, '-c', 'core.quotePath=false', ...args], { encoding: 'utf8' });
	// All that git asks of a repository.
	for (const name of ['objects', 'refs']) mkdirSync(join(folder, '.git', name), { recursive: true });
	writeFileSync(join(folder, '.git/HEAD'), 'ref: refs/heads/main\n');
	return git('ls-files', '-z', '--others', '--cached', '--exclude-standard')
		.split('\0')
		.filter((path) => path.endsWith('.ts'))
		.sort();
}

describe.skipIf(!hasGit)('ignore rules mean what git means', () => {
	test('random rules in random trees', async () => {
		let [shown, total] = [0, 0];
		for (let seed = 0; seed < 40; seed++) {
			const random = createRandom(seed);
			const files: Record<string, string> = {};
			for (let i = 0; i < 25; i++) {
				const folders = Array.from({ length: random.below(4) }, () => random.pick(NAMES));
				files[[...folders, random.pick(['f.ts', 'g.ts', 'f1.ts'])].join('/')] = 'x';
			}
			for (const path of Object.keys(files)) {
				const folder = path.slice(0, path.lastIndexOf('/') + 1);
				if (random.below(4) === 0 || folder === '')
					files[`${folder}.gitignore`] = Array.from({ length: 1 + random.below(4) }, () => random.pick(PATTERNS)).join('\n');
			}
			const folder = temporaryFolder(files);
			const expected = gitFiles(folder);
			const workspace = await createWorkspace(folder, { useGlobalGitExcludes: false });
			const listed = (await workspace.list()).map(({ path }) => path);
			expect(listed, `seed ${seed}`).toEqual(expected);
			const open = Object.keys(files).filter((path) => path.endsWith('.ts') && workspace.includes(path));
			expect(open.sort(), `seed ${seed}`).toEqual(expected);
			shown += expected.length;
			total += Object.keys(files).filter((path) => path.endsWith('.ts')).length;
		}
		// The rules of these cases decide something.
		expect(shown / total).toBeGreaterThan(0.1);
		expect(shown / total).toBeLessThan(0.9);
	});

	test('core.excludesFile', async () => {
		const folder = temporaryFolder({ 'a.ts': 'x', 'b.ts': 'x', rules: 'b.ts\n' });
		gitFiles(folder);
		execFileSync('git', ['-C', folder, 'config', 'core.excludesFile', `${folder}/rules`]);
		const list = async (useGlobalGitExcludes: boolean) =>
			(await (await createWorkspace(folder, { useGlobalGitExcludes })).list()).map(({ path }) => path);
		expect(await list(true)).toEqual(['a.ts']);
		expect(await list(false)).toEqual(['a.ts', 'b.ts']);
	});
});
