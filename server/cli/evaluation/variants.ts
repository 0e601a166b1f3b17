/**
 * What one run of `eval` compares: context modes as they are served, and the same with a part left out, fewer pseudo-tokens or
 * fewer levels. A name reads as a subtraction: `hef-copy` is `hef` without the copy model.
 */
import { COMPLETION_MODES, type CompletionMode, NODE_LEVELS, type NodeLevel } from 'hef-shared';
import { HefError } from '../../base/errors.ts';

/** Parts of a completion that a variant may leave out. Without `speculation` the answers are the same, and later; without `search` a line is decoded greedily. */
export const PARTS = ['entities', 'copy', 'analogy', 'speculation', 'search'] as const;
export type Part = (typeof PARTS)[number];
/** Those that change what the models know. */
const ABLATED: readonly Part[] = ['entities', 'copy'];

export interface Variant {
	/** `hef`, `none-copy`, `hef-entities-copy`, `hef-copy k=5`, `hef levels=chunk+file`. */
	name: string;
	context: CompletionMode;
	without: readonly Part[];
	/** Pseudo-tokens, where not the bundle's own number. */
	k?: number;
	/** More of them than training had. */
	untrained?: true;
	/** Levels that retrieval may return, where not all. */
	levels?: readonly NodeLevel[];
}

/**
 * `none,hef-copy` as variants, all of them without some parts. Their names do not say the latter.
 * @throws HefError `usage`
 */
export function parseModes(text: string, without: readonly Part[] = []): Variant[] {
	const variants = text.split(',').map((name) => {
		const [mode = '', ...parts] = name.trim().split('-');
		const context = COMPLETION_MODES.find((each) => each === mode);
		if (!context) throw new HefError('usage', `--modes knows ${COMPLETION_MODES.join(', ')}, got '${mode}'`);
		const unknown = parts.find((part) => !PARTS.includes(part as Part));
		if (unknown !== undefined)
			throw new HefError('usage', `--modes can leave out ${PARTS.join(', ')} (as in ${mode}-${PARTS[0]}), got '-${unknown}'`);
		const named = variant(context, parts as Part[]);
		return { ...named, without: PARTS.filter((part) => named.without.includes(part) || without.includes(part)) };
	});
	return unique(variants);
}

/** Every mode with and without each part that it has. */
export function withAllVariants(variants: readonly Variant[]): Variant[] {
	return unique(
		variants.flatMap((each) => {
			const parts = ABLATED.filter((part) => !each.without.includes(part) && hasPart(each, part));
			const subsets = subsetsOf(parts);
			return subsets.map((set) => ({ ...each, name: [each.name, ...set].join('-'), without: [...each.without, ...set] }));
		}),
	);
}

/**
 * `1,5,10` as variants of `base`. Throws HefError `usage`.
 * @param trained most pseudo-tokens in training; variants with more say so
 * @param most that the generator has room for
 */
export function budgetVariants(text: string, base: Variant, trained: number, most: number): Variant[] {
	const asked = text.split(',').map(Number);
	const wrong = asked.find((k) => !Number.isInteger(k) || k < 1);
	if (wrong !== undefined) throw new HefError('usage', `--k wants whole numbers of at least 1, got '${text}'`);
	if (Math.max(...asked) > most) throw new HefError('usage', `--k ${Math.max(...asked)}: the generator has room for at most ${most}`);
	return unique(asked.map((k) => ({ ...base, name: `${base.name} k=${k}`, k, ...(k > trained ? { untrained: true as const } : {}) })));
}

/** `chunk,file,directory` as variants of `base` with the first level, the first two, and so on. Throws HefError `usage`. */
export function levelVariants(text: string, base: Variant): Variant[] {
	const levels = text.split(',') as NodeLevel[];
	const unknown = levels.find((level) => !NODE_LEVELS.includes(level));
	if (unknown !== undefined) throw new HefError('usage', `--levels knows ${NODE_LEVELS.join(', ')}, got '${unknown}'`);
	return levels.map((_, i) => {
		const some = levels.slice(0, i + 1);
		return { ...base, name: `${base.name} levels=${some.join('+')}`, levels: some };
	});
}

/** What a variant is held against: without context, with raw snippets, and the copy model alone, the copy model treated alike. */
export function baselinesOf(variant: Variant, variants: readonly Variant[]): Variant[] {
	const find = (context: string, without: readonly Part[]) =>
		variants.find((each) => each.context === context && each.without.includes('copy') === without.includes('copy'));
	const baselines = BASELINES.filter((context) => context !== variant.context).flatMap((context) => find(context, variant.without) ?? []);
	const copyAlone = variant.without.includes('copy') ? undefined : find('copy', []);
	if (variant.context === 'none' || isCopyAlone(variant)) baselines.length = 0;
	return copyAlone && copyAlone !== variant ? [...baselines, copyAlone] : baselines;
}

const BASELINES: readonly CompletionMode[] = ['none', 'snippets'];

function subsetsOf(parts: readonly Part[]): Part[][] {
	const [first, ...rest] = parts;
	if (first === undefined) return [[]];
	const without = subsetsOf(rest);
	return [...without, ...without.map((set) => [first, ...set])];
}

function isCopyAlone({ context }: Variant): boolean {
	return context === 'copy';
}

function hasPart(variant: Variant, part: Part): boolean {
	return part === 'entities' ? variant.context === 'hef' : !isCopyAlone(variant);
}

function variant(context: CompletionMode, parts: readonly Part[]): Variant {
	const without = PARTS.filter((part) => parts.includes(part));
	return { name: [context, ...without].join('-'), context, without };
}

function unique(variants: readonly Variant[]): Variant[] {
	return [...new Map(variants.map((each) => [each.name, each])).values()];
}
