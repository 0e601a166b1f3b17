/**
 * Several suggestions to choose from, for a request by hand: first the one that a request for one alone gets, then the most
 * probable of the other lines, each to the end of its block where blocks are wanted.
 *
 * Guarantees: no two read alike on screen; cancellation as in `decode.ts`; the first never waits for the others' time.
 * Deliberately lacks: any say in what is shown (`judge.ts`).
 */
import { createDecoding, type Decoded, type DecodeOptions, type Decoding, type Way } from './decode.ts';
import { type Found, findMostProbable, isInterrupted, LEAST_PROBABILITY, takeMostProbable } from './search.ts';

export interface AlternativesOptions extends DecodeOptions {
	/** Suggestions at most, the first included. */
	most: number;
	/** How it would read on screen; undefined where it could not be shown. */
	shown(decoded: Decoded): string | undefined;
	/** How far a line goes on. Default: it does not. */
	block?: Pick<DecodeOptions, 'stop' | 'maxNewTokens'> | undefined;
	/** Milliseconds for all but the first. */
	othersBudgetMs: number;
}

/** Log-probability of a line below which it is not followed. What is shown is decided later, by confidence. */
const LEAST_LINE = Math.log(0.003);
/** Beginnings that are followed at most, for each suggestion besides the first. */
const BRANCHES_EACH = 4;

export async function decodeAlternatives(options: AlternativesOptions): Promise<Decoded[]> {
	const decoding = createDecoding(options, LEAST_PROBABILITY);
	const found = await findFirst(decoding, options);
	const first = await toItsEnd(found.best, decoding, options);
	if (isInterrupted(first)) return [first];
	const until = options.now() + options.othersBudgetMs;
	const others = new Others(found.best, options);
	for (const way of found.others) others.add(way);
	for (let tried = 0; tried < BRANCHES_EACH * (options.most - 1); tried++) {
		const branch = takeMostProbable(found.branches, others.bound);
		if (!branch) break;
		const way = await decoding.follow(branch.beginning, { bound: others.bound, until });
		if (way.decoded.reason === 'cancelled') return [way.decoded];
		if (way.decoded.reason === 'time') break;
		others.add(way);
		found.branches.push(...way.branches);
	}
	const all = [first];
	for (const way of others.ways) {
		const decoded = await toItsEnd(way, decoding, options, until);
		if (decoded.reason === 'cancelled') return [decoded];
		all.push(decoded.reason === 'time' ? way.decoded : decoded);
	}
	return all;
}

/** As a request for one alone finds it. */
async function findFirst(decoding: Decoding, options: AlternativesOptions): Promise<Found> {
	const { singleLine, most, block } = options;
	if (!singleLine) {
		const best = await decoding.follow([]);
		return { best, others: [], branches: best.branches };
	}
	const found = await findMostProbable(decoding, { least: most > 1 ? LEAST_LINE : undefined });
	// What a line search takes for nothing may be the beginning of a block.
	const nothing = found.others.find(({ decoded: { text, sumLogProb } }) => text === '' && sumLogProb > found.best.decoded.sumLogProb);
	if (!block || !nothing || (await toItsEnd(nothing, decoding, options)).text.trim() === '') return found;
	return { ...found, best: nothing, others: [...found.others, found.best] };
}

/** A block where that is wanted. */
async function toItsEnd({ decoded, choices }: Way, decoding: Decoding, { block }: AlternativesOptions, until?: number): Promise<Decoded> {
	const ended = decoded.reason === 'stopRule' || decoded.reason === 'length';
	if (!block || !ended) return decoded;
	const whole = await decoding.follow(choices, { extent: block, ...(until === undefined ? {} : { until }) });
	return { ...whole.decoded, line: decoded };
}

/** The most probable lines besides the first, most probable first. */
class Others {
	ways: Way[] = [];
	readonly #most: number;
	readonly #seen = new Set<string>();
	readonly #shown: AlternativesOptions['shown'];

	constructor(first: Way, { most, shown }: AlternativesOptions) {
		this.#most = most - 1;
		this.#shown = shown;
		this.#isNew(first);
	}

	/** Log-probability above which a line is wanted. */
	get bound(): number {
		return this.ways.length < this.#most ? LEAST_LINE : Math.max(LEAST_LINE, this.ways.at(-1)?.decoded.sumLogProb ?? 0);
	}

	add(way: Way): void {
		if (!way.isLine || way.decoded.sumLogProb <= this.bound || !this.#isNew(way)) return;
		this.ways = [...this.ways, way].sort((a, b) => b.decoded.sumLogProb - a.decoded.sumLogProb).slice(0, this.#most);
	}

	#isNew({ decoded }: Way): boolean {
		const text = this.#shown(decoded);
		if (text === undefined || this.#seen.has(text)) return false;
		this.#seen.add(text);
		return true;
	}
}
