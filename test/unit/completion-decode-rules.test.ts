/** How long a request may take, by who asks. */
import { expect, test } from 'vitest';
import { rulesOf } from '../../server/completion/decode-rules.ts';
import { splitAt } from '../../server/completion/split.ts';
import type { CompletionRequest } from '../../server/completion/types.ts';

const text = 'const a = ';
const typed: CompletionRequest = {
	...{ uri: 'file:///w/a.ts', path: 'a.ts', text, offset: text.length, context: 'none' },
	...{ multiLine: 'never', explicit: false, minConfidence: 0 },
};
const searchWithinMs = (request: CompletionRequest) =>
	rulesOf(request, splitAt(text, text.length), { beginsBlock: () => false }).searchWithinMs;

test('the search for a better line is short while somebody types, and has its time by hand and when it is measured', () => {
	expect(searchWithinMs(typed)).toBe(100);
	expect(searchWithinMs({ ...typed, explicit: true })).toBe(Number.POSITIVE_INFINITY);
	expect(searchWithinMs({ ...typed, gold: 'b;' })).toBe(Number.POSITIVE_INFINITY);
});
