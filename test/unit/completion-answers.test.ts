/** What becomes of a generated text: remembered, refused with a reason, fitted to the document. The text itself is scripted. */
import type { CompletionReport } from 'hef-shared';
import { describe, expect, test } from 'vitest';
import { neverCancelled } from '../../server/base/cancellation.ts';
import type { Decoded } from '../../server/completion/decode.ts';
import { createCompletionEngine } from '../../server/completion/engine.ts';
import { createJudge } from '../../server/completion/judge.ts';
import { splitAt } from '../../server/completion/split.ts';
import type { CompletionRequest } from '../../server/completion/types.ts';
import { loadBundle } from '../../server/inference/bundle.ts';
import { UNCALIBRATED } from '../../server/inference/manifest.ts';
import type { Models } from '../../server/inference/types.ts';
import { TINY_BUNDLE } from '../support/cli.ts';
import { type Script, scripted as scriptedGenerator } from '../support/scripted-generator.ts';
import { createScriptedModels, modelsAround } from '../support/scripted-models.ts';

/** An engine whose model always writes the text, and how often it was asked. */
async function scripted(text: string, now = () => 0) {
	let asked = 0;
	const models = createScriptedModels(() => {
		asked++;
		return text;
	});
	return { ...(await engineWith(models, now)), asked: () => asked };
}

/** An engine whose model writes by a script with probabilities. */
async function forked(script: Script) {
	const { options } = scriptedGenerator(script);
	return (await engineWith(modelsAround(options.generator, options.tokenizer), () => 0)).complete;
}

async function engineWith(models: Models, now: () => number) {
	const engine = createCompletionEngine({
		bundle: await loadBundle(TINY_BUNDLE),
		models,
		workspace: () => undefined,
		// What a scripted model writes says nothing about what would be copied.
		copy: false,
		now,
	});
	const complete = (code: string, options: Partial<CompletionRequest> = {}) => {
		const request: CompletionRequest = {
			uri: 'file:///a.ts',
			path: 'a.ts',
			text: code.replace('$0', ''),
			offset: code.indexOf('$0'),
			context: 'none',
			multiLine: 'never',
			explicit: false,
			minConfidence: 0,
			...options,
		};
		return engine.complete(request, neverCancelled);
	};
	return { complete, engine };
}

test('a slow machine cuts what is shown short, and not what is measured', async () => {
	let seconds = 0;
	const { complete } = await scripted('measure(value);', () => 1000 * seconds++);
	const shown = await complete('$0', { explicit: true, fresh: true });
	expect(shown?.tokens.generated).toBeLessThan(5);
	expect(await complete('$0', { explicit: true, fresh: true, gold: 'x' })).toMatchObject({ items: [{ insertText: 'measure(value);' }] });
});

