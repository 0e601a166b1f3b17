#!/usr/bin/env node
import module from 'node:module';
import { join } from 'node:path';
import { defaultCacheFolder } from '../dist/base/default-cache-folder.js';

// Compiled code from one start to the next, where Node keeps it (22.1 and newer).
module.enableCompileCache?.(join(defaultCacheFolder(), 'compiled'));
const { main } = await import('../dist/start.js');
process.exitCode = await main(process.argv.slice(2));
