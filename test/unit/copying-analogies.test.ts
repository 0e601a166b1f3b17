/** Analogous lines: shapes, names that are replaced, the places that are found, and what they predict token by token. */
import { describe, expect, test } from 'vitest';
import { analogyFeatures, likelyTokens, modelDistribution } from '../../server/completion/mixing.ts';
import { AnalogyFinder, type AnalogyQuery } from '../../server/copying/analogies.ts';
import { type AnalogyPrediction, createAnalogySession } from '../../server/copying/analogy-session.ts';
import { createBlockTokenizer } from '../../server/copying/block-tokens.ts';
import { NO_SHAPE, Renaming, shapeOf } from '../../server/copying/line-shape.ts';
import { lineTable } from '../../server/copying/line-table.ts';
import { NameLists } from '../../server/copying/name-lists.ts';
import { createNgramIndex, type NgramIndex } from '../../server/copying/ngram-index.ts';
import { createByteTokenizer } from '../support/byte-tokenizer.ts';

const blocks = createBlockTokenizer(createByteTokenizer());

function put(index: NgramIndex, file: string, text: string): void {
	const tokens = blocks.encode(text);
	const work = lineTable(tokens, blocks);
	for (let step = work.next(); ; step = work.next()) {
		if (!step.done) continue;
		for (const _ of index.put(file, tokens, step.value));
		return;
	}
}

const find = (query: Partial<AnalogyQuery>) =>
	new AnalogyFinder(blocks).find({ before: '', after: '', path: 'open.ts', repository: undefined, ...query });
const texts = (query: Partial<AnalogyQuery>) => find(query).map(({ text }) => text);
const side = (shaped: number, literal = 0) => ({ shaped, literal, words: 1, familiarity: 1 });

describe('shapes', () => {
	test('lines that differ in names, numbers and width of white space have one shape', () => {
		const shape = shapeOf('const fooBar = load(path2, 10);');
		expect(shapeOf('const x  = größe(_y, 0x7f);')).toBe(shape);
		expect(shape).not.toBe(NO_SHAPE);
		for (const other of [
			'let fooBar = load(path2, 10);',
			'const fooBar = load(path2);',
			'const fooBar = load(path2, 10)',
			'const fooBar = load(return, 10);',
		])
			expect(shapeOf(other)).not.toBe(shape);
	});
});

describe('renaming', () => {
	const renaming = (...pairs: [string, string][]) => {
		const names = new Renaming();
		for (const [from, to] of pairs) names.learn(from, to);
		return names;
	};

	test('replaces names, their parts in every case, and numbers', () => {
		const names = renaming(['it("allows a game query", 1, () => {', 'it("allows a callback query", 2, () => {']);
		expect(names.applyTo('ctx.gameQuery = onGame(1, 11);')).toBe('ctx.callbackQuery = onCallback(2, 11);');
	});

	test('of parts that names have in common only the rest is replaced', () => {
		expect(renaming(['loadUserName()', 'loadOrderName()']).applyTo('saveUser(userName, load)')).toBe('saveOrder(orderName, load)');
		expect(renaming(['get_user_name()', 'get_fully_qualified_name()']).applyTo('user = None')).toBe('fully_qualified = None');
	});

	test('where all numbers move on by one step, those next to them do so too', () => {
		const names = renaming(['check("m2", 10, 0);', 'check("m3", 10, 0);']);
		expect(names.applyTo('check("m3", 10, 7);')).toBe('check("m4", 10, 7);');
		expect(names.applyTo('check("m2", 10, 0);')).toBe('check("m3", 10, 0);');
		expect(renaming(['get(file1, 1)', 'get(file3, 3)']).applyTo('get(file2, 2, 11)')).toBe('get(file4, 4, 11)');
		expect(renaming(['a(1, 2)', 'a(2, 2)']).applyTo('a(2, 3)')).toBe('a(2, 3)');
		expect(renaming(['add(1, 2)', 'add(2, 4)']).applyTo('add(2, 4)')).toBe('add(4, 4)');
	});

	test('goes on with the next name where one became the one behind it in a list', () => {
		const lists = new NameLists('constructor(name: string, width: number, height: number) {}\nconst [red, green] = colors;\n');
		const names = renaming(['this.name = name;', 'this.width = width;']);
		names.goOn(lists);
		expect(names.applyTo('this.width = width; setWidth(name)')).toBe('this.height = height; setHeight(width)');
		const last = renaming(['use(red);', 'use(green);']);
		last.goOn(lists);
		expect(last.applyTo('use(green);')).toBe('use(green);');
		const fixed = renaming(['add(name, width)', 'add(width, width)']);
		fixed.goOn(lists);
		expect(fixed.applyTo('add(width)')).toBe('add(width)');
	});

	test('what was learnt first stays, and reserved words are no names', () => {
		expect(renaming(['a = b', 'x = y'], ['a = c', 'z = w']).applyTo('return a + b + c')).toBe('return x + y + w');
		expect(renaming(['same(line)', 'same(line)']).isEmpty).toBe(true);
	});
});

