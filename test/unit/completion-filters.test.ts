/** One golden table for each filter: the document with `$0` at the cursor, what was generated, what is left of it. */
import { describe, expect, test } from 'vitest';
import { cutClosersThatFollow, cutLooseClosers, cutOpenBrackets, joinWithRestOfLine } from '../../server/completion/filter-brackets.ts';
import { adoptIndentation } from '../../server/completion/filter-indentation.ts';
import { cutRepetition, isThereAlready, refuseDuplicate } from '../../server/completion/filter-repetition.ts';
import {
	cutUnfinished,
	dropSecondSpace,
	dropSemicolons,
	type Filter,
	filterCandidate,
	refuseEmpty,
	refuseNothingNew,
	trimEnd,
} from '../../server/completion/filters.ts';

function candidateAt(document: string, text: string, complete = true) {
	const [prefix = '', suffix = ''] = document.split('$0');
	return { text, replaces: 0, prefix, suffix, linePrefix: prefix.slice(prefix.lastIndexOf('\n') + 1), complete };
}

/** The text that is left, with `+n` where it replaces n characters, or the reason of the refusal. */
function outcome(filter: Filter, document: string, text: string, complete = true): string {
	const result = filter(candidateAt(document, text, complete));
	if ('refused' in result) return `refused: ${result.refused}`;
	return result.replaces > 0 ? `${result.text} +${result.replaces}` : result.text;
}

const lines = (...all: string[]) => all.join('\n');

describe('a text that a limit ended', () => {
	test.each([
		['keeps its complete lines', 'if (a) {$0', lines('', '\tone();', '\ttwo(so'), lines('', '\tone();')],
		['keeps its complete words', 'const a = $0', 'compute(first, seco', 'compute(first, '],
		['keeps nothing of one word', 'const a = $0', 'veryLongNa', ''],
	])('%s', (_, document, text, expected) => {
		expect(outcome(cutUnfinished, document, text, false)).toBe(expected);
		expect(outcome(cutUnfinished, document, text, true)).toBe(text);
	});
});

test('white space at the end goes', () => {
	expect(outcome(trimEnd, '$0', 'a;  \n\n')).toBe('a;');
});

test.each([
	['a = $0', ' b', 'b'],
	['a =$0', ' b', ' b'],
	['\t$0', '\t\tb', 'b'],
	['$0', '  b', '  b'],
])('behind white space, white space at the start goes: %j and %j', (document, text, expected) => {
	expect(outcome(dropSecondSpace, document, text)).toBe(expected);
});

describe('semicolons', () => {
	const without = Array.from({ length: 12 }, (_, i) => `call(${i})`).join('\n');
	test.each([
		['go where no line ends with one', lines(without, 'return a.$0'), 'length;', 'length'],
		['go at the ends of all lines', lines(without, 'if (a) {$0'), lines('', '  go();', '}'), lines('', '  go()', '}')],
		['go with an operator', lines(without, 'a = b +$0'), '+;', ''],
		['stay where a line ends with one', lines(without, 'let a;', 'return a.$0'), 'length;', 'length;'],
		['stay where a line behind ends with one', lines('return a.$0', without, 'go();'), 'length;', 'length;'],
		['stay where few lines stand', lines('a()', 'return a.$0'), 'length;', 'length;'],
		['stay inside of lines', lines(without, 'for ($0'), 'let i = 0; i < n; i++) {', 'let i = 0; i < n; i++) {'],
	])('%s', (_, document, text, expected) => {
		expect(outcome(dropSemicolons, document, text)).toBe(expected);
	});
});

test('nothing visible is refused', () => {
	expect(outcome(refuseEmpty, '$0', ' \n\t')).toBe('refused: empty');
	expect(outcome(refuseEmpty, '$0', 'a')).toBe('a');
});

