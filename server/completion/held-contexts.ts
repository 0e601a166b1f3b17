/**
 * Contexts that were gathered for the last few places of each document. They stand in front of everything else in a prompt,
 * so a new one costs the whole KV cache: a held one is kept as long as it fits.
 *
 * Deliberately lacks: any decision of when a context is renewed (`context.ts`).
 */
import { LRUCache } from 'lru-cache';

const DOCUMENTS = 16;
const PLACES = 4;
/** Cosine similarity of queries above which one context serves both. */
const SAME_QUERY = 0.97;
/** Lines to both sides from which a context serves until it is renewed. */
const NEAR_LINES = 8;

export interface Place {
	uri: string;
	/** What else must be equal: path and mode. */
	kind: string;
	/** Zero-based line of the cursor. */
	line: number;
}

export interface Held<Context> {
	/** Generation of the view that was searched. */
	generation: symbol;
	/** L2 norm 1; where the context was found by a vector. */
	query?: Float32Array;
	context: Context;
}

export interface HeldContexts<Context> {
	/** The context of the very line. */
	at(place: Place): Held<Context> | undefined;
	/** The context of the nearest line, at most {@link NEAR_LINES} away. */
	near(place: Place): Held<Context> | undefined;
	/** The context of a place of the document whose query was nearly this one. */
	similar(place: Place, generation: symbol, query: Float32Array): Held<Context> | undefined;
	add(place: Place, held: Held<Context>): void;
	forget(uri: string): void;
}

export function createHeldContexts<Context>(): HeldContexts<Context> {
	const documents = new LRUCache<string, (Held<Context> & Place)[]>({ max: DOCUMENTS });
	const of = ({ uri, kind }: Place) => (documents.get(uri) ?? []).filter((held) => held.kind === kind);
	const distance = (a: Place, b: Place) => Math.abs(a.line - b.line);

	return {
		at: (place) => of(place).find((held) => held.line === place.line),
		near(place) {
			const [nearest] = of(place).sort((a, b) => distance(a, place) - distance(b, place));
			return nearest && distance(nearest, place) <= NEAR_LINES ? nearest : undefined;
		},
		similar: (place, generation, query) =>
			of(place).find((held) => held.generation === generation && held.query && dot(held.query, query) >= SAME_QUERY),
		add(place, held) {
			const others = (documents.get(place.uri) ?? []).filter(({ kind, line }) => kind !== place.kind || line !== place.line);
			documents.set(place.uri, [{ ...held, ...place }, ...others].slice(0, PLACES));
		},
		forget: (uri) => documents.delete(uri),
	};
}

function dot(a: Float32Array, b: Float32Array): number {
	let sum = 0;
	for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
	return sum;
}