describe('typed-through', () => {
	test('text that agrees with the suggestion is answered without a model, also after backspace', async () => {
		const { complete, asked } = await scripted('(value);');
		expect(await complete('call$0')).toMatchObject({ items: [{ insertText: '(value);' }] });
		expect(await complete('call(va$0')).toMatchObject({ items: [{ insertText: 'lue);' }], tokens: { generated: 0 } });
		expect(await complete('call(v$0')).toMatchObject({ items: [{ insertText: 'alue);' }], tokens: { generated: 0 } });
		expect(await complete('call$0')).toMatchObject({ items: [{ insertText: '(value);' }], tokens: { generated: 0 } });
		expect(asked()).toBe(1);
	});

	test('the range follows the cursor, and covers what the first one covered', async () => {
		const { complete } = await scripted('a, b)');
		expect(await complete('f($0)')).toMatchObject({ items: [{ range: { start: { character: 2 }, end: { character: 3 } } }] });
		expect(await complete('f(a$0)')).toMatchObject({ items: [{ range: { start: { character: 3 }, end: { character: 4 } } }] });
	});

	test("what is left keeps the document's line ends", async () => {
		const { complete } = await scripted('\n\tone();\n\ttwo();\n}');
		const block = { multiLine: 'always' as const };
		expect(await complete('a\r\nif (x) {$0', block)).toMatchObject({ items: [{ insertText: '\r\n\tone();\r\n\ttwo();\r\n}' }] });
		expect(await complete('a\r\nif (x) {\r\n\tone$0', block)).toMatchObject({ items: [{ insertText: '();\r\n\ttwo();\r\n}' }] });
	});

	test('a file outside of every folder has it too: no index will come', async () => {
		const { complete, asked } = await scripted('(value);');
		const { items, notes } = (await complete('call$0', { context: 'hef' })) ?? {};
		expect({ items, notes }).toMatchObject({
			items: [{ insertText: '(value);' }],
			notes: [expect.stringContaining('no workspace folder')],
		});
		expect(await complete('call(va$0', { context: 'hef' })).toMatchObject({ items: [{ insertText: 'lue);' }] });
		expect(asked()).toBe(1);
	});

	test('an answer without the index that is still to come is not kept', async () => {
		const { complete, asked } = await scripted('(value);');
		const inFolder = { context: 'hef' as const, folder: '/w' };
		expect(await complete('call$0', inFolder)).toMatchObject({ notes: [expect.stringContaining('index is not ready')] });
		await complete('call$0', inFolder);
		expect(asked()).toBe(2);
	});

	test.each([
		['other text was typed', 'callx$0', {}],
		['the text behind the cursor differs', 'call(v$0\n// more', {}],
		['another context was asked for', 'call(v$0', { context: 'hef' as const }],
		['it was asked by hand', 'call(v$0', { explicit: true }],
		['another document', 'call(v$0', { uri: 'file:///b.ts' }],
		['a fresh answer is wanted', 'call(v$0', { fresh: true }],
	])('the model is asked when %s', async (_, code, options) => {
		const { complete, asked } = await scripted('(value);');
		await complete('call$0');
		await complete(code, options);
		expect(asked()).toBe(2);
	});

	test('a closed document is forgotten', async () => {
		const { complete, engine, asked } = await scripted('(value);');
		await complete('call$0');
		engine.forget('file:///a.ts');
		await complete('call$0');
		expect(asked()).toBe(2);
	});
});

test('ranges are UTF-16', async () => {
	const { complete } = await scripted('length;');
	const position = { line: 1, character: 12 };
	expect(await complete('const s = "𝒜𝒜";\r\nconst t = s.$0 // "𝒜"\r\n', { explicit: true })).toMatchObject({
		items: [{ insertText: 'length;', range: { start: position, end: position } }],
	});
	const between = { line: 0, character: 12 };
	expect(await complete('f("𝒜𝒜", s.$0)')).toMatchObject({ items: [{ range: { start: between, end: between } }] });
});

