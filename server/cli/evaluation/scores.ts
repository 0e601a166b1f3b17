/** Measures of line completion: exact match, edit similarity, identifier match; and what is shown at the default threshold. */
import { defaultSettings, type NodeLevel } from 'hef-shared';
import { summarize } from '../../completion/metrics.ts';
import { atThreshold, type Interval, type Judged, meanInterval } from './statistics.ts';

export interface LineScore {
	/** Stripped texts are equal. */
	em: boolean;
	/** 1 − Levenshtein / longer length, of the stripped texts. */
	es: number;
	/** The same identifiers in the same order. */
	identifierMatch: boolean;
}

/** What one variant answered to one example. */
export interface ExampleScore extends LineScore {
	id: string;
	repo: string;
	/** Name of the variant. */
	mode: string;
	/** Whether the cursor stood in the line. */
	mid: boolean;
	gold: string;
	prediction: string;
	/** 0 where nothing can be shown. */
	confidence: number;
	ttftMs: number;
	totalMs: number;
	suppressed: string | null;
	/** What there was to choose from besides, most probable first; absent where it was not asked for. */
	alternatives?: { prediction: string; confidence: number; em: boolean }[];
	/** log p(gold) under the generator, natural logarithm; undefined where no generator ran. */
	goldLogProb?: number;
	/** How the line uses the name of another file that it needs, and whether the prompt's entities held it. */
	needed?: { kind: string; listed: boolean };
	/** Retrieved nodes of each level; absent where none were. */
	levels?: Partial<Record<NodeLevel, number>>;
	/** What the confidence was computed from. */
	features?: Record<string, number>;
}

export interface ModeScore {
	n: number;
	em: number;
	/** Half width of the 95 % bootstrap interval of `em`. */
	em95: number;
	/** Share of the lines where the suggestion or one of the alternatives is exactly right; absent where none were asked for. */
	emAny?: number;
	/** Mean number of suggestions to choose from; absent as before. */
	offered?: number;
	es: number;
	identifierMatch: number;
	ttftMs: { p50: number };
	totalMs: { p50: number; p95: number };
	/** Share shown at the default confidence threshold. */
	shown: number;
	emOfShown: number;
	/** log p(gold) minus that of the mode `none`, mean over the examples: whether the context helps at all. */
	deltaLogProb?: Interval;
}

export function scoreLine(prediction: string, gold: string): LineScore {
	const a = prediction.trim();
	const b = gold.trim();
	const longest = Math.max(a.length, b.length);
	const names = (text: string) => (text.match(/[\p{L}_$][\p{L}\p{N}_$]*/gu) ?? []).join(' ');
	return { em: a === b, es: longest === 0 ? 1 : 1 - levenshtein(a, b) / longest, identifierMatch: names(a) === names(b) };
}

/** @param baseline scores of the mode without context, which `deltaLogProb` compares with */
export function summarizeScores(scores: readonly ExampleScore[], baseline?: readonly ExampleScore[]): ModeScore {
	const mean = (value: (score: ExampleScore) => number) =>
		scores.length === 0 ? 0 : scores.reduce((sum, score) => sum + value(score), 0) / scores.length;
	const total = summarize(scores.map(({ totalMs }) => totalMs));
	const em = meanInterval(scores.map((score) => Number(score.em)));
	const shown = atThreshold(scores.map(judged), defaultSettings().minConfidence);
	const deltas = baseline ? logProbDifferences(scores, baseline) : [];
	return {
		n: scores.length,
		em: em.value,
		em95: (em.high - em.low) / 2,
		...anyOf(scores),
		es: mean((score) => score.es),
		identifierMatch: mean((score) => Number(score.identifierMatch)),
		ttftMs: { p50: summarize(scores.map(({ ttftMs }) => ttftMs)).p50 },
		totalMs: { p50: total.p50, p95: total.p95 },
		shown: shown.coverage,
		emOfShown: shown.precision,
		...(deltas.length > 0 ? { deltaLogProb: meanInterval(deltas.map(({ delta }) => delta)) } : {}),
	};
}

function anyOf(scores: readonly ExampleScore[]): Pick<ModeScore, 'emAny' | 'offered'> {
	const asked = scores.filter(({ alternatives }) => alternatives);
	if (asked.length === 0) return {};
	const mean = (value: (score: ExampleScore) => number) => asked.reduce((sum, score) => sum + value(score), 0) / asked.length;
	return {
		emAny: mean(({ em, alternatives = [] }) => Number(em || alternatives.some((each) => each.em))),
		offered: mean(({ suppressed, alternatives = [] }) => Number(suppressed === null) + alternatives.length),
	};
}

/** A suppressed suggestion cannot be shown, however sure the model was. */
export function judged({ suppressed, confidence, em }: ExampleScore): Judged {
	return { confidence: suppressed === null ? confidence : undefined, right: em };
}

/** log p(gold) of each example minus the baseline's, where both have one. */
export function logProbDifferences(scores: readonly ExampleScore[], baseline: readonly ExampleScore[]): { key: string; delta: number }[] {
	const before = new Map(baseline.map((score) => [keyOf(score), score.goldLogProb]));
	return scores.flatMap((score) => {
		const without = before.get(keyOf(score));
		return score.goldLogProb === undefined || without === undefined ? [] : [{ key: keyOf(score), delta: score.goldLogProb - without }];
	});
}

/** Names an example and its cursor, whatever the mode. */
export function keyOf({ id, mid }: Pick<ExampleScore, 'id' | 'mid'>): string {
	return `${id}${mid ? ' mid' : ''}`;
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
