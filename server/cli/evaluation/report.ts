/** What `eval` says: scores by mode, ratios between modes, harmful contexts, ablations and the precision–coverage curve. Pure. */
import { type ContextMode, defaultSettings, type NodeLevel } from 'hef-shared';
import { type ExampleScore, judged, keyOf, logProbDifferences, type ModeScore, summarizeScores } from './scores.ts';
import { atThreshold, type CurvePoint, type Interval, meanInterval, precisionCoverage, ratioInterval } from './statistics.ts';
import { baselinesOf, type Variant } from './variants.ts';

export interface Ratio {
	mode: string;
	to: string;
	/** Exact match of `mode` over that of `to`, on the same lines; absent when `to` matched nothing. */
	em?: Interval;
	/** Median time to the first token of `mode` over that of `to`. */
	ttft: number;
}

/** Lines to which a context lowers the probability of what should come. */
export interface HarmfulSubset {
	/** The mode whose context it is. */
	context: string;
	/** Who judged: the bundle's own generator or a reference bundle's. */
	judge: string;
	n: number;
	/** Of the lines that were judged, 0–1. */
	share: number;
	modes: Record<string, { em: number; deltaLogProb?: Interval }>;
	ratios: Ratio[];
}

export interface EvalReport {
	modes: Record<string, ModeScore>;
	ratios: Ratio[];
	harmful: HarmfulSubset[];
	precisionCoverage: Record<string, { defaultThreshold: CurvePoint; points: CurvePoint[] }>;
	/** Pseudo-token budget curve; `untrained` ones are more than training had. */
	k: ({ k: number; untrained: boolean } & ModeScore)[];
	/** Ablation of the levels that retrieval may return. */
	levels: ({ levels: readonly string[] } & ModeScore)[];
	/** Modes under this bundle minus the same under another, line by line. */
	against: Difference[];
	/** Share of the lines that need a name of another file whose entities held it, by mode and by how the line uses it. */
	needed: Record<string, Record<string, number>>;
	/** Shares of the levels among the retrieved nodes, by mode. */
	retrieved: Record<string, Partial<Record<NodeLevel, number>>>;
}

export interface Difference {
	mode: string;
	/** The other bundle. */
	to: string;
	n: number;
	em: Interval;
	logProb?: Interval;
}

export interface ReportInput {
	scores: readonly ExampleScore[];
	variants: readonly Variant[];
	/** Variants of the budget curve and of the ablation; none when not asked for. */
	budget: readonly Variant[];
	levels: readonly Variant[];
	/** Scores of `none` and `snippets` under a reference bundle, which then judges what is harmful. */
	reference?: { name: string; scores: readonly ExampleScore[] };
	/** Scores of the same variants under another bundle. */
	against?: { name: string; scores: readonly ExampleScore[] };
}

export function buildReport(input: ReportInput): EvalReport {
	const byName = groupBy(input.scores, ({ mode }) => mode);
	const of = ({ name }: Pick<Variant, 'name'>) => byName.get(name) ?? [];
	const baseline = baselineOf(input.variants, of);
	const summary = (variant: Variant) => summarizeScores(of(variant), variant.context === 'none' ? undefined : baseline);
	return {
		modes: Object.fromEntries(input.variants.map((variant) => [variant.name, summary(variant)])),
		ratios: ratiosOf(input.variants, of),
		harmful: harmfulSubsets(input, of, baseline),
		precisionCoverage: Object.fromEntries(input.variants.map((variant) => [variant.name, confidenceCurve(of(variant))])),
		k: input.budget.map((variant) => ({ k: variant.k as number, untrained: variant.untrained === true, ...summary(variant) })),
		levels: input.levels.map((variant) => ({ levels: variant.levels ?? [], ...summary(variant) })),
		against: input.against ? input.variants.map((variant) => differenceOf(variant, of(variant), input.against as Opponent)) : [],
		needed: Object.fromEntries(
			input.variants.flatMap((variant) => {
				const shares = neededShares(of(variant));
				return shares ? [[variant.name, shares]] : [];
			}),
		),
		retrieved: Object.fromEntries(
			input.variants.flatMap((variant) => {
				const shares = levelShares(of(variant));
				return shares ? [[variant.name, shares]] : [];
			}),
		),
	};
}

type Opponent = NonNullable<ReportInput['against']>;

function differenceOf({ name: mode }: Variant, scores: readonly ExampleScore[], { name: to, scores: others }: Opponent): Difference {
	const theirs = others.filter((score) => score.mode === mode);
	const [a, b] = paired(scores, theirs);
	const deltas = logProbDifferences(a, b).map(({ delta }) => delta);
	const em = meanInterval(a.map((score, i) => Number(score.em) - Number(b[i]?.em)));
	return { mode, to, n: a.length, em, ...(deltas.length > 0 ? { logProb: meanInterval(deltas) } : {}) };
}