describe('nothing is shown, and the reason is known', () => {
	test('in the middle of a line, unless asked by hand', async () => {
		const { complete, asked } = await scripted('one');
		expect(await complete('const a = $0 + b;')).toMatchObject({ items: [], suppressed: 'middleOfLine' });
		expect(asked()).toBe(0);
		expect(await complete('const a = $0 + b;', { explicit: true })).toMatchObject({ items: [{ insertText: 'one' }], suppressed: null });
	});

	test('in a comment, unless that is wanted or asked by hand', async () => {
		const { complete, asked } = await scripted('what it does');
		expect(await complete('// $0')).toMatchObject({ items: [], suppressed: 'inComment' });
		expect(asked()).toBe(0);
		expect(await complete('// $0', { comments: true })).toMatchObject({ items: [{ insertText: 'what it does' }] });
		expect(await complete('// $0', { explicit: true })).toMatchObject({ items: [{ insertText: 'what it does' }] });
	});

	test('what holds a comment is shown while it is typed', async () => {
		const { complete } = await scripted('/* pure */ call();');
		expect(await complete('const a = $0')).toMatchObject({ items: [{ insertText: '/* pure */ call();' }] });
		expect(await complete('const a = /* pu$0')).toMatchObject({ items: [{ insertText: 're */ call();' }] });
		expect(await complete('const a = /* other$0')).toMatchObject({ items: [], suppressed: 'inComment' });
	});

	test.each([
		['# $0', 'Copyright (c) Somebody Else'],
		['// Copyright (c) $0', '2014 Somebody Else'],
		['f()\n$0', '/* © 2014, Somebody Else */'],
	])('a copyright notice that no file of the user holds: %s', async (code, text) => {
		const { complete } = await scripted(text);
		expect(await complete(code, { explicit: true })).toMatchObject({ items: [], suppressed: 'madeUpCopyright' });
	});

	test('a notice that is copied, and what only speaks of one, are shown', async () => {
		const header = '// Copyright (c) 2020 This Project';
		const { complete } = await scripted(header);
		const copied = await complete(`${header}\ncall();\n// Copy$0`, { explicit: true, context: 'copy' });
		expect(copied).toMatchObject({ items: [{ insertText: 'right (c) 2020 This Project' }] });
		const { complete: other } = await scripted('copyrightOf(file, "copyright");');
		expect(await other('f()\n$0')).toMatchObject({ items: [{ insertText: 'copyrightOf(file, "copyright");' }] });
	});

	test('below the confidence threshold, unless asked by hand', async () => {
		const { complete } = await scripted('one');
		expect(await complete('const a = $0', { minConfidence: 1 })).toMatchObject({ items: [], suppressed: 'lowConfidence' });
		expect(await complete('const a = $0', { minConfidence: 1, explicit: true })).toMatchObject({ suppressed: null });
	});

	test('what could not be shown any more is not written to its end, but for an evaluation', async () => {
		const { complete } = await scripted('one(two, three);');
		const sure = { minConfidence: 1 };
		expect((await complete('const a = $0', sure))?.tokens.generated).toBe(1);
		expect((await complete('const b = $0', { ...sure, explicit: true }))?.tokens.generated).toBeGreaterThan(10);
		const whole = await complete('const c = $0', { ...sure, fresh: true });
		expect(whole).toMatchObject({ items: [], suppressed: 'lowConfidence' });
		expect(whole?.tokens.generated).toBeGreaterThan(10);
	});

	test('the line above, said again, however sure the model is; by hand it is there', async () => {
		const { complete } = await scripted('import json');
		const sure = await complete('$0', { fresh: true });
		expect(sure?.items[0]?.confidence).toBeGreaterThan(0.01);
		const again = 'import json\n$0';
		expect(await complete(again, { minConfidence: 0.02 })).toMatchObject({ items: [], suppressed: 'lowConfidence' });
		expect(await complete(again, { explicit: true })).toMatchObject({ items: [{ insertText: 'import json', confidence: 0.01 }] });
	});

	test('nothing visible was generated', async () => {
		const { complete } = await scripted('\nnext line');
		expect(await complete('done();$0')).toMatchObject({ items: [], suppressed: 'empty' });
	});

	test('the next line says the same', async () => {
		const { complete } = await scripted('return compute(value);');
		expect(await complete('\t$0\n\treturn compute(value);\n')).toMatchObject({ items: [], suppressed: 'repeatsSuffix' });
	});

	test("the editor's selected entry says something else", async () => {
		const { complete } = await scripted('log(x)');
		expect(await complete('console.$0', { selected: 'warn' })).toMatchObject({ items: [], suppressed: 'selectedEntryDiffers' });
		expect(await complete('console.$0', { selected: 'log' })).toMatchObject({ items: [{ insertText: 'log(x)' }] });
	});
});

