#!/usr/bin/env node
import module from 'node:module';
import { join } from 'node:path';
import { COMPILED_FOLDER, defaultCacheFolder } from '../dist/base/default-cache-folder.js';

// A server's compiled code from one start to the next, where Node keeps it (22.8 and newer). The settings are not known yet: whoever
// starts it names another folder as Node has it. Commands keep none, so that nothing comes back behind `clear`.
if (/^--(?:stdio|socket|pipe)/.test(process.argv[2] ?? ''))
	module.enableCompileCache?.(process.env.NODE_COMPILE_CACHE || join(defaultCacheFolder(), COMPILED_FOLDER));
const { main } = await import('../dist/start.js');
process.exitCode = await main(process.argv.slice(2));
