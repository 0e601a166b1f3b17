/** Reading logits: greedy choice, with and without a set of allowed tokens, and log-probabilities. */

/** Index of the greatest logit; the first of equals. */
export function argmax(logits: Float32Array): number {
	let best = 0;
	for (let i = 1; i < logits.length; i++) if ((logits[i] as number) > (logits[best] as number)) best = i;
	return best;
}

/** The allowed id with the greatest logit. `allowed` holds at least one id. */
export function argmaxOf(logits: Float32Array, allowed: readonly number[]): number {
	let best = allowed[0] as number;
	for (const id of allowed) if ((logits[id] as number) > (logits[best] as number)) best = id;
	return best;
}

/** Natural log of softmax(logits)[id], over all tokens or over the allowed ones. */
export function logProbability(logits: Float32Array, id: number, allowed?: readonly number[]): number {
	const top = logits[allowed ? argmaxOf(logits, allowed) : argmax(logits)] as number;
	let sum = 0;
	if (allowed) for (const each of allowed) sum += Math.exp((logits[each] as number) - top);
	else for (const logit of logits) sum += Math.exp(logit - top);
	return (logits[id] as number) - top - Math.log(sum);
}
