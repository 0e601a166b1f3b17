/**
 * The last results of a computation, by what they were made of. A key inside a word leaves most of a request as it is.
 *
 * Guarantees: a result is what `make` returned for parts that are `===`, one by one; at most `most` are kept, those asked for last.
 */
export function lastResults<T>(most: number): (parts: readonly unknown[], make: () => T) => T {
	const kept: { parts: readonly unknown[]; result: T }[] = [];
	return (parts, make) => {
		const at = kept.findIndex((known) => known.parts.length === parts.length && known.parts.every((part, i) => part === parts[i]));
		const found = at < 0 ? { parts, result: make() } : (kept.splice(at, 1)[0] as (typeof kept)[number]);
		kept.unshift(found);
		if (kept.length > most) kept.length = most;
		return found.result;
	};
}