describe('a text that goes in circles', () => {
	test.each([
		['is refused where nothing stands before', 'foo, foo, foo, foo, foo, ', 'refused: repeatsItself'],
		[
			'is refused with a longer piece',
			'registry.enable(registry.enable_all(registry.enable(registry.enable_all('.repeat(3),
			'refused: repeatsItself',
		],
		['keeps the lines before', lines('a = 1;', 'b = 2;', 'c = [0, 0, 0, 0, 0, 0, 0'), lines('a = 1;', 'b = 2;')],
		['says one of equal lines once', lines('start();', 'add(item);', 'add(item);', 'add(item);'), lines('start();', 'add(item);')],
		['may say a line twice', lines('add(item);', 'add(item);'), lines('add(item);', 'add(item);')],
		['may close what it opened', lines('}', '}', '}', '}'), lines('}', '}', '}', '}')],
		['may draw a line', '// ------------------------------', '// ------------------------------'],
	])('%s', (_, text, expected) => {
		expect(outcome(cutRepetition, '$0', text)).toBe(expected);
	});
});

describe('what stands below the cursor', () => {
	const below = lines('a();', '$0', '\treturn compute(value);', '', '\tconst last = true;', '}');
	test.each([
		['word for word', 'return compute(value);', 'refused: repeatsSuffix'],
		['but for a character', 'return compute(valve);', 'refused: repeatsSuffix'],
		['in several lines', lines('return compute(value);', 'const last = true;', '}', 'other();'), 'refused: repeatsSuffix'],
		['in several lines, of which the first goes on', lines('return compute(value);', 'const last = true;'), 'refused: repeatsSuffix'],
		['only at first', lines('return compute(value);', 'somethingElse();'), lines('return compute(value);', 'somethingElse();')],
		['a short line', '}', '}'],
		['something else', 'return compare(other);', 'return compare(other);'],
	])('is refused: %s', (_, text, expected) => {
		expect(outcome(refuseDuplicate, below, text)).toBe(expected);
	});

	test('is refused together with what was typed of it, to the letter', () => {
		const document = lines('import { jo$0', "import { join } from 'node:path';");
		expect(outcome(refuseDuplicate, document, "in } from 'node:path';")).toBe('refused: repeatsSuffix');
		expect(outcome(refuseDuplicate, document, "ins } from 'node:path';")).toBe("ins } from 'node:path';");
	});

	test('a short line may stand there too, and the end of the document repeats nothing', () => {
		expect(outcome(refuseDuplicate, 'a\n$0\n}', '}')).toBe('}');
		expect(outcome(refuseDuplicate, 'a\n$0', 'anything at all')).toBe('anything at all');
	});
});

describe('the line above the cursor', () => {
	test.each([
		['is said again', lines('import os', 'import json', '$0'), 'import json', true],
		['is said again behind an empty line', lines('self.b = b', '', '    $0'), 'self.b = b', true],
		['is said again with what was typed of it', lines('  const a = get(a);', '  const a = $0'), 'get(a);', true],
		['is said again with what stands behind', lines('expect(add(1, 2));', 'expect(add($0));'), '1, 2', true],
		['is said again by the first line of a block', lines("  case 'alpha':", '  $0'), lines("case 'alpha':", '    two();'), true],
		['may differ in a character', lines('import os', 'import json', '$0'), 'import jsonl', false],
		['may be short', lines('go();', '$0'), 'go();', false],
		['is not one further up', lines('go(first)', 'go(second)', '$0'), 'go(first)', false],
		['is not the line of the cursor', lines('if (ready) {', 'if (ready) {$0'), lines('', '\tgo();'), false],
		['is not there at the start', '$0', 'import json', false],
	])('%s', (_, document, text, expected) => {
		expect(isThereAlready(candidateAt(document, text))).toBe(expected);
	});
});

