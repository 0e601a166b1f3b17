/**
 * Indexes each repository below a folder with the built server: once from nothing, once unchanged, once after one line of one
 * function was edited; prints the counts of each and fails when an unchanged repository embeds anything, or when an edit costs
 * more than its own chunks and its path to the root.
 *
 * Usage: node test/bench/index-repositories.mjs REPOS_DIR
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const server = fileURLToPath(new URL('../../server/bin/hef-language-server.js', import.meta.url));
const [repos] = process.argv.slice(2);
if (!repos) {
	console.error('Usage: node test/bench/index-repositories.mjs REPOS_DIR');
	process.exit(2);
}
const work = mkdtempSync(join(tmpdir(), 'hef-repositories-'));
let failures = 0;

function index(folder) {
	const { status, stdout, stderr } = spawnSync(process.execPath, [server, 'index', folder, '--cache', join(work, 'cache'), '--json'], {
		encoding: 'utf8',
		maxBuffer: 1e8,
	});
	if (status !== 0) throw new Error(stderr);
	return JSON.parse(stdout);
}

/** Adds a statement's worth of text to the first line that opens a function; returns the edited path. */
function editOneFunction(folder) {
	const files = readdirSync(folder, { recursive: true })
		.filter((path) => /\.(ts|py|js)$/.test(path) && !path.includes('node_modules') && statSync(join(folder, path)).isFile())
		.sort();
	for (const path of files) {
		const text = readFileSync(join(folder, path), 'utf8');
		const opener = /^(?:export )?(?:async )?function \w+\([^)\n]*\)[^\n]*\{\n|^def \w+\([^)\n]*\)[^\n]*:\n/m.exec(text);
		if (!opener || text.length > 200_000) continue;
		const at = opener.index + opener[0].length;
		writeFileSync(join(folder, path), `${text.slice(0, at)}    edited_by_the_check = 1\n${text.slice(at)}`);
		return path;
	}
	return undefined;
}

console.log('repository                       files  chunks  nodes  cold s  again: embedded ms  edit: embedded fused ms');
for (const name of readdirSync(repos).sort()) {
	const folder = join(work, name);
	cpSync(join(repos, name), folder, { recursive: true });
	const cold = index(folder);
	const again = index(folder);
	const edited = editOneFunction(folder);
	const edit = edited ? index(folder) : undefined;
	const depth = (edited ?? '').split('/').length;
	const update = edit?.lastUpdate;
	console.log(
		[
			name.padEnd(32),
			String(cold.files).padStart(5),
			String(cold.chunks).padStart(7),
			String(cold.nodes).padStart(6),
			(cold.lastUpdate.durationMs / 1000).toFixed(1).padStart(7),
			String(again.lastUpdate.chunksEmbedded).padStart(16),
			String(again.lastUpdate.durationMs).padStart(3),
			String(update?.chunksEmbedded ?? '-').padStart(15),
			String(update?.nodesFused ?? '-').padStart(5),
			String(update?.durationMs ?? '-').padStart(3),
		].join(' '),
	);
	// A container of n members is about log5(n) levels deep; twice that for each container on the path is generous.
	const bound = depth * 10 + 10;
	if (again.lastUpdate.chunksEmbedded !== 0 || (update && (update.chunksEmbedded > 3 || update.nodesFused > bound))) {
		failures++;
		console.log(`  ^ more work than the change explains`);
	}
	rmSync(folder, { recursive: true });
}
rmSync(work, { recursive: true });
console.log(failures === 0 ? 'every repository: unchanged costs nothing, an edit costs its path' : `${failures} repositories failed`);
process.exit(failures === 0 ? 0 : 1);
