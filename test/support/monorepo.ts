/**
 * Synthetic monorepos of any size: TypeScript and Python that parses, imports what other files export, and comes in files and
 * functions as long as real ones. Deterministic: a file's text depends on seed, place and edits alone, so that any file can be
 * made without the others.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createRandom, type Random } from './random.ts';

export interface MonorepoOptions {
	files: number;
	seed: number;
	/** Share of Python files, 0–1. Default 0.4. */
	python?: number;
}

export interface Monorepo {
	/** Relative, with `/`; every directory holds at most a few dozen files. */
	readonly paths: readonly string[];
	/**
	 * Text of the file with this number.
	 * @param revision another number, another body of one function; signatures, imports and the other functions stay. Default 0
	 */
	text(file: number, revision?: number): string;
	/** Writes all files below a folder. */
	writeTo(folder: string): void;
}

const NOUNS = (
	'account address batch buffer cart channel cluster column cursor customer digest event filter frame graph group invoice job label ' +
	'ledger lease message metric module node offer order owner packet parser payment plan policy price queue quota record region report ' +
	'request route rule sample schema segment session shard signal snapshot source stream table target task tenant ticket token trace user vector'
).split(' ');
const VERBS =
	'apply archive assign build cancel check collect compare compute create decode delete encode expand fetch filter find flush format group handle index insert join list load lock map mark measure merge move normalize parse patch publish read rebuild reduce refresh release remove render resolve restore retry route sample save scan schedule select send sort split store sync trim update validate verify visit watch write'.split(
		' ',
	);
const AREAS =
	'api auth billing cache catalog cli core data events export import jobs mail model net orders query render search sync ui'.split(' ');

const FILES_PER_DIRECTORY = 24;
const DIRECTORIES_PER_PACKAGE = 6;

export function createMonorepo({ files, seed, python = 0.4 }: MonorepoOptions): Monorepo {
	const places = Array.from({ length: files }, (_, file) => placeOf(file, seed, python));
	const text = (file: number, revision = 0) => {
		const place = places[file] as Place;
		const random = createRandom(place.seed);
		const imported = Array.from({ length: Math.min(2 + random.below(5), files - 1) }, () => places[random.below(files)] as Place);
		const write = place.language === 'python' ? pythonFile : typescriptFile;
		return write(place, new Set(imported.filter((other) => other !== place && other.language === place.language)), random, revision);
	};
	return {
		paths: places.map(({ path }) => path),
		text,
		writeTo(folder) {
			const made = new Set<string>();
			for (const [file, { path }] of places.entries()) {
				const target = join(folder, path);
				if (!made.has(dirname(target))) mkdirSync(dirname(target), { recursive: true });
				made.add(dirname(target));
				writeFileSync(target, text(file));
			}
		},
	};
}

interface Place {
	path: string;
	language: 'typescript' | 'python';
	/** What other files import: a type and its factory. */
	type: string;
	seed: number;
}

function placeOf(file: number, seed: number, python: number): Place {
	const directory = Math.floor(file / FILES_PER_DIRECTORY);
	const group = Math.floor(directory / DIRECTORIES_PER_PACKAGE);
	const packageRandom = createRandom(seed * 31 + group);
	const language = packageRandom.next() < python ? 'python' : 'typescript';
	const packageWords = [packageRandom.pick(NOUNS), `${packageRandom.pick(AREAS)}${group}`];
	const area = `${createRandom(seed * 37 + directory).pick(AREAS)}${directory % DIRECTORIES_PER_PACKAGE}`;
	const random = createRandom(seed * 41 + file);
	const words = [random.pick(NOUNS), random.pick(NOUNS)];
	const type = `${words.map(capital).join('')}${file}`;
	const name =
		language === 'python'
			? `services/${packageWords.join('_')}/${area}/${words.join('_')}_${file}.py`
			: `packages/${packageWords.join('-')}/src/${area}/${words.join('-')}-${file}.ts`;
	return { path: name, language, type, seed: seed * 1_000_003 + file };
}

/** As many functions as files have: most a few, some many. */
function functionCount(random: Random): number {
	return 2 + Math.floor(3 * Math.exp(0.8 * random.normal()));
}

/** The function that an edit changes. */
function editedFunction(count: number): number {
	return count >> 1;
}

