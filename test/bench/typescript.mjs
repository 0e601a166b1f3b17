/**
 * Lets plain Node run the TypeScript of tests and benchmarks: `node test/bench/typescript.mjs FILE.ts [ARGUMENTS]`. Types are
 * erased, nothing is checked and nothing is bundled, so that what is measured runs as it does in the built server. Not with
 * `--import`, where that matters: workers inherit the flag, and with it Node takes another, slower way to load them than it does for
 * a user.
 */
import { readFile } from 'node:fs/promises';
import { register } from 'node:module';
import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { isMainThread } from 'node:worker_threads';

// Node loads this file a second time, in the thread of its hooks.
if (isMainThread) {
	register(import.meta.url);
	const own = fileURLToPath(import.meta.url);
	if (process.argv[1] === own) {
		process.argv.splice(1, 1);
		await import(pathToFileURL(resolve(process.argv[1])).href);
	}
}

export async function load(url, context, nextLoad) {
	if (!url.startsWith('file:') || !url.endsWith('.ts')) return nextLoad(url, context);
	// Workers may load this file too, and have nothing to transform.
	const { transform } = await import('esbuild');
	const path = fileURLToPath(url);
	const { code } = await transform(await readFile(path, 'utf8'), {
		loader: 'ts',
		target: 'node20',
		sourcefile: path,
		sourcemap: 'inline',
		tsconfigRaw: { compilerOptions: { verbatimModuleSyntax: true } },
	});
	return { format: 'module', shortCircuit: true, source: code };
}
