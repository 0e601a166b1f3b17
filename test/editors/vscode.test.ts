/** VS Code with the packed extension, which brings its own server: status bar, ghost text, another one, Tab, save, the page that explains, and restarts. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { accepted, editorTest, keep, playground, TYPED, until } from './support.ts';
import { missing, openVscode } from './vscode/code-server.ts';

const client = fileURLToPath(new URL('../../client-vscode/', import.meta.url));

editorTest('VS Code', missing(), async () => {
	execFileSync('npm', ['run', '--silent', 'package'], { cwd: client, stdio: 'pipe', shell: process.platform === 'win32' });
	const { version } = JSON.parse(readFileSync(`${client}package.json`, 'utf8')) as { version: string };
	const ground = playground();
	const vsix = `${client}hef-vscode-${process.platform}-${process.arch}-${version}.vsix`;
	const page = await openVscode(ground, vsix, {});

	const item = page.locator('.statusbar-item[aria-label^="HEF code completion: "]');
	await item.first().waitFor({ timeout: 60_000 });
	await until('the status bar says ready', async () => (await item.first().getAttribute('aria-label'))?.endsWith('Ready'), 60_000);

	await page.locator('.monaco-editor .view-lines').first().click();
	await page.keyboard.press('Control+End');
	await page.keyboard.type(TYPED, { delay: 30 });
	const ghosts = page.locator('.ghost-text, .ghost-text-decoration');
	await ghosts.first().waitFor({ state: 'attached', timeout: 20_000 });
	keep('vscode-ghost.png', await page.screenshot());
	const drawn = async () => (await ghosts.allTextContents()).join('');
	const ghost = await drawn();
	// Leafing asks by hand.
	await page.keyboard.press('Alt+]');
	await until('another one', async () => ![ghost, ''].includes(await drawn()));
	keep('vscode-choice.png', await page.screenshot());
	await page.keyboard.press('Alt+[');
	await until('the first one again', async () => (await drawn()) === ghost);
	await page.keyboard.press('Tab');
	await page.keyboard.press('Control+s');
	const text = await until('the accepted text in the file', () => accepted(ground.read()));
	expect(ghost.replaceAll(/[\s\u00a0]/g, '')).toContain(text.split('\n')[0]?.replaceAll(/\s/g, ''));

	await page.keyboard.press('F1');
	await page.keyboard.type('HEF: Explain');
	await page.keyboard.press('Enter');
	const explained = page.locator('.tab[aria-label*="HEF explain"]');
	await explained.first().waitFor({ timeout: 20_000 });
	keep('vscode-explain.png', await page.screenshot());
	// The extension's Node is another than this one: the index has to work there too.
	const explanation = page.locator('.editor-group-container').last().locator('.view-line');
	const words = (await explanation.allTextContents()).join(' ').replaceAll('\u00a0', ' ');
	expect(words).toContain('The last suggestion');
	expect(words).not.toMatch(/index is not ready|no workspace folder/);

	// A server that is not there, and one that is none: each is told, and the next setting starts the right one, with no reload.
	const machine = join(ground.home, 'vscode-data', 'Machine', 'settings.json');
	mkdirSync(dirname(machine), { recursive: true });
	const useServer = (path: string) => writeFileSync(machine, JSON.stringify({ 'hef.serverPath': path }));
	const told = page.locator('.notification-list-item-message');
	useServer('/nowhere.js');
	await until(
		'the missing server is told',
		async () => (await told.allTextContents()).some((text) => text.includes('/nowhere.js')),
		20_000,
	);
	useServer(fileURLToPath(import.meta.url));
	await until(
		'the failed start is told',
		async () => (await told.allTextContents()).some((text) => text.includes('create connection')),
		60_000,
	);
	useServer('');
	await until('the status bar says ready again', async () => (await item.first().getAttribute('aria-label'))?.endsWith('Ready'), 60_000);
});