function typescriptFile(place: Place, imported: ReadonlySet<Place>, random: Random, revision: number): string {
	const count = functionCount(random);
	const others = [...imported];
	const lines = others.map(({ path, type }) => `import { create${type}, type ${type} } from '${relativeImport(place.path, path)}';`);
	const fields = Array.from({ length: 2 + random.below(5) }, (_, i) => `${random.pick(NOUNS)}${i}`);
	lines.push('', `/** ${sentence(random)} */`, `export interface ${place.type} {`);
	for (const field of fields)
		lines.push(`\t/** ${sentence(random)} */`, `\treadonly ${field}: ${random.pick(['number', 'string', 'readonly string[]'])};`);
	lines.push(
		'}',
		'',
		`export function create${place.type}(fields: ${place.type}): ${place.type} {`,
		'\treturn Object.freeze({ ...fields });',
		'}',
	);
	for (let i = 0; i < count; i++) {
		const name = `${random.pick(VERBS)}${capital(random.pick(NOUNS))}${i}`;
		const other = others.length > 0 ? random.pick(others).type : place.type;
		lines.push('', '/**', ` * ${sentence(random)}`, ` * ${sentence(random)}`, ' */');
		lines.push(`export function ${name}(input: ${other}, limit = ${random.below(900)}): string[] {`, '\tconst found: string[] = [];');
		for (const statement of statements(random, i === editedFunction(count) ? revision : 0)) {
			lines.push(`\tconst ${statement.name} = ${statement.call}(input, ${statement.value});`);
			lines.push(
				`\tif (${statement.name}.length > limit) {`,
				`\t\tfound.push(\`${statement.name} \${limit} ${random.pick(NOUNS)}\`);`,
				'\t}',
			);
		}
		lines.push('\treturn found;', '}');
	}
	return `${lines.join('\n')}\n`;
}

function pythonFile(place: Place, imported: ReadonlySet<Place>, random: Random, revision: number): string {
	const count = functionCount(random);
	const lines = [`"""${sentence(random)}"""`, 'from __future__ import annotations', '', 'from dataclasses import dataclass', ''];
	for (const { path, type } of imported) lines.push(`from ${moduleOf(path)} import ${type}`);
	lines.push('', '', '@dataclass(frozen=True)', `class ${place.type}:`, `    """${sentence(random)}"""`, '');
	for (let i = 0; i < 3 + random.below(4); i++) lines.push(`    ${random.pick(NOUNS)}_${i}: ${random.pick(['int', 'str', 'list[str]'])}`);
	for (let i = 0; i < count; i++) {
		lines.push(
			'',
			`    def ${random.pick(VERBS)}_${random.pick(NOUNS)}_${i}(self, source: list[str], limit: int = ${random.below(900)}) -> list[str]:`,
		);
		lines.push(`        """${sentence(random)}`, '', `        ${sentence(random)}`, '        """', '        found: list[str] = []');
		for (const statement of statements(random, i === editedFunction(count) ? revision : 0)) {
			lines.push(`        ${statement.name} = ${statement.call}(source, ${statement.value})`);
			lines.push(
				`        if len(${statement.name}) > limit:`,
				`            found.append(f"${statement.name} {limit} ${random.pick(NOUNS)}")`,
			);
		}
		lines.push('        return found');
	}
	return `${lines.join('\n')}\n`;
}

/** 2 to 12 of them; a revision changes only numbers, so that what follows in the file stays. */
function statements(random: Random, revision: number): { name: string; call: string; value: number }[] {
	return Array.from({ length: 2 + random.below(11) }, (_, i) => ({
		name: `${random.pick(NOUNS)}${i}`,
		call: `${random.pick(VERBS)}${capital(random.pick(NOUNS))}`,
		value: random.below(1000) + revision * 1000,
	}));
}

function sentence(random: Random): string {
	return `${capital(random.pick(VERBS))} the ${random.pick(NOUNS)} ${random.pick(['of', 'for', 'before', 'after', 'with'])} each ${random.pick(NOUNS)} ${random.pick(NOUNS)}.`;
}

function capital(word: string): string {
	return word.charAt(0).toUpperCase() + word.slice(1);
}

function relativeImport(from: string, to: string): string {
	const up = from.split('/').length - 1;
	return `${'../'.repeat(up)}${to}`;
}

function moduleOf(path: string): string {
	return path.slice(0, -'.py'.length).replaceAll('/', '.');
}
