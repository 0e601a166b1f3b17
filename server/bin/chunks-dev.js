#!/usr/bin/env node
// Stand-in until `hef-language-server chunks` is there: chunks-dev.js [chunks] --tokenizer FILE DIR
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Tokenizer } from '@huggingface/tokenizers';
import { createChunker } from '../dist/chunking/chunker.js';
import { runChunks } from '../dist/cli/chunks.js';

const { values, positionals } = parseArgs({ options: { tokenizer: { type: 'string' } }, allowPositionals: true });
const folder = positionals.at(-1);
const tokenizer = new Tokenizer(JSON.parse(readFileSync(values.tokenizer, 'utf8')), {});
const countTokens = (text) => tokenizer.encode(text, { add_special_tokens: false }).ids.length;
const SOURCE =
	/\.(tsx?|[mc]ts|jsx?|[mc]js|pyi?|java|go|rs|c|h|cc|cpp|cxx|hh|hpp|cs|rb|php|kt|swift|scala|sh|lua|md|json|ya?ml|toml|css|html|sql)$/;
const files = (prefix) =>
	readdirSync(join(folder, prefix), { withFileTypes: true }).flatMap((entry) => {
		const path = prefix ? `${prefix}/${entry.name}` : entry.name;
		if (entry.name.startsWith('.') || ['node_modules', 'dist', 'vendor'].includes(entry.name)) return [];
		if (entry.isDirectory()) return files(path);
		return entry.isFile() && SOURCE.test(entry.name) && statSync(join(folder, path)).size <= 1_000_000 ? [path] : [];
	});
const workspace = {
	list: async () =>
		files('')
			.sort()
			.map((path) => ({ path })),
	async read(path) {
		const bytes = readFileSync(join(folder, path));
		if (bytes.subarray(0, 8192).includes(0)) return { kind: 'skipped', reason: 'binary' };
		try {
			return { kind: 'text', text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
		} catch {
			return { kind: 'skipped', reason: 'notUtf8' };
		}
	},
};
await runChunks({ workspace, chunker: createChunker({ countTokens }), out: (line) => process.stdout.write(`${line}\n`) });
