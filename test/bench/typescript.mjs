/**
 * Lets plain Node run the TypeScript of tests and benchmarks: `node --import ./test/bench/typescript.mjs FILE.ts`. Types are
 * erased, nothing is checked and nothing is bundled, so that what is measured runs as it does in the built server.
 */
import { readFile } from 'node:fs/promises';
import { register } from 'node:module';
import { fileURLToPath } from 'node:url';
import { isMainThread } from 'node:worker_threads';

// Node loads this file a second time, in the thread of its hooks; workers inherit those.
if (isMainThread) register(import.meta.url);

export async function load(url, context, nextLoad) {
	if (!url.startsWith('file:') || !url.endsWith('.ts')) return nextLoad(url, context);
	// Workers load this file too, and have nothing to transform: what they measure must not wait for it.
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
