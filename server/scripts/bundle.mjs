/**
 * Bundles what a start waits for, because reading hundreds of small modules takes longer than running them:
 *
 * - `dist/start.js`, what runs before the answer to `initialize`. What is imported later stays a module of its own, and so does
 *   `base/errors`: an error has the same class on both sides.
 * - `dist/bundled/services.js`, what comes right after it.
 * - `dist/workers/`, one file for each worker thread. Modules that start a program beside themselves stay where they are. They are
 *   CommonJS, as the libraries that they load are: what Node does to import one of those as a module takes longer than the worker's
 *   own start.
 *
 * With `--watch` it goes on whenever a source changes.
 */
import { rmSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, context } from 'esbuild';

const folder = join(dirname(fileURLToPath(import.meta.url)), '..');

/** Modules that have a bundle of their own, which is imported in their place. */
const BUNDLED = { 'services.ts': 'bundled/services.js' };

/** Leaves the imported modules for which `stays` is true where the compiler puts them, seen from a folder below `server/`. */
const leaveModules = (from, stays) => ({
	name: 'leave-modules',
	setup({ onResolve }) {
		onResolve({ filter: /^\.\.?\// }, ({ path, resolveDir, kind }) => {
			const file = relative(folder, join(resolveDir, path)).split(sep).join('/');
			if (!stays(file, kind)) return undefined;
			const place = relative(join(folder, from), join(folder, 'dist', BUNDLED[file] ?? file.replace(/\.ts$/, '.js')));
			const specifier = place.split(sep).join('/');
			return { path: specifier.startsWith('.') ? specifier : `./${specifier}`, external: true };
		});
	},
});

const common = {
	absWorkingDir: folder,
	bundle: true,
	platform: 'node',
	format: 'esm',
	target: 'node20',
	sourcemap: true,
	sourcesContent: false,
	logLevel: 'warning',
	// Some libraries are CommonJS.
	banner: {
		js: "import { createRequire as createRequireOfBundle } from 'node:module';\nconst require = createRequireOfBundle(import.meta.url);",
	},
};

const start = {
	...common,
	entryPoints: ['main.ts'],
	outfile: 'dist/start.js',
	plugins: [leaveModules('dist', (file, kind) => (kind === 'dynamic-import' && !file.startsWith('lsp/')) || file === 'base/errors.ts')],
};

const services = {
	...common,
	entryPoints: ['services.ts'],
	outfile: 'dist/bundled/services.js',
	plugins: [leaveModules('dist/bundled', (file, kind) => kind === 'dynamic-import' || file === 'base/errors.ts')],
};

const STARTS_A_PROGRAM = new Set(['inference/probe.ts', 'store/checkup.ts']);
const workers = {
	...common,
	entryPoints: { completion: 'completion/worker.ts', indexing: 'indexing/worker.ts' },
	outdir: 'dist/workers',
	outExtension: { '.js': '.cjs' },
	format: 'cjs',
	define: { 'import.meta.url': 'urlOfBundle' },
	banner: { js: "const urlOfBundle = require('node:url').pathToFileURL(__filename).href;" },
	// Native, or read from disk beside themselves.
	external: ['lmdb', 'onnxruntime-node', 'hnswlib-node', 'web-tree-sitter', '@vscode/tree-sitter-wasm'],
	plugins: [leaveModules('dist/workers', (file) => STARTS_A_PROGRAM.has(file))],
};

// Nothing of an earlier version stays.
rmSync(join(folder, workers.outdir), { recursive: true, force: true });
if (process.argv.includes('--watch')) {
	for (const options of [start, services, workers]) await (await context(options)).watch();
	console.log('watching');
} else {
	await Promise.all([build(start), build(services), build(workers)]);
}
