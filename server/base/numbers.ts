/** Small functions of numbers that several folders need. Pure. */

/** The logistic function: a probability, 0–1, from its log-odds. */
export function logistic(logit: number): number {
	return 1 / (1 + Math.exp(-logit));
}

/** FNV-1a over UTF-16 units: 32 bits, as an unsigned number. */
export function fnv1a(text: string): number {
	let hash = 0x811c9dc5;
	for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
	return hash >>> 0;
}
