/** Seeded random numbers, so that a failing property test fails again. */
export interface Random {
	/** In [0, 1). */
	next(): number;
	/** Integer in [0, end). */
	below(end: number): number;
	pick<T>(items: readonly T[]): T;
	/** Standard normal. */
	normal(): number;
}

export function createRandom(seed: number): Random {
	let state = seed >>> 0;
	// mulberry32
	const next = () => {
		state = (state + 0x6d2b79f5) >>> 0;
		let t = state;
		t = Math.imul(t ^ (t >>> 15), t | 1);
		t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
		return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
	};
	const below = (end: number) => Math.floor(next() * end);
	return {
		next,
		below,
		pick: (items) => items[below(items.length)] as (typeof items)[number],
		normal: () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
	};
}
