import type { RetrievedNode } from 'hef-shared';
import { describe, expect, test } from 'vitest';
import type { NodeId } from '../../server/base/ids.ts';
import { lastTokens } from '../../server/completion/context.ts';
import { selectEntities } from '../../server/completion/entities.ts';
import { importedFiles, importedNames } from '../../server/completion/imports.ts';
import { createNameUses, type NameUses } from '../../server/completion/name-uses.ts';
import { buildPrompt, contextPositions, cutWindows } from '../../server/completion/prompt.ts';
import type { Occurrence } from '../../server/hierarchy/types.ts';
import { createJaccardIndex } from '../../server/retrieval/jaccard.ts';
import { PathIndex } from '../../server/retrieval/path-index.ts';
import { retrieve, type SearchableView } from '../../server/retrieval/retriever.ts';
import type { FileRecord } from '../../server/store/types.ts';
import { createByteTokenizer } from '../support/byte-tokenizer.ts';
import { createRandom } from '../support/random.ts';
import { openModels, shippedBundleFolder } from '../support/tiny-bundle.ts';

const tokenizer = createByteTokenizer();
const layout = {
	pseudoTokens: { max: 4 },
	snippets: { max: 32, before: [250], separator: '\n' },
	entities: { max: 16, before: [251], separator: ' ' },
	suffix: { max: 12, before: [252, 253] },
	prefix: { max: 101, before: [254] },
};

describe('prompt layout', () => {
	test('what typing changes stands last', () => {
		const windows = cutWindows({ prefix: 'let a', suffix: ';', layout }, tokenizer);
		const prompt = buildPrompt(
			windows,
			{ pseudoTokens: { keys: ['n1'], embeddings: new Float32Array(2) }, entities: ['Foo', 'bar'] },
			layout,
			tokenizer,
		);
		expect(prompt.parts[0]).toMatchObject({ kind: 'embeddings', keys: ['n1'] });
		expect(prompt.parts[1]).toEqual({
			kind: 'tokens',
			ids: [251, ...tokenizer.encode('Foo bar'), 252, 253, ...tokenizer.encode(';'), 254, ...tokenizer.encode('let a')],
		});
		expect(prompt.tokens).toEqual({ pseudo: 1, snippets: 0, entities: 8, suffix: 3, prefix: 6 });
	});

	test('no segment exceeds its budget', () => {
		const windows = cutWindows({ prefix: 'x'.repeat(5000), suffix: 'y'.repeat(5000), layout }, tokenizer);
		const { tokens } = buildPrompt(
			windows,
			{ snippets: [{ path: 'z.ts', text: 'z'.repeat(500) }], entities: ['e'.repeat(500)] },
			layout,
			tokenizer,
		);
		expect(tokens).toEqual({ pseudo: 0, snippets: 32, entities: 16, suffix: 12, prefix: 101 });
	});

	test('the prefix window gives way to compressed context, and not to raw snippets', () => {
		const limited = { ...layout, total: 113 };
		const text = 'x'.repeat(5000);
		const positions = (mode: 'none' | 'hef' | 'llavacode' | 'snippets', suffix = text) => {
			const windows = cutWindows(
				{ prefix: text, suffix, layout: limited, context: contextPositions({ context: mode }, limited) },
				tokenizer,
			);
			const keys = ['n1', 'n2', 'n3', 'n4'];
			const pseudoTokens = { keys, embeddings: new Float32Array(8) };
			const context = {
				none: {},
				hef: { pseudoTokens, entities: ['e'.repeat(500)] },
				llavacode: { pseudoTokens },
				snippets: { snippets: [{ path: 'z.ts', text: 'z'.repeat(500) }] },
			};
			const { tokens } = buildPrompt(windows, context[mode], layout, tokenizer);
			return { ...tokens, all: tokens.pseudo + tokens.snippets + tokens.entities + tokens.suffix + tokens.prefix };
		};
		expect([positions('hef').all, positions('llavacode').all, positions('none').all]).toEqual([113, 113, 113]);
		expect(positions('snippets').all).toBe(113 + layout.snippets.max);
		// What the suffix that is there does not take stays the prefix's.
		expect([positions('hef').prefix, positions('hef', 'yyyy').prefix, positions('hef', '').prefix]).toEqual([81, 87, 91]);
		expect([positions('llavacode').prefix, positions('llavacode', '').prefix]).toEqual([97, 101]);
		expect(contextPositions({ context: 'hef', without: ['entities'] }, limited)).toBe(limited.pseudoTokens.max);
	});

	test('the window start holds while lines are typed, and moves in steps', () => {
		const line = 'abcdefg\n';
		const starts = Array.from({ length: 40 }, (_, n) => cutWindows({ prefix: line.repeat(n), suffix: '', layout }, tokenizer).prefixStart);
		const moves = starts.filter((start, n) => n > 0 && start !== starts[n - 1]);
		expect(moves.length).toBeLessThanOrEqual(5);
		for (const [n, start] of starts.entries()) expect(n * line.length - start).toBeLessThanOrEqual(100);
	});
});

