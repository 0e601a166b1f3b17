/**
 * Makes a clone ready: installs and builds when that was not done for the present lock file and sources.
 * `npm test`, `npm run demo` and `npm run verify` begin with it, so that none needs a step before it.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
	console.error(`Node ${process.versions.node} is too old: hef-language-server needs 20.19 or newer.`);
	process.exit(1);
}

/** Lock files agree when every package of ours is in npm's record of what it installed, at the same version. */
function isInstalled() {
	const record = join(root, 'node_modules', '.package-lock.json');
	if (!existsSync(record)) return false;
	if (statSync(record).mtimeMs >= statSync(join(root, 'package-lock.json')).mtimeMs) return true;
	const installed = JSON.parse(readFileSync(record, 'utf8')).packages;
	const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
	return Object.entries(wanted).every(([path, entry]) => path === '' || entry.optional || installed[path]?.version === entry.version);
}

function run(args) {
	const result = spawnSync('npm', args, { cwd: root, stdio: ['ignore', 2, 2], shell: process.platform === 'win32' });
	if (result.status !== 0) process.exit(result.status ?? 1);
}

if (!isInstalled()) run(['ci', '--no-progress']);
run(['run', '--silent', 'build']);