describe('what the block has', () => {
	const test1 = lines('\tit("adds", () => {', '\t\texpect(add(1)).toBe(2);', '\t});');
	test.each([
		['is its next line', lines('  $0', '    a.get(b);', '  const c = f(d);', '  }'), 'const c = f(d);', true],
		['may be the line after that', lines('  $0', '  g();', '  const c = f(d);'), 'const c = f(d);', false],
		['is not what stands behind its end', lines('  $0', '}', '  const c = f(d);'), 'const c = f(d);', false],
		['is a definition further up', lines(test1, '\tit("takes", () => {', '\t});', '\t$0'), 'it("adds", () => {', true],
		['is a definition in a call that is closed already', lines(test1, '', '\tit("$0)'), 'adds", () => {', true],
		['is a definition further down', lines('$0', '    pass', 'x = 1', 'async def run_all(self):'), 'async def run_all(self):', true],
		[
			'may be the definition of another block',
			lines('class A:', '    def __init__(self):', 'class B:', '    $0'),
			'def __init__(self):',
			false,
		],
		['is a method', lines('class A {', '  get(a: B): C | D {', '  }', '', '  $0'), 'get(a: B): C | D {', true],
		['is a method further down', lines('class A {', '  $0', '  b() {', '  }', '  async load(id) {', '  }'), 'async load(id) {', true],
		['is an import', lines("import a from 'a';", "import b from 'b';", '$0'), "import a from 'a';", true],
		['is an export', lines('exports.a = a;', 'exports.b = b;', '$0'), 'exports.a = a;', true],
		['is a case', lines('switch (a) {', "  case 'one':", '    b();', "  case 'two':", '    c();', '  $0'), "case 'one':", true],
		['is a field', lines('class A {', '  readonly name: string;', '  size: number;', '  $0'), 'readonly name: string;', true],
		['is an entry', lines('f({', "  type: 'object',", '  value: 1,', '  $0'), "type: 'object',", true],
		['is a string of a list', lines('__all__ = [', '    "Countable",', '    "Other",', '    $0'), '"Countable",', true],
		['is a string of a union', lines('type A =', "  | 'className'", "  | 'other'", '  $0'), "| 'className';", true],
		['is a name of a list without a comma behind it', lines('f(', '  $0', '  other,', '  START_PAUSE', ')'), 'START_PAUSE,', true],
		['may be a value that says nothing', lines('f(', '  undefined,', '  other,', '  $0'), 'undefined,', false],
		['may be an entry of another object', lines('[', '  {', "    type: 'a',", '  },', '  {', '    $0'), "type: 'a',", false],
		['may be a statement', lines('if (a) {', '  go(a);', '}', 'wait();', '$0'), 'if (a) {', false],
		['may be a call with a function', lines('useEffect(() => {', '});', 'const a = 1;', '$0'), 'useEffect(() => {', false],
		['may be defined with another name', lines(test1, '\t$0'), 'it("subtracts", () => {', false],
	])('%s', (_, document, text, expected) => {
		expect(isThereAlready(candidateAt(document, text))).toBe(expected);
	});
});

