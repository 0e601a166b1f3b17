/**
 * Token healing (design decision 5). The cursor usually stands inside a token of the text that will be there in the end;
 * a model that is fed the tokens of the cut text sees a tokenisation that it never saw in training. So the prompt ends at
 * the last token boundary that no continuation can move, and decoding is forced to rewrite the characters behind it.
 */
import type { Tokenizer } from '../inference/types.ts';

/** One continuation of each class that a pre-tokeniser tells apart. */
const PROBES = ['a', 'Z', '_', '0', ' ', '  a', '\n', '\t', '(', '"', "'s", '.', 'é'];
/** Characters looked at from the end, up to twice as many where that is a line's start; a longer run without a boundary is cut by {@link MAX_FORCED}. */
const TAIL = 400;
/** A longer forced text costs more decode steps than it is worth; the boundary is then taken as it is. */
const MAX_FORCED = 48;

export interface HealedPrefix {
	/** Text for the prompt. */
	kept: string;
	/** Text that decoding must produce first; `kept + forced` is the prefix. */
	forced: string;
}

export function healPrefix(prefix: string, tokenizer: Pick<Tokenizer, 'preTokens'>): HealedPrefix {
	const lineStart = prefix.lastIndexOf('\n', prefix.length - TAIL);
	const tailStart = Math.max(0, lineStart, prefix.length - 2 * TAIL);
	const tail = prefix.slice(tailStart);
	const own = tokenizer.preTokens(tail);
	let stable = own.length;
	for (const probe of PROBES) {
		const continued = tokenizer.preTokens(tail + probe);
		let same = 0;
		while (same < stable && own[same] === continued[same]) same++;
		stable = same;
	}
	// A last piece that stays whole under every probe can still merge differently: only whole pieces before it are safe.
	let forced = own.slice(Math.max(0, Math.min(stable, own.length - 1))).join('');
	if (forced.length > MAX_FORCED) forced = own.at(-1) ?? '';
	if (forced.length > MAX_FORCED) forced = '';
	return { kept: prefix.slice(0, prefix.length - forced.length), forced };
}