describe('a choice', () => {
	const script: Script = { '': { a: 0.5, b: 0.3, c: 0.2 } };
	const byHand = { explicit: true, most: 3 };
	const texts = (report: CompletionReport | undefined) => report?.items.map(({ insertText }) => insertText);

	test('is there by hand, first what comes without asking, each with its own confidence', async () => {
		const complete = await forked(script);
		expect(texts(await complete('$0'))).toEqual(['a']);
		const report = await complete('$0', byHand);
		expect(texts(report)).toEqual(['a', 'b', 'c']);
		const confidences = report?.items.map(({ confidence }) => confidence) ?? [];
		expect(confidences).toEqual([...confidences].sort((a, b) => b - a));
		expect(new Set(confidences).size).toBe(3);
	});

	test('leaves out what the document refuses, also where that is the first', async () => {
		const calls: Script = { '': { l: 0.5, r: 0.3, m: 0.2 } };
		for (const text of ['left(value);', 'right(value);', 'middle(value);'])
			for (let n = 1; n < text.length; n++) calls[text.slice(0, n)] = { [text.charAt(n)]: 1 };
		const complete = await forked(calls);
		expect(texts(await complete('$0\nright(value);\n', byHand))).toEqual(['left(value);', 'middle(value);']);
		expect(texts(await complete('$0\nleft(value);\n'))).toEqual(['right(value);']);
		const report = await complete('$0\nleft(value);\n', byHand);
		expect([texts(report), report?.suppressed]).toEqual([['right(value);', 'middle(value);'], null]);
	});

	test('is one of what continues the entry that the editor has selected', async () => {
		const complete = await forked(script);
		expect(texts(await complete('$0', { ...byHand, selected: 'b' }))).toEqual(['b']);
		expect(await complete('$0', { ...byHand, selected: 'z' })).toMatchObject({ suppressed: 'selectedEntryDiffers' });
	});

	test('of a list that nobody asked for by hand has the sure ones alone', async () => {
		const complete = await forked(script);
		const all = (await complete('$0', { most: 3 }))?.items ?? [];
		expect(texts(await complete('$0', { most: 3, minConfidence: all[1]?.confidence ?? 0 }))).toEqual(['a', 'b']);
	});

	test('a block that is cut back to its first line is as sure as that line', async () => {
		const script: Script = { '': { f: 0.7, g: 0.3 }, f: { '{': 0.9, '\n': 0.1 }, g: { '\n': 1 }, 'f{': { '\n': 1 }, 'f{\n': { '\t': 1 } };
		for (let n = 0; n < 12; n++) script[`f{\n\t${'x'.repeat(n)}`] = { x: 0.5, y: 0.5 };
		const complete = await forked(script);
		const line = await complete('$0', byHand);
		const block = await complete('$0', { ...byHand, multiLine: 'auto' });
		expect(texts(block)).toEqual(['f{', 'g', 'f']);
		expect(block?.items).toEqual(line?.items);
	});

	test('what says the line above again stands behind the others', () => {
		const text = 'import os\n';
		const request = { uri: '', path: 'a.py', text, offset: text.length, context: 'none', multiLine: 'never', minConfidence: 0 } as const;
		const { judge } = createJudge({ ...request, explicit: true }, splitAt(text, text.length), UNCALIBRATED);
		const decoded = (line: string): Decoded => ({
			...{ text: line, reason: 'stopRule', nTokens: 2, sumLogProb: -0.1, minLogProb: -0.1, firstLogProb: -0.1, copied: 0 },
		});
		expect(texts(judge([decoded('import os'), decoded('from x')]) as CompletionReport)).toEqual(['from x', 'import os']);
	});

	test('is remembered: what is typed leaves those that agree', async () => {
		const complete = await forked({ '': { a: 1 }, a: { b: 0.6, c: 0.4 } });
		expect(texts(await complete('$0', byHand))).toEqual(['ab', 'ac']);
		expect(await complete('a$0', byHand)).toMatchObject({ items: [{ insertText: 'b' }, { insertText: 'c' }], tokens: { generated: 0 } });
	});
});

describe('lines', () => {
	test('one line by default, a block where one begins', async () => {
		const { complete } = await scripted(' {\n\treturn 1;\n}\nafter();\n');
		expect(await complete('function f()$0')).toMatchObject({ items: [{ insertText: ' {' }] });
		const block = await scripted('\n\treturn 1;\n}\nafter();\n');
		expect(await block.complete('function f() {$0', { multiLine: 'auto' })).toMatchObject({ items: [{ insertText: '\n\treturn 1;\n}' }] });
	});

	test('a document with CRLF gets CRLF', async () => {
		const { complete } = await scripted('\n\treturn 1;\n}\nafter();\n');
		const report = await complete('x();\r\nfunction f() {$0\r\n', { multiLine: 'auto' });
		expect(report).toMatchObject({ items: [{ insertText: '\r\n\treturn 1;\r\n}', range: { start: { line: 1, character: 14 } } }] });
	});
});