describe('entities', () => {
	const record = (...names: string[]): FileRecord =>
		({ entities: names.map((name, line) => ({ name, line })), chunks: [] }) as unknown as FileRecord;
	const records = new Map([
		['src/store.ts', record('Store', 'Store.get', 'openStore')],
		['src/deep/store.ts', record('DeepStore')],
		['src/util.ts', record('clamp', 'noise')],
		['src/open.ts', record('Open')],
	]);
	const paths = new PathIndex();
	for (const path of records.keys()) paths.add(path);
	const files = {
		file: (path: string) => records.get(path),
		filesOfModule: (name: string) => paths.ofModule(name),
		filesBeside: (path: string) => paths.beside(path),
	};
	const node = (path: string, startLine: number, endLine: number): RetrievedNode => ({
		level: 'chunk',
		path,
		startLine,
		endLine,
		score: 1,
	});
	const select = (prefix: string, options: { nodes?: RetrievedNode[]; visible?: string; maxTokens?: number; names?: NameUses } = {}) =>
		selectEntities({ nodes: [], visible: '', maxTokens: 64, ...options, prefix, path: 'src/open.ts', files, tokenizer, separator: ' ' });

	test('imported names come first, then members of imported classes, the imported file, retrieved nodes, the directory', () => {
		expect(select("import { Store } from './store.js';\n", { nodes: [node('src/deep/store.ts', 0, 0)] })).toEqual([
			'Store',
			'get',
			'openStore',
			'DeepStore',
			'clamp',
			'noise',
		]);
	});

	test('visible names and names of the open file are left out', () => {
		const names = select("import x from './store'", { visible: 'x = openStore(1)', nodes: [node('src/open.ts', 0, 9)] });
		expect(names).toEqual(['Store', 'get', 'clamp', 'noise']);
	});

	test('names that many files use come before those that few use', () => {
		const names = createNameUses();
		for (const path of ['a', 'b', 'c']) names.put(path, 'noise(1); noise(2)', ['clamp', 'noise']);
		expect(select('x', { names }).filter((name) => name === 'clamp' || name === 'noise')).toEqual(['noise', 'clamp']);
		expect(select('x').filter((name) => name === 'clamp' || name === 'noise')).toEqual(['clamp', 'noise']);
	});

	test('names that resemble the words at the cursor come first among equals', () => {
		expect(select("import x from './store'\nopenDoor(")[0]).toBe('x');
		expect(select("import './store'\nopenDoor(")[0]).toBe('openStore');
	});

	test('the index is asked for no file that has its names counted', () => {
		const names = createNameUses();
		for (const [path, { entities }] of records) {
			const defined = entities.map(({ name }) => name);
			names.put(
				path,
				defined.join(' '),
				defined,
				entities.map(({ line }) => line),
			);
		}
		const asked: string[] = [];
		const file = (path: string) => {
			asked.push(path);
			return records.get(path);
		};
		const prefix = "import { Store } from './store.js';\n";
		const options = { nodes: [node('lib/far.ts', 1, 1)], visible: '', maxTokens: 64, prefix, path: 'src/open.ts', names };
		const known = names.known;
		names.put('lib/far.ts', '', ['above', 'inside', 'below'], [0, 1, 2]);
		const list = selectEntities({ ...options, known, files: { ...files, file }, tokenizer, separator: ' ' });
		expect(list.slice(0, 4)).toEqual(['Store', 'get', 'openStore', 'inside']);
		expect(asked).toEqual([]);
	});

	test('the budget counts whole names', () => {
		expect(select("import './store'", { maxTokens: 19 })).toEqual(['Store', 'openStore']);
	});

	test.each([
		["import { a } from './store.js'", ['src/store.ts']],
		["const s = require('../deep/store')", ['src/store.ts']],
		['from src.util import clamp', ['src/util.ts']],
		['import src.util', ['src/util.ts']],
		["import './util'\nimport './store'", ['src/store.ts', 'src/util.ts']],
		['no imports at all', []],
	])('%j imports %j', (prefix, expected) => {
		expect(importedFiles(prefix, 'src/open.ts', files.filesOfModule)).toEqual(expected);
	});
});

