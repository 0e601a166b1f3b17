/**
 * The manifest's `prompt`: which segments a prompt has, in which order, between which marks and how long, as the generator was trained.
 *
 * Guarantees: a layout that {@link readLayout} and {@link layoutProblems} let through fits into the generator, and each of its marks
 * is one of the generator's ids. Deliberately lacks: the building of prompts (`completion/prompt.ts`).
 */
import type { Fields } from './manifest-fields.ts';

/**
 * Where the text before the cursor stands. `spm`: suffix, prefix, and the model goes on; typing only appends. `psm`: prefix, suffix,
 * marks of the middle; what most published models were trained on, and the suffix is read again at every keystroke.
 */
const PROMPT_ORDERS = ['spm', 'psm'] as const;
export type PromptOrder = (typeof PROMPT_ORDERS)[number];

/** Positions behind a prompt that are read at most: a block that is written, and a draft of how it goes on. */
export const ROOM_TO_WRITE = 256;
/** Tokens of a header's text, at most; of a longer one the end stays. */
export const HEADER_TOKENS = 64;

/** A line that names what follows. */
export interface PromptHeader {
	/** Token ids that stand ahead of the text. */
	before: readonly number[];
	/** `{path}` stands for the path of the file inside its folder, `{repository}` for the folder's name. */
	text: string;
}

/** One segment of the prompt. */
export interface PromptSegment {
	/** Most tokens, `before` among them. */
	max: number;
	/** Token ids that stand ahead of the text. */
	before: readonly number[];
	/** Between the texts of a segment that joins several. */
	separator?: string;
	/** Ahead of each text of a segment that joins several. */
	each?: PromptHeader;
}

/** Order and budgets of the prompt that the generator was trained on. A segment that is absent is never sent. */
export interface PromptLayout {
	/** Default `spm`. */
	order?: PromptOrder;
	/**
	 * Most positions of a prompt, raw snippets left out of the count: the prefix window gives way to pseudo-tokens and entities, so
	 * that a prompt costs no more with them than without. Default: the sum of the segments.
	 */
	total?: number;
	pseudoTokens: { max: number };
	/** Names the repository, ahead of snippets. */
	repository?: PromptHeader;
	snippets?: PromptSegment;
	entities?: PromptSegment;
	/** Names the open file, ahead of the text around the cursor. */
	file?: PromptHeader;
	suffix: PromptSegment;
	prefix: PromptSegment;
	/** Of order `psm`: what stands between suffix and middle. */
	middle?: { before: readonly number[] };
}

export function readLayout(part: Fields): PromptLayout {
	const order = readOrder(part);
	const middle = part.raw('middle') === undefined ? undefined : { before: part.object('middle').ids('before') };
	if (order === 'psm' && !middle?.before.length) part.problem('middle', "order 'psm' needs the marks that begin the middle, as its before");
	if (order !== 'psm' && middle) part.problem('middle', "belongs to order 'psm'");
	return {
		...(order ? { order } : {}),
		...(part.raw('total') === undefined ? {} : { total: part.count('total') }),
		pseudoTokens: { max: part.object('pseudoTokens').count('max', 0) },
		...optional('repository', readHeader(part, 'repository')),
		...optional('snippets', readOptionalSegment(part, 'snippets')),
		...optional('entities', readOptionalSegment(part, 'entities')),
		...optional('file', readHeader(part, 'file')),
		suffix: readSegment(part, 'suffix'),
		prefix: readSegment(part, 'prefix'),
		...optional('middle', middle),
	};
}

/** Ids of marks by the field that names them. */
export function markIds(layout: PromptLayout): Record<string, readonly number[]> {
	const { repository, snippets, entities, file, suffix, prefix, middle } = layout;
	const parts = { repository, snippets, 'snippets.each': snippets?.each, entities, file, suffix, prefix, middle };
	const named = Object.entries(parts).flatMap(([name, part]) => (part ? [[`prompt.${name}.before`, part.before] as const] : []));
	return Object.fromEntries(named);
}

/** Positions of the headers and marks that stand in every prompt beside the segments. */
export function framePositions({ repository, file, middle }: PromptLayout): number {
	const headers = [repository, file].flatMap((header) => (header ? [header] : []));
	return headers.reduce((sum, { before }) => sum + before.length + HEADER_TOKENS, middle?.before.length ?? 0);
}

/** Positions behind what is typed, which every keystroke reads again. */
export function retypedPositions({ order, suffix, middle }: PromptLayout): number {
	return order === 'psm' ? suffix.max + (middle?.before.length ?? 0) : 0;
}

/** What keeps a layout from being served by a generator that reads `maxPositions`. */
export function layoutProblems(layout: PromptLayout, maxPositions: number): string[] {
	const problems: string[] = [];
	const { total, pseudoTokens, snippets, entities, suffix, prefix } = layout;
	const around = (entities?.max ?? 0) + suffix.max + framePositions(layout);
	const longest = Math.max(pseudoTokens.max, snippets?.max ?? 0) + around + prefix.max;
	if (longest + ROOM_TO_WRITE > maxPositions) {
		problems.push(
			`generator.maxPositions ${maxPositions} leaves no room after the longest prompt, ${longest} tokens: it takes ${ROOM_TO_WRITE}`,
		);
	}
	const fewest = pseudoTokens.max + around + Math.ceil(prefix.max / 2);
	if (total !== undefined && total < fewest) {
		problems.push(`prompt.total ${total} leaves less than half of the prefix window beside full context: at least ${fewest}`);
	}
	return problems;
}

function readOrder(part: Fields): PromptOrder | undefined {
	const order = part.raw('order');
	if (order === undefined) return undefined;
	const known = PROMPT_ORDERS.find((each) => each === order);
	if (!known) part.problem('order', `is one of ${PROMPT_ORDERS.join(', ')}, got ${JSON.stringify(order)}`);
	return known;
}

function readHeader(part: Fields, name: string): PromptHeader | undefined {
	if (part.raw(name) === undefined) return undefined;
	const header = part.object(name);
	return { before: header.ids('before'), text: header.text('text') };
}

function readOptionalSegment(part: Fields, name: string): PromptSegment | undefined {
	return part.raw(name) === undefined ? undefined : readSegment(part, name);
}

function readSegment(part: Fields, name: string): PromptSegment {
	const segment = part.object(name);
	const separator = segment.optionalText('separator');
	const each = readHeader(segment, 'each');
	const read = { max: segment.count('max'), before: segment.ids('before'), ...optional('separator', separator), ...optional('each', each) };
	if (read.max <= read.before.length) segment.problem('max', `leaves no room for text after the ${read.before.length} tokens of before`);
	return read;
}

function optional<Name extends string, Value>(name: Name, value: Value | undefined): Partial<Record<Name, Value>> {
	return value === undefined ? {} : ({ [name]: value } as Record<Name, Value>);
}
