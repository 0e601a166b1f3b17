/**
 * Finds a model bundle on disk and checks all of it before any model runs.
 *
 * Guarantees: what {@link loadBundle} returns has a valid manifest, and every file it names is there with the right size and
 * SHA-256. Of a damaged bundle every problem is reported at once. Deliberately lacks: loading of models (`models.ts`), and
 * any download.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { isAbsolute, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { BundleReport } from 'hef-shared';
import { HefError, messageOf } from '../base/errors.ts';
import { hashText, type SpaceId } from '../base/ids.ts';
import { bundleNotices, type Manifest, parseManifest, referencedFiles } from './manifest.ts';

const DEFAULT_BUNDLE = 'hef-nano';
const MANIFEST_FILE = 'manifest.json';
/** Raise it when the rules of chunking or of the hierarchy change: vectors made under other rules are then not mixed. */
const RULES_VERSION = 2;
const HOW_TO_REPAIR = 'Copy the bundle again, or export it anew (models/README.md).';

export interface Bundle {
	/** Absolute. */
	folder: string;
	manifest: Manifest;
	/** 16 hex digits that name the content of all files. */
	bundleId: string;
	/** Names the vectors of embedder and fuser. A bundle with another generator alone keeps it, and with it the index. */
	spaceId: SpaceId;
	/** Absolute path of one of the bundle's files. */
	path(file: string): string;
}

/**
 * Folder of a bundle by the setting's value: a name that a search folder holds, or an absolute path.
 * @param setting empty for {@link DEFAULT_BUNDLE}
 * @param searchFolders folders whose sub-folders are bundles, the first first
 * @throws HefError `bundle-missing`, with the names of the bundles that are there
 */
export async function resolveBundle(setting: string, searchFolders: readonly string[]): Promise<string> {
	const name = setting || DEFAULT_BUNDLE;
	const candidates = isAbsolute(name) ? [name] : searchFolders.map((folder) => join(folder, name));
	for (const candidate of candidates) if (await isFile(join(candidate, MANIFEST_FILE))) return resolve(candidate);
	const names = await bundleNames(searchFolders);
	const there = names.length > 0 ? `Bundles that are there: ${names.join(', ')}.` : `No bundle lies in ${searchFolders.join(' or ')}.`;
	const looked = isAbsolute(name) ? `the folder holds no ${MANIFEST_FILE}.` : 'there is no bundle of that name.';
	throw new HefError(
		'bundle-missing',
		`Model bundle '${name}' was not found: ${looked} ${there} Set 'hef.bundle' (--bundle) to one of them or to a bundle's folder, as an absolute path; models/README.md says how one is made.`,
	);
}

/** What of a bundle goes from one thread to another, which need not read and check all of its files again. */
export type CheckedBundle = Pick<Bundle, 'folder' | 'manifest'>;

/** A bundle that {@link loadBundle} has checked in another thread. */
export function bundleOf({ folder, manifest }: CheckedBundle): Bundle {
	return {
		folder,
		manifest,
		bundleId: bundleIdOf(manifest),
		spaceId: spaceIdOf(manifest),
		path: (file) => join(folder, file),
	};
}

/**
 * Reads and checks a bundle.
 * @throws HefError `bundle-missing` when the folder holds no manifest, `bundle-invalid` with every problem otherwise
 */
export async function loadBundle(folder: string): Promise<Bundle> {
	const absolute = resolve(folder);
	const manifest = parseOrThrow(absolute, await readManifest(absolute));
	const problems = [...referenceProblems(manifest), ...(await fileProblems(absolute, manifest))];
	if (problems.length > 0) throw invalid(absolute, problems);
	return bundleOf({ folder: absolute, manifest });
}

/** What a status says of a bundle. */
export function describeBundle({ bundleId, manifest }: Bundle): BundleReport {
	const notices = bundleNotices(manifest).map(({ detail }) => detail);
	return { id: bundleId, name: manifest.name, ...(notices.length > 0 ? { notices } : {}) };
}

/** First 16 hex digits of SHA-256 over the sorted lines `<file> <sha256>`, as models/README.md defines a bundle's id. */
function bundleIdOf({ files }: Manifest): string {
	const lines = Object.keys(files)
		.sort()
		.map((name) => `${name} ${files[name]?.sha256}\n`);
	return hashText(lines.join('')).slice(0, 16);
}

function spaceIdOf({ files, embedder, fuser }: Manifest): SpaceId {
	const content = [embedder.tokenizer.file, embedder.file, fuser.file].map((file) => files[file]?.sha256);
	const recipe = [embedder.maxTokens, ...embedder.append, fuser.arity];
	return hashText([`rules ${RULES_VERSION}`, ...content, ...recipe].join('\n')) as SpaceId;
}

async function readManifest(folder: string): Promise<string> {
	try {
		return await readFile(join(folder, MANIFEST_FILE), 'utf8');
	} catch (cause) {
		const message = `${folder} holds no readable ${MANIFEST_FILE}: ${messageOf(cause)}. Set 'hef.bundle' (--bundle) to a bundle's folder; models/README.md says how one is made.`;
		throw new HefError('bundle-missing', message, { cause });
	}
}

function parseOrThrow(folder: string, text: string): Manifest {
	let value: unknown;
	try {
		value = JSON.parse(text);
	} catch (cause) {
		throw invalid(folder, [`${MANIFEST_FILE} is not JSON: ${messageOf(cause)}`], { cause });
	}
	const { manifest, problems } = parseManifest(value);
	if (!manifest) throw invalid(folder, problems);
	return manifest;
}

function referenceProblems(manifest: Manifest): string[] {
	return referencedFiles(manifest)
		.filter(({ file }) => !Object.hasOwn(manifest.files, file))
		.map(({ field, file }) => `${field}: '${file}' is not listed in files`);
}

async function fileProblems(folder: string, { files }: Manifest): Promise<string[]> {
	const found = await Promise.all(
		Object.entries(files).map(async ([name, entry]) => {
			const path = join(folder, name);
			const size = await stat(path).then(
				(stats) => (stats.isFile() ? stats.size : undefined),
				() => undefined,
			);
			if (size === undefined) return `${name}: the file is missing`;
			if (size !== entry.sizeBytes) return `${name}: has ${size} bytes, the manifest says ${entry.sizeBytes}`;
			const sha256 = await sha256OfFile(path);
			return sha256 === entry.sha256 ? undefined : `${name}: its SHA-256 is ${sha256}, the manifest says ${entry.sha256}`;
		}),
	);
	return found.filter((problem) => problem !== undefined);
}

async function sha256OfFile(path: string): Promise<string> {
	const hash = createHash('sha256');
	await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
	return hash.digest('hex');
}

async function bundleNames(searchFolders: readonly string[]): Promise<string[]> {
	const names = new Set<string>();
	for (const folder of searchFolders) {
		for (const name of await readdir(folder).catch(() => [])) {
			if (!name.startsWith('.') && (await isFile(join(folder, name, MANIFEST_FILE)))) names.add(name);
		}
	}
	return [...names].sort();
}

function isFile(path: string): Promise<boolean> {
	return stat(path).then(
		(stats) => stats.isFile(),
		() => false,
	);
}

function invalid(folder: string, problems: readonly string[], options?: ErrorOptions): HefError {
	const list = problems.map((problem) => `\n  - ${problem}`).join('');
	return new HefError('bundle-invalid', `The model bundle in ${folder} cannot be used:${list}\n${HOW_TO_REPAIR}`, options);
}