test('files are found by module and directory as they come and go', () => {
	const paths = new PathIndex();
	for (const path of ['src/store.ts', 'src/deep/store.py', 'src/util/index.ts', 'main.ts', 'src/store.ts']) paths.add(path);
	expect([...paths.ofModule('store')]).toEqual(['src/store.ts', 'src/deep/store.py']);
	expect([...paths.ofModule('util')]).toEqual(['src/util/index.ts']);
	expect([[...paths.beside('src/new.ts')], [...paths.beside('new.ts')]]).toEqual([['src/store.ts'], ['main.ts']]);
	paths.delete('src/store.ts');
	paths.delete('src/store.ts');
	expect([...paths.ofModule('store')]).toEqual(['src/deep/store.py']);
	expect([...paths.beside('src/new.ts')]).toEqual([]);
	expect([...paths]).toEqual(['src/deep/store.py', 'src/util/index.ts', 'main.ts']);
});

test.each([
	["import { a, b as c } from 'x';\nimport type D from 'y';", ['D', 'a', 'b', 'c']],
	["const { join } = require('path');", ['join']],
	['from a.b import (\n  first,\n  second as third,\n)', ['first', 'second', 'third']],
	['use std::collections::{HashMap, HashSet};', ['HashMap', 'HashSet']],
	['import java.util.List;', ['List']],
	["import './polyfill';\nconst x = 1;", []],
])('%j imports the names %j', (text, expected) => {
	expect(importedNames(text)).toEqual(expected);
});

describe('name uses', () => {
	test('a file counts once for a name, and what it counted goes with it', () => {
		const names = createNameUses();
		names.put('a.ts', 'get get set', ['get']);
		names.put('b.ts', 'get', ['Store.set']);
		expect([names.uses('get'), names.uses('set'), names.uses('none')]).toEqual([2, 1, 0]);
		expect(names.common()).toEqual(['get', 'Store.set']);
		expect([...names.membersOf('Store', 'a.ts')]).toEqual(['Store.set']);
		expect([...names.membersOf('Store', 'b.ts')]).toEqual([]);
		names.put('a.ts', 'set set');
		names.put('b.ts', undefined);
		expect([names.uses('get'), names.uses('set'), names.definers('set')]).toEqual([0, 1, 0]);
		expect([...names.membersOf('Store', 'a.ts')]).toEqual([]);
	});

	test('the list of common definitions follows changes', () => {
		const names = createNameUses();
		for (let i = 0; i < 30; i++) names.put(`${i}`, `used${i % 3} used0`, [`used${i % 3}`]);
		expect(names.common()[0]).toBe('used0');
		for (let i = 0; i < 30; i++) names.put(`${i}`, 'used2', ['used2']);
		expect(names.common()).toEqual(['used2']);
	});
});

