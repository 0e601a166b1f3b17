/** A program of `test/support` as plain JavaScript, so that starting it costs a tenth of a second. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

export interface Program {
	path: string;
	remove(): void;
}

/** @param name of a file in `test/support`, without its extension */
export async function bundleProgram(name: string): Promise<Program> {
	const root = fileURLToPath(new URL('../..', import.meta.url));
	// Where its packages are found.
	const cache = join(root, 'node_modules', '.cache');
	mkdirSync(cache, { recursive: true });
	const outdir = mkdtempSync(join(cache, `${name}-`));
	writeFileSync(join(outdir, 'package.json'), '{"type":"module"}');
	await build({
		// What reads a store that was left unfinished is a program of its own, looked for beside whoever starts it.
		entryPoints: [join(root, `test/support/${name}.ts`), join(root, 'server/store/checkup-child.ts')],
		outdir,
		entryNames: '[name]',
		bundle: true,
		platform: 'node',
		target: 'node20',
		format: 'esm',
		packages: 'external',
		logLevel: 'error',
	});
	return { path: join(outdir, `${name}.js`), remove: () => rmSync(outdir, { recursive: true, force: true }) };
}