describe('finding', () => {
	const block = (name: string) =>
		`describe('${name}', () => {\n\tconst ${name} = load('${name}');\n\texpect(${name}).toBeDefined();\n});\n\n`;
	const begun = "describe('beta', () => {\n\tconst beta = load('beta');\n";

	test('the line behind lines of the same shapes, with the names here', () => {
		expect(find({ before: block('alpha') + begun })[0]).toMatchObject({
			...{ text: 'expect(beta).toBeDefined();', before: { shaped: 2, literal: 0 }, inOpenFile: true },
			weight: expect.closeTo(1, 6),
		});
		expect(texts({ before: begun, after: block('alpha') })).toEqual(['expect(beta).toBeDefined();']);
		expect(texts({ before: begun })).toEqual([]);
		expect(texts({ before: '' })).toEqual([]);
	});

	test('with the lines behind it, indented as beside the cursor, down to the end of their block', () => {
		const body = 'if (alpha) {\n\tone(alpha);\n\n\t\ttwo();\n}\nend(alpha);\n';
		const source = (indentation: string) => `first(alpha, 1);\n${body}`.replaceAll(/^(?=.)/gm, indentation);
		const wanted = '\n  \tone(beta);\n\n  \t\ttwo();\n  }\n  end(beta);';
		const repository = createNgramIndex();
		put(repository, 'other.ts', `start();\n${source('\t')}outside();\n`);
		for (const query of [
			{ before: `start();\n${source('\t')}outside();\nfirst(beta, 1);\n` },
			{ before: 'first(beta, 1);\n', repository },
		]) {
			const [best] = find(query);
			expect([best?.text, best?.following('  ', 12), best?.following('  ', 1)]).toEqual(['if (beta) {', wanted, wanted.slice(0, 14)]);
		}
	});

	test('in the repository, but not in what the open file was when it was saved', () => {
		const repository = createNgramIndex();
		put(repository, 'other.ts', block('alpha'));
		put(repository, 'open.ts', block('alpha').replace('toBeDefined', 'toBeSaved'));
		expect(find({ before: begun, repository })).toMatchObject([{ text: 'expect(beta).toBeDefined();', inOpenFile: false }]);
		put(repository, 'other.ts', 'nothing();\n');
		expect(texts({ before: begun, repository })).toEqual([]);
	});

	test('longer likeness and the same words weigh more, and equal lines weigh together', () => {
		const places = `${block('one')}if (x) {\n\tconst two = load('two');\n\treturn two;\n}\n${block('three')}`;
		const found = find({ before: places + begun });
		expect(found.map(({ text }) => text)).toEqual(['expect(beta).toBeDefined();', 'return beta;']);
		expect(found[0]?.weight).toBeGreaterThan(2 * (found[1]?.weight ?? 1));
		expect(found.reduce((sum, { weight }) => sum + weight, 0)).toBeCloseTo(1, 9);
	});

	test('between lines like those around the cursor, with the names that stand behind it', () => {
		const one = 'enter();\nconst alpha = read(0);\ncheck(alpha, [alpha]);\n';
		const [first, ...others] = find({ before: `${one}enter();\n`, after: 'check(beta, [beta]);\n' });
		expect(first).toMatchObject({ text: 'const beta = read(0);', before: { shaped: 1 }, behind: { shaped: 1, literal: 0 } });
		expect(others).toEqual([]);
	});

	test('before lines like those behind the cursor, at the start of a file too', () => {
		const repository = createNgramIndex();
		put(repository, 'other.ts', 'import { alpha } from "alpha";\n\nexport class Alpha {\n');
		const [found] = find({ after: 'export class Beta {\n', repository });
		expect(found).toMatchObject({ text: 'import { beta } from "beta";', before: { shaped: 0, words: 0 }, behind: { shaped: 1 } });
		expect(found?.withFollowing('', 12)).toBe('');
	});

	test('places that are alike on both sides count more than those that are so before the cursor alone', () => {
		const repository = createNgramIndex();
		put(repository, 'both.ts', 'begin(a);\nright(a);\nawait one;\n');
		put(repository, 'before.ts', 'second(a, 1);\nbegin(a);\nwrong(a);\nreturn one;\n');
		const before = 'second(b, 1);\nbegin(b);\n';
		expect(texts({ before, repository })[0]).toBe('wrong(b);');
		expect(texts({ before, after: 'await two;\n', repository })[0]).toBe('right(b);');
	});

	test('what stands behind a block that is being written speaks for no place', () => {
		const repository = createNgramIndex();
		put(repository, 'both.ts', 'begin(a);\nright(a);\nawait one;\n');
		const query = { after: 'await two;\n', repository };
		expect(texts({ ...query, endsBlock: true })).toEqual([]);
		const [best] = find({ ...query, before: 'begin(b);\n', endsBlock: true });
		expect(best).toMatchObject({ text: 'right(b);', before: { shaped: 1 }, behind: { shaped: 0, words: 0 } });
		const own = find({ before: 'begin(b);\n', after: 'begin(a);\nright(a);\n', endsBlock: true });
		expect(own.map(({ text }) => text)).toEqual(['right(b);']);
	});

	test('nothing behind it where the next line is here already', () => {
		const other = 'begin(a);\nfirst(a, a);\nawait second;\nlast(a, a);\n\n';
		const [found] = find({ before: `${other}begin(b);\n`, after: 'await other;\n' });
		expect([found?.text, found?.following('', 12), found?.withFollowing('', 12)]).toEqual(['first(b, b);', '', '\nfirst(b, b);']);
		const [open] = find({ before: `${other}begin(b);\n` });
		expect(open?.following('', 2)).toBe('\nawait second;\nlast(b, b);');
	});

	test('of places alike in shape those count more whose words stand here too', () => {
		const between = 'if (x) {}\n'.repeat(12);
		const query = 'query.begin();\nquery.run(1);\n';
		const socket = 'socket.begin();\nsocket.close(1);\n';
		const best = (before: string) => texts({ before })[0];
		expect(best(`${between}${query}${between}${socket}${between}const a = socket;\nfirst.begin();\n`)).toBe('first.close(1);');
		expect(best(`${between}${query}${between}${socket}${between}const a = query;\nfirst.begin();\n`)).toBe('first.run(1);');
	});

	test('lines that nobody wrote by hand are neither compared nor offered', () => {
		const long = (name: string) => `${name} = [${'1,'.repeat(200)}];\n`;
		expect(texts({ before: `${long('a')}then();\n${long('b')}` })).toEqual([]);
		expect(texts({ before: `first();\n${long('a')}second();\n` })).toEqual([]);
		expect(find({ before: `${long('a')}one();\nnext(1);\n${long('b')}two();\n` })).toMatchObject([
			{ text: 'next(1);', before: { shaped: 1 } },
		]);
	});

	test('a file that made room for others is not read any more', () => {
		const repository = createNgramIndex({ maxTokens: 40_000 });
		put(repository, 'first.ts', block('alpha'));
		for (let file = 0; file < 12; file++) put(repository, `f${file}.ts`, `value${file}(${file});\n`.repeat(300));
		expect(repository.has('first.ts')).toBe(false);
		expect(texts({ before: begun, repository })).toEqual([]);
	});
});

