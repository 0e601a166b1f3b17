/** Measures of line completion: exact match, edit similarity, identifier match; and what is shown at the default threshold. */
import { type ContextMode, defaultSettings } from 'hef-shared';
import { summarize } from '../completion/metrics.ts';
import { seededRandom } from './cursors.ts';

export interface LineScore {
	/** Stripped texts are equal. */
	em: boolean;
	/** 1 − Levenshtein / longer length, of the stripped texts. */
	es: number;
	/** The same identifiers in the same order. */
	identifierMatch: boolean;
}

export interface ExampleScore extends LineScore {
	id: string;
	mode: ContextMode;
	gold: string;
	prediction: string;
	confidence: number;
	ttftMs: number;
	totalMs: number;
	suppressed: string | null;
}

export interface ModeScore {
	n: number;
	em: number;
	/** Half width of the 95 % bootstrap interval of `em`. */
	em95: number;
	es: number;
	identifierMatch: number;
	ttftMs: { p50: number };
	totalMs: { p50: number; p95: number };
	/** Share shown at the default confidence threshold. */
	shown: number;
	emOfShown: number;
}

export function scoreLine(prediction: string, gold: string): LineScore {
	const a = prediction.trim();
	const b = gold.trim();
	const longest = Math.max(a.length, b.length);
	const names = (text: string) => (text.match(/[\p{L}_$][\p{L}\p{N}_$]*/gu) ?? []).join(' ');
	return { em: a === b, es: longest === 0 ? 1 : 1 - levenshtein(a, b) / longest, identifierMatch: names(a) === names(b) };
}

export function summarizeScores(scores: readonly ExampleScore[]): ModeScore {
	const threshold = defaultSettings().minConfidence;
	const shown = scores.filter(({ confidence, suppressed }) => suppressed === null && confidence >= threshold);
	const mean = (items: readonly ExampleScore[], value: (score: ExampleScore) => number) =>
		items.length === 0 ? 0 : items.reduce((sum, item) => sum + value(item), 0) / items.length;
	const total = summarize(scores.map(({ totalMs }) => totalMs));
	const em = mean(scores, (score) => Number(score.em));
	return {
		n: scores.length,
		em,
		em95: bootstrapHalfWidth(scores.map((score) => Number(score.em))),
		es: mean(scores, (score) => score.es),
		identifierMatch: mean(scores, (score) => Number(score.identifierMatch)),
		ttftMs: { p50: summarize(scores.map(({ ttftMs }) => ttftMs)).p50 },
		totalMs: { p50: total.p50, p95: total.p95 },
		shown: scores.length === 0 ? 0 : shown.length / scores.length,
		emOfShown: mean(shown, (score) => Number(score.em)),
	};
}

/** 95 % percentile bootstrap with 1,000 seeded resamples. */
function bootstrapHalfWidth(values: readonly number[]): number {
	if (values.length === 0) return 0;
	const next = seededRandom(12345);
	const means = Array.from({ length: 1000 }, () => {
		let sum = 0;
		for (let i = 0; i < values.length; i++) sum += values[Math.floor(next() * values.length)] as number;
		return sum / values.length;
	}).sort((a, b) => a - b);
	return ((means[974] as number) - (means[25] as number)) / 2;
}

function levenshtein(a: string, b: string): number {
	let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
	for (let i = 1; i <= a.length; i++) {
		const current = [i];
		for (let j = 1; j <= b.length; j++) {
			const substitution = (previous[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
			current.push(Math.min(substitution, (previous[j] as number) + 1, (current[j - 1] as number) + 1));
		}
		previous = current;
	}
	return previous[b.length] as number;
}