describe('the rest of the line', () => {
	test.each([
		['takes its place where the text ends like it', 'call($0);', 'a, b);', 'a, b); +2'],
		['is not repeated in part', 'call(g($0))', 'a)', 'a'],
		['stays where the text closes its own', 'foo($0)', 'bar()', 'bar()'],
		['stays where the text is another', 'call($0)', 'a, b', 'a, b'],
		['takes its place where the text goes on behind it', 'call($0)', 'a, b);', 'a, b); +1'],
		['takes its place in part', 'outer(inner($0))', 'a) + b', 'a) + b +1'],
		['is not closed twice', 'outer(inner($0))', 'a);', 'a'],
		['is not closed three times', 'f(g(h($0)))', 'a))', 'a) +1'],
		['closes a string and more', "log('$0')", "hello', x);", "hello', x); +2"],
		['closes a bracket with a word behind it', 'import { $0}', "join } from 'node:path';", "join } from 'node:path'; +1"],
		['stands behind the text of a condition', 'if ($0) {', 'a) return;', 'a'],
		['opens the block that the text begins', 'def f($0):', lines('a):', '    return a'), lines('a):', '    return a +2')],
		['is not repeated before more lines', 'def f(a)$0:', lines(' -> int:', '    return a'), lines(' -> int:', '    return a +1')],
		['goes on with its semicolon', 'call($0);', 'a).then(b)', 'a).then(b) +1'],
		['closes no more than the line opened', 'f(g($0)', 'a)))', 'a)) +1'],
		['is closed by its own kind alone', '[new Date($0]', 'now))', 'now)'],
		['closes what stands in a template', `\`\${call($0)}\``, 'a)} and b`;', 'a)} and b`; +3'],
		['knows an apostrophe in the text of a string', 'say("$0")', 'don\'t")', 'don\'t") +2'],
		['knows a lifetime', "fn f<'a>(x: &'a u8, y: &'a $0)", "str) -> &'a str {", "str) -> &'a str { +1"],
		['knows a string where a lifetime could stand', "f(a <'b' && g($0))", "c, 'd')", "c, 'd'"],
		['gets a line of its own behind a block', '  f() {$0}', lines('', '    go();'), lines('', '    go();', '  ')],
		['is no place for nothing new', 'call($0)', ')', ') +1'],
		['waits for what the line opened and the rest does not close', 'new Zip({$0)', ' a: 1 });', ' a: 1 }); +1'],
		['waits for it over lines', '  new Zip({$0);', lines('', '    a: 1,', '  });'), lines('', '    a: 1,', '  }); +2')],
		['stands right behind what closes that', 'new Zip({$0)', lines('', '  a: 1,', '}'), lines('', '  a: 1,', '}')],
		['waits for another kind', '[foo($0]', 'a), b]', 'a), b] +1'],
		['closes a call whose argument is a function', "test('a', ($0))", ') => {', ') => { +1'],
		['closes a call whose argument is a function with a name', "on('a', function ($0))", 'b, c) {', 'b, c) { +1'],
		['lets no condition begin a block inside of it', 'if (foo($0))', 'a) {', 'a'],
		['lets no statement end inside of it', '[a, b$0];', ';', ''],
		['lets statements of a function end inside of it', 'f(() => {$0)', ' go();', ' go();'],
		['lets the parts of a loop end inside of it', 'for (let i = 0$0)', '; i < n;', '; i < n;'],
	])('%s', (_, document, text, expected) => {
		expect(outcome(joinWithRestOfLine, document, text)).toBe(expected);
	});
});

describe('a closer of a bracket that is not open', () => {
	test.each([
		['goes', 'return a + b[c - 1]$0', ')', ''],
		['goes with what stands behind', 'const a = $0', 'parse("b").success).toBe(true);', 'parse("b").success'],
		['goes where another is open', lines('push({', '  a: b,', '  $0'), 'c: d) return;', 'c: d'],
		['stays on the line of its opener', 'const a = f($0', 'b);', 'b);'],
		['stays below its opener', lines('f(', '  a,', '  $0'), 'b)', 'b)'],
		['stays in a string', '$0', 'say(":)")', 'say(":)")'],
		['stays where the document has such', lines('case $1 in', '  start)', '    go', '    ;;', '  $0'), 'stop)', 'stop)'],
		['stays behind a template that goes on', lines('a = `b', '$0'), 'c)', 'c)'],
		['stays where it closes a block', lines('$0'), '}', '}'],
	])('%s', (_, document, text, expected) => {
		expect(outcome(cutLooseClosers, document, text)).toBe(expected);
	});
});