describe('token by token', () => {
	const following = (indentation: string, most: number) => `\n${indentation}${'}'.repeat(Math.min(3, most))}`;
	const place = { before: side(3, 1), behind: side(0), inOpenFile: true };
	const other = { before: side(1), behind: side(2), inOpenFile: false };
	const session = (typed: string, forced = '', linesBehind = 0) =>
		createAnalogySession({
			...{ typed, forced, linesBehind, tokenizer: blocks },
			find: () => [
				{ text: 'return beta;', ...place, weight: 0.75, following, withFollowing: following },
				{ text: 'return;', ...other, weight: 0.25, following, withFollowing: following },
			],
		});
	const next = (prediction: AnalogyPrediction | undefined) =>
		prediction && [...prediction.probabilities].map(([token, p]) => [String.fromCharCode(token), p]);

	test('says how the lines that agree go on, up to the line break', () => {
		const written = (text: string) => next(session('\tret').predict(blocks.encode(text)));
		expect(written('')).toEqual([['u', 1]]);
		expect(written('urn')).toEqual([
			[' ', 0.75],
			[';', 0.25],
		]);
		expect(written('urn;')).toEqual([['\n', 1]]);
		expect(written('x')).toBeUndefined();
		expect(written('urn;\n\t')).toBeUndefined();
		expect(session('\tret').predict(blocks.encode('urn '))).toMatchObject({
			mass: 0.75,
			analogy: place,
			agreed: 7,
		});
	});

	test('goes on with the lines behind where more than a line is wanted', () => {
		const block = session('\tret', '', 2);
		expect(next(block.predict(blocks.encode('urn;\n\t')))).toEqual([['}', 1]]);
		expect(next(block.predict(blocks.encode('urn beta;\n\t}')))).toEqual([['}', 1]]);
		expect(block.predict(blocks.encode('urn;\n\t}}'))).toBeUndefined();
	});

	test('begins with what is written again, also where that is the line break before it', () => {
		expect(next(session('\tret', 'et').predict(blocks.encode('')))).toEqual([['e', 1]]);
		expect(next(session('\t', '\n\t').predict(blocks.encode('\n\t')))).toEqual([['r', 1]]);
		expect(session('if').predict(blocks.encode(''))).toBeUndefined();
	});
});

