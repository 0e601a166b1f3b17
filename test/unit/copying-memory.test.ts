/** What is remembered of a text must not keep all of it: with every key the whole document comes anew from another thread. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { AnalogyFinder } from '../../server/copying/analogies.ts';
import { createBlockTokenizer } from '../../server/copying/block-tokens.ts';
import { createByteTokenizer } from '../support/byte-tokenizer.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const LARGE = '// a line of a document that is large\n'.repeat(5000);

/** Megabytes that stay after a large document was read as often as its last line was changed. */
function keptAfter(read: (text: string) => void): number {
	const used = () => {
		collect();
		return process.memoryUsage().heapUsed / 1e6;
	};
	read(LARGE);
	const before = used();
	for (let n = 0; n < 200; n++) read(Buffer.from(`${LARGE}const typedByAPerson${n} = ${n};\n`).toString());
	return used() - before;
}

test('the tokens of blocks are remembered without their document', () => {
	const tokenizer = createBlockTokenizer(createByteTokenizer());
	expect(keptAfter((text) => tokenizer.encode(text.slice(-1000)))).toBeLessThan(10);
	expect(tokenizer.encode('a\n')).toHaveLength(2);
});

test('the shapes of lines are remembered without their document', () => {
	const finder = new AnalogyFinder(createBlockTokenizer(createByteTokenizer()));
	const before = (text: string) => finder.find({ before: text, after: '', path: 'a.ts', repository: undefined });
	expect(keptAfter((text) => before(text.slice(-1000)))).toBeLessThan(10);
	expect(before('')).toEqual([]);
});
