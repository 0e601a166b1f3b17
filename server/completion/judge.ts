/** What of the decoded texts is shown: fitted to the document, sure enough, no two of them alike; or the reason for showing none. */
import type { CompletionItem, CompletionReport } from 'hef-shared';
import { LineIndex } from '../base/text.ts';
import type { ConfidenceWeights } from '../inference/manifest.ts';
import { confidenceOf, featuresOf } from './confidence.ts';
import type { Decoded } from './decode.ts';
import { isThereAlready } from './filter-repetition.ts';
import { filterCandidate, type Verdict } from './filters.ts';
import type { Split } from './split.ts';
import type { CompletionRequest } from './types.ts';

export interface Judge {
	/** What it reads on screen, white space aside; undefined where it cannot be shown. */
	shown(decoded: Decoded): string | undefined;
	/** Whether a text that came to its end cannot be shown or is as good as never right. */
	isWorthless(text: string): boolean;
	/** @param all what was decoded, at least one: the first is the suggestion, the others are there to choose from */
	judge(all: readonly Decoded[]): Pick<CompletionReport, 'items' | 'suppressed'>;
}

/** @param weights of the bundle's confidence */
export function createJudge(request: CompletionRequest, split: Split, weights: ConfidenceWeights): Judge {
	const lines = new LineIndex(request.text);
	const fit = ({ text, reason }: Pick<Decoded, 'text' | 'reason'>): Verdict => {
		const { prefix, linePrefix, suffix } = split;
		return filterCandidate({ text, prefix, linePrefix, suffix, complete: reason !== 'length' && reason !== 'time' });
	};
	const confidence = (decoded: Decoded) =>
		// The bundle's weights are those of its generator; relative frequencies are probabilities as they are.
		request.context === 'copy' ? Math.exp(decoded.sumLogProb) : confidenceOf(featuresOf(decoded, split.linePrefix), weights);

	/** @returns the item and whether it says again what is there, or why there is none */
	const one = (decoded: Decoded, least: { shown: number; line: number }): { item: CompletionItem; again: boolean } | string => {
		if (decoded.reason === 'hopeless') return 'lowConfidence';
		const verdict = fit(decoded);
		if (verdict.kind === 'refuse') return verdict.reason;
		if (request.selected !== undefined && !continuesSelection(split.linePrefix, verdict.text, request.selected))
			return 'selectedEntryDiffers';
		if (COPYRIGHT.test(split.linePrefix + verdict.text) && decoded.copied < MOSTLY) return 'madeUpCopyright';
		// A block of which one line is left is as sure as that line, and is chosen by it.
		const { line = decoded } = decoded;
		const again = isThereAlready({ ...split, ...verdict });
		const sure = Math.min(again ? REPEATED_CONFIDENCE : 1, confidence(verdict.text.includes('\n') ? decoded : line));
		if (sure < least.shown || confidence(line) < least.line) return 'lowConfidence';
		const range = { start: lines.positionAt(request.offset), end: lines.positionAt(request.offset + verdict.replaces) };
		return { item: { insertText: verdict.text.replaceAll('\n', split.eol), range, confidence: sure }, again };
	};

	return {
		shown(decoded) {
			const verdict = fit(decoded);
			return verdict.kind === 'keep' ? onScreen(verdict.text) : undefined;
		},
		isWorthless(text) {
			const verdict = fit({ text, reason: 'stopRule' });
			return verdict.kind === 'refuse' || isThereAlready({ ...split, ...verdict });
		},
		judge(all) {
			const items: CompletionItem[] = [];
			const last: CompletionItem[] = [];
			let suppressed: string | null = null;
			for (const [i, decoded] of all.entries()) {
				const judged = one(decoded, {
					shown: request.explicit ? 0 : request.minConfidence,
					line: i > 0 ? LEAST_CONFIDENCE : 0,
				});
				if (typeof judged === 'string') suppressed ??= judged;
				else {
					const { item, again } = judged;
					const isKnown = [...items, ...last].some(({ insertText }) => onScreen(insertText) === onScreen(item.insertText));
					if (!isKnown) (again ? last : items).push(item);
				}
			}
			items.push(...last);
			return { items, suppressed: items.length > 0 ? null : suppressed };
		},
	};
}

/** Of what is there to choose from by hand besides the first: of those below one in a hundred is right (models/training/LOG.md). */
const LEAST_CONFIDENCE = 0.005;

/**
 * Of suggestions that say again what is there. Small models write them where they do not know how to go on, and are sure of it: of 79
 * among 546 validation lines that say the line above again one is right, and none of 33 that say the next line of the block or define
 * what the block has, nor of 40 that repeat a field, a case or an entry (models/training/LOG.md).
 */
const REPEATED_CONFIDENCE = 0.01;

/** A notice of copyright. Models know those of the files that they were trained on; only the user's own files say whose it is. */
const COPYRIGHT = /\bcopyright\s+(?:\(c\)|©|\d{4}|the\b)|(?:©|\(c\))\s*\d{4}/i;
/** Share of a text's probability that is copied from there. */
const MOSTLY = 0.5;

function onScreen(text: string): string {
	return text.replaceAll(/\s+/g, '');
}

/** What the line would read with the suggestion must begin with what it would read with the editor's selected entry. */
function continuesSelection(linePrefix: string, text: string, selected: string): boolean {
	const line = linePrefix + text;
	for (let n = Math.min(selected.length, linePrefix.length); n >= 0; n--) {
		if (linePrefix.endsWith(selected.slice(0, n))) return line.startsWith(linePrefix + selected.slice(n));
	}
	return false;
}
