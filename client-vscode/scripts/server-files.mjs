/**
 * What a `.vsix` needs to bring its own server to this platform: the built server, the default bundle, and every package that
 * the server needs at run time, native ones for this platform only. Needs a build, bundle included, and throws without one.
 */
import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const BUNDLE = 'hef-nano';

/** Sources, types, maps and papers; licences stay. */
const NOT_RUN = /\.(?:map|md|markdown|[cm]?ts|cc|cpp|h|hpp|gyp|tsbuildinfo|ya?ml)$|^(?:tests?|docs)\/|(?:^|\/)\./;
/** Files of single packages that nothing reads at run time, by their path in the package. */
const LEFT_OUT = {
	'hef-shared': /^(?!dist\/|package\.json$|LICENSE)/,
	'hnswlib-node': /^src\/|^build\/(?!Release\/addon\.node$)/,
	lmdb: /^(?:src|dependencies|bin)\/|^rollup/,
	// Headers for compiling, and what the install script of onnxruntime-node downloads with.
	'node-addon-api': /./,
	'adm-zip': /./,
	'global-agent': /./,
	'onnxruntime-node': new RegExp(`^(?:script|lib)/|^bin/(?!napi-v\\d+/${process.platform}/${process.arch}/)`),
	'web-tree-sitter': /^debug\//,
};

/** @returns {[path: string, content: Buffer][]} paths below the extension's folder */
export function serverFiles() {
	const packages = packagesOf(join(root, 'server'));
	if (!existsSync(join(root, 'server', 'dist', 'start.js'))) throw new Error('server/dist/start.js is not built: run npm run build');
	return [
		...filesOf(join(root, 'server'), (path) => /^(?:bin|dist)\//.test(path) || path === 'package.json').map(inFolder('server')),
		...filesOf(join(root, 'models', BUNDLE), () => true).map(inFolder(`server/models/${BUNDLE}`)),
		...packages.flatMap(({ name, place, folder }) => {
			const leftOut = LEFT_OUT[name] ?? /^$/;
			return filesOf(folder, (path) => !leftOut.test(path)).map(inFolder(place));
		}),
	];
}

const inFolder =
	(folder) =>
	([path, content]) => [`${folder}/${path}`, content];

/** The packages that one needs at run time, those that are installed, with the ones that they need. */
function packagesOf(folder, found = new Map()) {
	const { dependencies = {}, optionalDependencies = {} } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
	for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
		const installed = findPackage(name, folder);
		if (installed === undefined && !(name in optionalDependencies)) throw new Error(`${name} is not installed: run npm ci`);
		if (installed === undefined || found.has(installed)) continue;
		const place = relative(root, installed)
			.split(sep)
			.join('/')
			.replace(/^(?:server\/)?/, 'server/');
		found.set(installed, { name, place, folder: realpathSync(installed) });
		if (!LEFT_OUT[name]?.test('package.json')) packagesOf(installed, found);
	}
	return [...found.values()];
}

/** As Node looks for it. */
function findPackage(name, from) {
	for (let folder = from; ; folder = dirname(folder)) {
		const candidate = join(folder, 'node_modules', name);
		if (existsSync(join(candidate, 'package.json'))) return candidate;
		if (folder === dirname(folder)) return undefined;
	}
}

/** Files that run, below a folder, other packages inside it left out. */
function filesOf(folder, takes) {
	return readdirSync(folder, { recursive: true, encoding: 'utf8' })
		.map((path) => path.split(sep).join('/'))
		.filter((path) => !path.includes('node_modules/') && !NOT_RUN.test(path) && takes(path) && statSync(join(folder, path)).isFile())
		.sort()
		.map((path) => [path, readFileSync(join(folder, path))]);
}
