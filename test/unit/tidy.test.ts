/** What must stay true between files that nothing else ties together: manifests, layers, lock file, README. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { COMMANDS, SETTINGS_SCHEMA } from 'hef-shared';
import { describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const json = <T>(path: string) => JSON.parse(read(path)) as T;

interface Manifest {
	name: string;
	version: string;
	workspaces?: string[];
	scripts?: Record<string, string>;
	dependencies?: Record<string, string>;
	devDependencies?: Record<string, string>;
	engines?: Record<string, string>;
}

describe('the VS Code client', () => {
	const manifest = json<{
		contributes: { configuration: { properties: Record<string, unknown> }; commands: { command: string; enablement?: string }[] };
		capabilities: { untrustedWorkspaces: { restrictedConfigurations: string[] } };
	}>('client-vscode/package.json');
	/** Settings that only the client reads. */
	const CLIENT_ONLY = ['hef.serverPath'];
	/** Commands that the client answers itself. */
	const CLIENT_COMMANDS = ['hef.menu', 'hef.restart', 'hef.showLog', 'hef.toggle'];

	test('its settings equal the shared schema (npm run manifest -w client-vscode writes them)', () => {
		const properties = { ...manifest.contributes.configuration.properties };
		for (const name of CLIENT_ONLY) {
			expect(properties).toHaveProperty([name]);
			delete properties[name];
		}
		expect(properties).toEqual(Object.fromEntries(Object.entries(SETTINGS_SCHEMA).map(([name, schema]) => [`hef.${name}`, schema])));
	});

	test('its commands are the server’s, hidden while the server is down, and its own', () => {
		const palette = manifest.contributes.commands;
		const serverCommands: string[] = Object.values(COMMANDS).filter((name) => name !== COMMANDS.accepted);
		expect(palette.map(({ command }) => command).sort()).toEqual([...serverCommands, ...CLIENT_COMMANDS].sort());
		for (const { command, enablement } of palette)
			expect([command, enablement !== undefined]).toEqual([command, serverCommands.includes(command)]);
	});

	test('lets a workspace that is not trusted name no program, file or folder, and delete nothing', () => {
		const restricted = ['bundle', 'cacheBudgetBytes', 'cacheFolder', 'executionProvider', 'serverPath'].map((name) => `hef.${name}`);
		expect(manifest.capabilities.untrustedWorkspaces.restrictedConfigurations).toEqual(restricted);
		for (const name of restricted) expect(Object.keys(manifest.contributes.configuration.properties)).toContain(name);
	});
});

describe('the layers of the server', () => {
	/** Lowest first; the units of one layer do not import each other. */
	const layers = layersOf(read('server/ARCHITECTURE.md'));
	/** Who may import a package; what is not named here may be imported by nobody. */
	const OWNERS: Record<string, string[]> = {
		'@huggingface/tokenizers': ['inference'],
		'@vscode/tree-sitter-wasm': ['chunking'],
		chokidar: ['workspace'],
		'hnswlib-node': ['vector-index'],
		ignore: ['workspace'],
		lmdb: ['store'],
		'onnxruntime-node': ['inference'],
		'vscode-languageserver': ['lsp', 'main.ts'],
		'vscode-languageserver-textdocument': ['lsp'],
		'web-tree-sitter': ['chunking'],
	};
	/** Packages that any layer may use. */
	const SHARED = ['hef-shared', 'lru-cache'];
	const files = sources('server');

	test('are the ones in ARCHITECTURE.md', () => {
		expect(layers).toEqual([
			['base'],
			['chunking', 'inference', 'store', 'vector-index', 'workspace'],
			['hierarchy'],
			['copying', 'retrieval'],
			['completion', 'indexing'],
			['folders.ts'],
			['services.ts'],
			['cli', 'lsp'],
			['main.ts'],
		]);
	});

	test('hold every source file', () => {
		const units = new Set(layers.flat());
		expect(files.map(unitOf).filter((unit) => !units.has(unit))).toEqual([]);
	});

	test('import downwards only', () => {
		const layerOf = (unit: string) => layers.findIndex((layer) => layer.includes(unit));
		const upward: string[] = [];
		for (const file of files) {
			for (const target of imports(file).filter((specifier) => specifier.startsWith('.'))) {
				const imported = relative(join(root, 'server'), join(root, dirname(file), target))
					.split(sep)
					.join('/');
				const [from, to] = [unitOf(file), unitOf(`server/${imported}`)];
				if (from !== to && layerOf(from) <= layerOf(to)) upward.push(`${file} imports ${imported}`);
			}
		}
		expect(upward).toEqual([]);
	});

	test('have one owner for each package', () => {
		const strangers: string[] = [];
		for (const file of files) {
			for (const specifier of imports(file).filter((name) => !name.startsWith('.') && !name.startsWith('node:'))) {
				const name = packageOf(specifier);
				if (!SHARED.includes(name) && !OWNERS[name]?.includes(unitOf(file))) strangers.push(`${file} imports ${name}`);
			}
		}
		expect(strangers).toEqual([]);
	});

	test('use every dependency of the manifest, and no other', () => {
		const used = new Set(
			files
				.flatMap(imports)
				.filter((name) => !name.startsWith('.') && !name.startsWith('node:'))
				.map(packageOf),
		);
		// Grammars are found by their path, not imported.
		used.add('@vscode/tree-sitter-wasm');
		expect([...used].sort()).toEqual(Object.keys(json<Manifest>('server/package.json').dependencies ?? {}).sort());
	});
});

