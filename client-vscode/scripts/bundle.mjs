/** Bundles the extension into one CommonJS file, which is what VS Code loads: `node scripts/bundle.mjs [--watch]`. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, context } from 'esbuild';

const folder = join(dirname(fileURLToPath(import.meta.url)), '..');
const options = {
	absWorkingDir: folder,
	entryPoints: ['src/extension.ts'],
	outfile: 'dist/extension.cjs',
	bundle: true,
	platform: 'node',
	format: 'cjs',
	target: 'node20',
	external: ['vscode'],
	sourcemap: true,
	logLevel: 'warning',
};

if (process.argv.includes('--watch')) {
	const watcher = await context(options);
	await watcher.watch();
	console.log('watching');
} else {
	await build(options);
}
