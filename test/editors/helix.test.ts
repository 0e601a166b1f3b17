/** Helix in a terminal: type, the suggestion as an entry of the completion menu, accept, save. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { accepted, editorTest, findProgram, keep, playground, snippet, TYPED, until } from './support.ts';
import { openTerminal } from './terminal.ts';

const helix = findProgram('hx');

function missing(): string | undefined {
	if (!helix) return 'Helix is not installed';
	return findProgram('tmux') ? undefined : 'tmux is not installed';
}

editorTest('Helix', missing(), async () => {
	const ground = playground();
	const config = join(ground.home, 'config', 'helix');
	mkdirSync(config, { recursive: true });
	// The menu as the server's alone.
	writeFileSync(join(config, 'languages.toml'), snippet('Helix', 'toml').replace('"typescript-language-server", ', ''));
	writeFileSync(join(config, 'config.toml'), '[editor]\ncompletion-timeout = 5\nidle-timeout = 50\n');
	const terminal = openTerminal(ground, [helix as string, ground.file]);
	await until('the file on screen', () => terminal.screen().includes('totalArea'));

	// Helix asks once for what was typed; while the models load there is nothing to show yet.
	const menu = await until('the completion menu', async () => {
		await terminal.keys('Escape', 'g', 'e', 'g', 'l', 'a', ...TYPED);
		for (let i = 0; i < 20; i++) {
			await new Promise((resolve) => setTimeout(resolve, 100));
			if (/HEF|text/.test(terminal.screen())) return terminal.screen();
		}
		await terminal.keys('Escape', 'u');
		return undefined;
	});
	keep('helix.txt', menu);
	await terminal.keys('C-n', 'Enter', 'Escape', ':w', 'Enter');
	const text = await until('the accepted text in the file', () => accepted(ground.read()));
	expect(menu.replaceAll(/\s/g, '')).toContain(text.split('\n')[0]?.replaceAll(/\s/g, ''));
});
