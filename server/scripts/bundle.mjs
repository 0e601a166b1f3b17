/**
 * Bundles what a server runs before its first answer into one file, `dist/start.js`: an editor waits for `initialize`, and reading
 * the hundred small modules of the LSP library takes longer than all else. What is imported later stays a module of its own, and
 * so does `base/errors`: an error has the same class on both sides. With `--watch` it goes on whenever a source changes.
 */
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, context } from 'esbuild';

const folder = join(dirname(fileURLToPath(import.meta.url)), '..');

const leaveModules = {
	name: 'leave-modules',
	setup({ onResolve }) {
		onResolve({ filter: /^\.\.?\// }, ({ path, resolveDir, kind }) => {
			const file = relative(folder, join(resolveDir, path)).split(sep).join('/');
			const isLater = kind === 'dynamic-import' && !file.startsWith('lsp/');
			return isLater || file === 'base/errors.ts' ? { path: `./${file.replace(/\.ts$/, '.js')}`, external: true } : undefined;
		});
	},
};

const options = {
	absWorkingDir: folder,
	entryPoints: ['main.ts'],
	outfile: 'dist/start.js',
	bundle: true,
	platform: 'node',
	format: 'esm',
	target: 'node20',
	sourcemap: true,
	sourcesContent: false,
	logLevel: 'warning',
	plugins: [leaveModules],
	// The LSP library is CommonJS.
	banner: { js: "import { createRequire } from 'node:module';\nconst require = createRequire(import.meta.url);" },
};

if (process.argv.includes('--watch')) {
	const watcher = await context(options);
	await watcher.watch();
	console.log('watching');
} else {
	await build(options);
}