function neededShares(scores: readonly ExampleScore[]): Record<string, number> | undefined {
	const needed = scores.flatMap((score) => score.needed ?? []);
	if (needed.length === 0) return undefined;
	const share = (some: typeof needed) => some.filter(({ listed }) => listed).length / some.length;
	const kinds = [...groupBy(needed, ({ kind }) => kind)].sort(([a], [b]) => (a < b ? -1 : 1));
	return { ...Object.fromEntries(kinds.map(([kind, some]) => [kind, share(some)])), all: share(needed) };
}

function levelShares(scores: readonly ExampleScore[]): Partial<Record<NodeLevel, number>> | undefined {
	const counts: Partial<Record<NodeLevel, number>> = {};
	for (const { levels = {} } of scores) {
		for (const [level, count] of Object.entries(levels)) counts[level as NodeLevel] = (counts[level as NodeLevel] ?? 0) + count;
	}
	const all = Object.values(counts).reduce((sum, count) => sum + count, 0);
	if (all === 0) return undefined;
	return Object.fromEntries(Object.entries(counts).map(([level, count]) => [level, count / all]));
}

type ScoresOf = (variant: Pick<Variant, 'name'>) => readonly ExampleScore[];

/** The copy model has no say in log-probabilities, so any variant without context will do. */
function baselineOf(variants: readonly Variant[], of: ScoresOf): readonly ExampleScore[] | undefined {
	const none = variants.find(({ context }) => context === 'none');
	return none && of(none);
}

function confidenceCurve(scores: readonly ExampleScore[]) {
	const requests = scores.map(judged);
	return { defaultThreshold: atThreshold(requests, defaultSettings().minConfidence), points: precisionCoverage(requests) };
}

function ratiosOf(variants: readonly Variant[], of: ScoresOf, keep: (score: ExampleScore) => boolean = () => true): Ratio[] {
	return variants.flatMap((variant) =>
		baselinesOf(variant, variants).map((other) => {
			const [a, b] = paired(of(variant).filter(keep), of(other).filter(keep));
			const em = ratioInterval(
				a.map((score) => Number(score.em)),
				b.map((score) => Number(score.em)),
			);
			const ttft = summarizeScores(a).ttftMs.p50 / summarizeScores(b).ttftMs.p50;
			return { mode: variant.name, to: other.name, ...(em ? { em } : {}), ttft };
		}),
	);
}

/** The scores of the lines that both have, in one order. */
function paired(a: readonly ExampleScore[], b: readonly ExampleScore[]): [ExampleScore[], ExampleScore[]] {
	const others = new Map(b.map((score) => [keyOf(score), score]));
	const both = a.flatMap((score) => {
		const other = others.get(keyOf(score));
		return other ? [[score, other] as const] : [];
	});
	return [both.map(([score]) => score), both.map(([, other]) => other)];
}

function harmfulSubsets(
	{ variants, reference }: ReportInput,
	of: ScoresOf,
	baseline: readonly ExampleScore[] | undefined,
): HarmfulSubset[] {
	if (!baseline) return [];
	const first = (context: ContextMode) => variants.find((each) => each.context === context);
	const own = [first('snippets'), first('hef')].flatMap((variant) =>
		variant ? [{ context: variant.name, judge: 'own generator', deltas: logProbDifferences(of(variant), baseline) }] : [],
	);
	const judges = reference ? [{ context: 'snippets', judge: reference.name, deltas: referenceDifferences(reference.scores) }, ...own] : own;
	return judges.map(({ context, judge, deltas }) => {
		const harmed = new Set(deltas.filter(({ delta }) => delta < 0).map(({ key }) => key));
		const keep = (score: ExampleScore) => harmed.has(keyOf(score));
		const left = baseline.filter(keep);
		const modes = variants.map((variant) => {
			const scores = of(variant).filter(keep);
			const { em, deltaLogProb } = summarizeScores(scores, variant.context === 'none' ? undefined : left);
			return [variant.name, { em, ...(deltaLogProb ? { deltaLogProb } : {}) }] as const;
		});
		const share = deltas.length === 0 ? 0 : harmed.size / deltas.length;
		return { context, judge, n: harmed.size, share, modes: Object.fromEntries(modes), ratios: ratiosOf(variants, of, keep) };
	});
}

function referenceDifferences(scores: readonly ExampleScore[]) {
	const byName = groupBy(scores, ({ mode }) => mode);
	return logProbDifferences(byName.get('snippets') ?? [], byName.get('none') ?? []);
}

function groupBy<T>(items: readonly T[], key: (item: T) => string): Map<string, T[]> {
	const groups = new Map<string, T[]>();
	for (const item of items) {
		const group = groups.get(key(item));
		if (group) group.push(item);
		else groups.set(key(item), [item]);
	}
	return groups;
}