describe('manifests', () => {
	const workspace = json<Manifest>('package.json');
	const members = (workspace.workspaces ?? []).map((folder) => json<Manifest>(`${folder}/package.json`));

	test('have one version, and depend on each other at it', () => {
		const versions = new Map(members.map(({ name, version }) => [name, version]));
		expect(new Set(versions.values()).size).toBe(1);
		for (const { dependencies = {}, devDependencies = {} } of members) {
			for (const [name, wanted] of Object.entries({ ...dependencies, ...devDependencies })) {
				if (versions.has(name)) expect(`${name}@${wanted}`).toBe(`${name}@${versions.get(name)}`);
			}
		}
	});

	test('pin every dependency', () => {
		for (const { dependencies = {}, devDependencies = {} } of [workspace, ...members]) {
			for (const [name, wanted] of Object.entries({ ...dependencies, ...devDependencies }))
				expect(`${name}@${wanted}`).toMatch(/@\d+\.\d+\.\d+/);
		}
	});

	test('hold every npm script that the README names', () => {
		const scripts = new Set([workspace, ...members].flatMap(({ scripts = {} }) => Object.keys(scripts)));
		const named = [...read('README.md').matchAll(/\bnpm (?:run )?(?:--silent )?([a-z][a-z:-]*)/g)].map(([, name]) => name as string);
		const builtIn = ['ci', 'install', 'rebuild', 'run', 'test'];
		expect(named.filter((name) => !scripts.has(name) && !builtIn.includes(name))).toEqual([]);
	});
});

describe('the registry', () => {
	test('stands in no lock file', () => {
		const { packages } = json<{ packages: Record<string, { resolved?: string }> }>('package-lock.json');
		const addresses = Object.values(packages).flatMap(({ resolved }) => (resolved?.includes(':') ? [resolved] : []));
		expect(addresses).toEqual([]);
	});

	test('.npmrc keeps it so', () => {
		expect(read('.npmrc').split('\n')).toContain('omit-lockfile-registry-resolved=true');
	});

	/**
	 * ONNX Runtime's install script downloads CUDA (several hundred MB) from a place of its own, and fails the installation where
	 * that cannot be reached. npm 11.16 and later ask `allowScripts`; earlier ones run what the lock file says has a script.
	 */
	test('is all that an installation asks: CUDA is not downloaded', () => {
		const { packages } = json<{ packages: Record<string, { hasInstallScript?: boolean }> }>('package-lock.json');
		expect(packages['node_modules/onnxruntime-node'], 'delete the line that npm wrote').not.toHaveProperty('hasInstallScript');
		const { allowScripts } = json<{ allowScripts: Record<string, boolean> }>('package.json');
		expect(allowScripts).toHaveProperty('onnxruntime-node', false);
		const withScript = Object.entries(packages).flatMap(([path, entry]) => (entry.hasInstallScript ? [path] : []));
		expect(withScript.filter((path) => !allowScripts[packageName(path)])).toEqual([]);
	});
});

/** The fenced block under "## Layers", one layer a line. */
function layersOf(architecture: string): string[][] {
	const block = /^## Layers$[\s\S]*?^```\w*\n([\s\S]*?)^```/m.exec(architecture)?.[1] ?? '';
	return block
		.trim()
		.split('\n')
		.map((line) => line.trim().split(/\s+/).sort());
}

/** TypeScript sources below a folder, relative to the root with `/`. */
function sources(folder: string): string[] {
	return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
		const path = `${folder}/${entry.name}`;
		if (entry.isDirectory()) return ['dist', 'node_modules', 'bin'].includes(entry.name) ? [] : sources(path);
		return path.endsWith('.ts') && !path.endsWith('.d.ts') && existsSync(join(root, path)) ? [path] : [];
	});
}

/** `server/lsp/sync.ts` → `lsp`, `server/main.ts` → `main.ts`. */
function unitOf(file: string): string {
	return file.split('/')[1] ?? '';
}

/** Specifiers of all static and dynamic imports and re-exports. */
function imports(file: string): string[] {
	const text = read(file).replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
	const patterns = [/\b(?:import|export)\b[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]/g, /\bimport\s*\(?\s*['"]([^'"]+)['"]/g];
	return patterns.flatMap((pattern) => [...text.matchAll(pattern)].map(([, specifier]) => specifier as string));
}

/** `node_modules/a/node_modules/@b/c` → `@b/c`. */
function packageName(path: string): string {
	return path.split('node_modules/').at(-1) ?? '';
}

/** `vscode-languageserver/node` → `vscode-languageserver`, `@a/b/c` → `@a/b`. */
function packageOf(specifier: string): string {
	return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
}
