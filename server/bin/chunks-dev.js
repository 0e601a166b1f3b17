#!/usr/bin/env node
// Stand-in until `hef-language-server chunks` is there: chunks-dev.js [chunks] --tokenizer FILE DIR
import { parseArgs } from 'node:util';
import { createChunker } from '../dist/chunking/chunker.js';
import { runChunks } from '../dist/cli/chunks.js';
import { loadTokenizer } from '../dist/inference/tokenizer.js';
import { createWorkspace } from '../dist/workspace/workspace.js';

const { values, positionals } = parseArgs({ options: { tokenizer: { type: 'string' } }, allowPositionals: true });
const { count } = await loadTokenizer(values.tokenizer, Number.MAX_SAFE_INTEGER);
const workspace = await createWorkspace(positionals.at(-1));
await runChunks({ workspace, chunker: createChunker({ countTokens: count }), out: (line) => process.stdout.write(`${line}\n`) });
