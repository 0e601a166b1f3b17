/** Neovim in a terminal, with its own inline completion: type, ghost text, ask by hand and leaf through, Tab, save. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { accepted, editorTest, findProgram, keep, playground, snippet, TYPED, until } from './support.ts';
import { openTerminal } from './terminal.ts';

const nvim = findProgram('nvim');

function missing(): string | undefined {
	if (!nvim) return 'Neovim is not installed';
	if (!findProgram('tmux')) return 'tmux is not installed';
	const version = /v0\.(\d+)/.exec(spawnSync(nvim, ['--version'], { encoding: 'utf8' }).stdout)?.[1];
	return Number(version) >= 12 ? undefined : `Neovim 0.${version} is older than 0.12`;
}

editorTest('Neovim', missing(), async () => {
	const ground = playground();
	const socket = join(ground.home, 'socket');
	const config = join(ground.home, 'config.lua');
	writeFileSync(config, snippet('Neovim', 'lua'));
	const harness = fileURLToPath(new URL('neovim/harness.lua', import.meta.url));
	const program = nvim as string;
	const terminal = openTerminal(ground, [program, '-n', '-u', config, '-S', harness, '--listen', socket, ground.file]);
	const lua = (expression: string) => {
		const args = ['--headless', '--server', socket, '--remote-expr', `luaeval(${JSON.stringify(expression)})`];
		return spawnSync(program, args, { env: ground.env, encoding: 'utf8', timeout: 10_000 }).stdout.trim();
	};

	await until('the index is ready', () => lua('Harness.ready() and 1 or 0') === '1');
	await terminal.keys('G', 'A', TYPED);
	const ghost = await until('ghost text', () => lua('Harness.ghost()'));
	keep('neovim.txt', terminal.screen());
	keep('neovim.ansi', terminal.screen({ colours: true }));

	expect(ghost).not.toMatch(/\(\d\/\d\)/);
	// Nothing says that there is a choice before somebody leafs through it.
	await terminal.keys('M-\\');
	const other = await until('another one', async () => {
		await terminal.keys('M-]');
		return /^([\s\S]*) \(2\/\d\)$/.exec(lua('Harness.ghost()'))?.[1];
	});
	keep('neovim-choice.txt', terminal.screen());
	expect(other).not.toBe(ghost);
	await terminal.keys('M-[');
	// Asked by hand, it goes on to the end of its block.
	const first = await until('the first one again', () => /^([\s\S]*) \(1\/\d\)$/.exec(lua('Harness.ghost()'))?.[1]);
	expect(first.startsWith(ghost)).toBe(true);
	await terminal.keys('Tab', 'Escape', ':w', 'Enter');
	const text = await until('the accepted text in the file', () => accepted(ground.read()));
	expect(text.replaceAll(/\s/g, '')).toBe(first.replaceAll(/\s/g, ''));
});