describe('mixing', () => {
	const model = modelDistribution(Float32Array.of(2, 1, 0, -1));
	const prediction: AnalogyPrediction = {
		probabilities: new Map([[3, 1]]),
		mass: 1,
		analogy: { before: side(4, 1), behind: side(2), inOpenFile: false },
		agreed: 0,
	};

	test('what analogous lines say is added to what generator and copy model say together', () => {
		const copy = { probabilities: new Map([[1, 1]]), matchLength: 2, support: 1, likeness: 0, openFileShare: 0 };
		const weights = { intercept: 0 };
		const all = likelyTokens(model, copy, weights, { least: 0.001, analogy: { prediction, weights } });
		const p = (token: number) => Math.exp(all.find((each) => each.token === token)?.logProb ?? Number.NEGATIVE_INFINITY);
		const soft = (token: number) => Math.exp((model.logits[token] as number) - model.logSum);
		expect([p(0), p(1), p(3)]).toEqual([
			expect.closeTo(0.25 * soft(0), 6),
			expect.closeTo(0.25 * soft(1) + 0.25, 6),
			expect.closeTo(0.25 * soft(3) + 0.5, 6),
		]);
		expect(all[0]).toMatchObject({ token: 3, copied: expect.closeTo(0.5 / (0.25 * soft(3) + 0.5), 6) });
	});

	test('features are bounded where nothing is known', () => {
		const rare = { ...prediction, mass: 1e-9 };
		const sure = modelDistribution(Float32Array.of(50, 0, 0, 0));
		expect(analogyFeatures(rare, sure, undefined)).toMatchObject({
			logMass: -10,
			modelLogProbOfAnalogy: -10,
			copyProbability: 0,
			logShaped: Math.log(5),
			logShapedBehind: Math.log(3),
			onBothSides: 1,
		});
		const onOneSide = { ...rare, analogy: { ...rare.analogy, behind: side(0) } };
		expect(analogyFeatures(onOneSide, sure, undefined)).toMatchObject({ logShapedBehind: 0, onBothSides: 0 });
	});
});

describe('lists of names', () => {
	test.each([
		['of arguments', 'f(alpha, beta, gamma)', 'gamma'],
		['of parameters with types', 'def f(self, alpha: int, beta: str, gamma: bool):', 'gamma'],
		['of strings', "['alpha', 'beta', 'gamma']", 'gamma'],
		['of lines', 'interface A {\n\talpha: string;\n\tbeta: number;\n\tgamma: Date;\n}', 'gamma'],
		['at their end', 'f(alpha, beta)', undefined],
		['with something else between', 'f(alpha, beta; gamma)', undefined],
		['in another order', 'f(beta, alpha, gamma)', undefined],
		['the last one of several', 'f(alpha, beta, gamma); f(alpha, beta, delta)', 'delta'],
	])('%s', (_, text, expected) => {
		expect(new NameLists(text).next('alpha', 'beta')).toBe(expected);
	});
});