describe('lines that end inside of a bracket of their own', () => {
	test.each([
		['go', 'f() {$0', lines('', '\ta();', '\tb({', '\t\tc,'), lines('', '\ta();')],
		['go but for the first', 'f() {$0', lines('', '\treturn {', '\t\tc,'), lines('', '\treturn {')],
		['stay as one line', 'f() {$0', '\treturn {', '\treturn {'],
		['stay where what stands before opened it', 'call($0', lines('a,', '  b,'), lines('a,', '  b,')],
		['stay where they close it, and what stands before', 'call($0', lines('a, [', '  b,', '])'), lines('a, [', '  b,', '])')],
		['go with a template', 'f() {$0', lines('', '\ta();', '\tb(`x', 'y'), lines('', '\ta();')],
		['do not know an apostrophe', 'f() {$0', lines('', "\t// don't", '\ta();'), lines('', "\t// don't", '\ta();')],
	])('%s', (_, document, text, expected) => {
		expect(outcome(cutOpenBrackets, document, text)).toBe(expected);
	});
});

describe('a closer in the lines below', () => {
	test.each([
		['closes the block already', lines('function f() {$0', '}', 'rest();'), lines('', '\treturn 1;', '}'), lines('', '\treturn 1;')],
		[
			'closes the block already, whatever else the text closes',
			lines('f() {$0', '}'),
			lines('', '\tgo(a), b);', '}'),
			lines('', '\tgo(a), b);'),
		],
		['closes the call already', lines('run(', '\ta,', '\t$0', ');'), lines('b,', ');'), 'b,'],
		[
			'closes an outer block, not this one',
			lines('class A {', '\tf() {$0', '}'),
			lines('', '\t\tgo();', '\t}'),
			lines('', '\t\tgo();', '\t}'),
		],
		['of another kind closes something else', lines('f(() => {$0', ');'), lines('', '\tgo();', '}'), lines('', '\tgo();', '}')],
		['is none', lines('function f() {$0', 'rest();'), lines('', '\treturn 1;', '}'), lines('', '\treturn 1;', '}')],
		['in a string is none', lines('function f() {$0', '"}";'), lines('', '\treturn 1;', '}'), lines('', '\treturn 1;', '}')],
	])('%s', (_, document, text, expected) => {
		expect(outcome(cutClosersThatFollow, document, text)).toBe(expected);
	});
});

describe('indentation', () => {
	const spaces = lines('class A {', '  f() {', '    go();', '  }', '  g() {$0');
	const tabs = lines('class A {', '\tf() {', '\t\tgo();', '\t}', '\tg() {$0');
	test.each([
		['tabs become the spaces of the document', spaces, lines('', '\t\tstop();', '\t}'), lines('', '    stop();', '  }')],
		['spaces become tabs', tabs, lines('', '    stop();', '  }'), lines('', '\t\tstop();', '\t}')],
		['the same style stays', spaces, lines('', '    stop();', '  }'), lines('', '    stop();', '  }')],
		['a document without any says nothing', 'g() {$0', lines('', '\tstop();', '}'), lines('', '\tstop();', '}')],
		['one line has none of its own', spaces, '\tx', '\tx'],
	])('%s', (_, document, text, expected) => {
		expect(outcome(adoptIndentation, document, text)).toBe(expected);
	});
});

test('what only repeats what it replaces is refused', () => {
	expect(refuseNothingNew({ ...candidateAt('f($0)', ')'), replaces: 1 })).toEqual({ refused: 'repeatsSuffix' });
	expect(refuseNothingNew({ ...candidateAt('$0  };', '};'), replaces: 4 })).toEqual({ refused: 'repeatsSuffix' });
	expect(refuseNothingNew({ ...candidateAt('f($0)', 'a)'), replaces: 1 })).toMatchObject({ text: 'a)' });
});

test('all together: a block cut by its limit, in a document with spaces that closes it already', () => {
	const document = lines('class A {', '  f() {', '    go();', '  }', '  g() {$0', '  }', '}');
	const text = lines('', '\t\tone();', '\t\ttwo();', '\t}', '\th(');
	expect(filterCandidate({ ...candidateAt(document, text, false) })).toEqual({
		kind: 'keep',
		text: lines('', '    one();', '    two();'),
		replaces: 0,
	});
});