describe('the last tokens of a text', () => {
	const textOf = (words: readonly string[], length: number) => {
		const random = createRandom(length);
		let text = '';
		while (text.length < length) text += `${random.pick(words)}${random.below(9) ? ' ' : '\n\t\t'}`;
		return text;
	};
	test.each([
		['shorter than the window', ['a', 'bc', 'def'], 100],
		['of short words', ['a', 'bc', 'def', '+=', 'x1'], 20_000],
		['of long words that are a token each', ['function', 'return', 'string', 'export', 'import'], 20_000],
	])('are those of the whole text: %s', async (_, words, length) => {
		const text = textOf(words, length);
		const { tokenizer } = await openModels(shippedBundleFolder);
		let nRead = 0;
		const encode = (part: string) => {
			nRead += part.length;
			return tokenizer.encode(part);
		};
		for (let end = text.length; end > Math.max(0, text.length - 200); end -= 7) {
			nRead = 0;
			const prefix = text.slice(0, end);
			expect(lastTokens(prefix, 64, { encode }).slice(-64)).toEqual(tokenizer.encode(prefix).slice(-64));
			expect(nRead).toBeLessThanOrEqual(64 * 13);
		}
	});
});

describe('retrieval', () => {
	const id = (name: string) => name as NodeId;
	const places: Record<string, Occurrence[]> = {
		near: [{ level: 'chunk', path: 'a.ts', startLine: 0, endLine: 9 }],
		visible: [{ level: 'chunk', path: 'open.ts', startLine: 10, endLine: 19 }],
		sameFile: [{ level: 'chunk', path: 'open.ts', startLine: 100, endLine: 120 }],
		wrapper: [{ level: 'file', path: 'a.ts', startLine: 0, endLine: 9 }],
		folder: [{ level: 'directory', path: 'src', startLine: 0, endLine: 0 }],
	};
	const view: SearchableView = {
		search: (_, k, { filter = () => true } = {}) =>
			['near', 'visible', 'wrapper', 'sameFile', 'folder']
				.map(id)
				.filter(filter)
				.slice(0, k)
				.map((hit, i) => ({ id: hit, score: 1 - i / 10 })),
		occurrences: (node) => places[node] ?? [],
	};

	test('leaves out what the prompt shows and containers that repeat a chosen child', () => {
		const found = retrieve(view, new Float32Array(2), 4, { path: 'open.ts', startLine: 5, endLine: 30 });
		expect(found.map((hit) => hit.id)).toEqual(['near', 'sameFile', 'folder']);
	});

	test('at most k', () => {
		expect(retrieve(view, new Float32Array(2), 1, { path: 'open.ts', startLine: 0, endLine: 0 })).toHaveLength(1);
	});
});

describe('Jaccard index', () => {
	test('ranks by shared words over all words, and forgets groups', () => {
		const index = createJaccardIndex<string>();
		index.add('f1', 'same', 'alpha beta gamma');
		index.add('f1', 'half', 'alpha beta delta epsilon');
		index.add('f2', 'none', 'omega');
		expect(index.search('gamma alpha beta', 5)).toEqual([
			{ key: 'same', score: 1 },
			{ key: 'half', score: 2 / 5 },
		]);
		expect(index.search('alpha unknown', 1, (key) => key !== 'same')).toEqual([{ key: 'half', score: 1 / 5 }]);
		index.removeGroup('f1');
		expect(index.search('alpha', 5)).toEqual([]);
		expect(index.size).toBe(1);
	});
});
