/** Latency by stage, KV reuse, cache hits and reasons for showing nothing, over the last requests. */
import type { CompletionReport, LatencyReport } from 'hef-shared';

const KEPT = 500;

export interface CompletionMetrics {
	record(report: CompletionReport): void;
	latencyMs(): Record<string, LatencyReport>;
	/** Share of prompt positions taken from the KV cache, 0–1. */
	kvReuse(): number;
	/** Share of requests answered without a model, 0–1. */
	cacheHits(): number;
	suppressed(): Record<string, number>;
}

export function createCompletionMetrics(): CompletionMetrics {
	const samples = new Map<string, number[]>();
	const suppressed: Record<string, number> = {};
	const total = { requests: 0, cached: 0, positions: 0, reused: 0 };

	const addSample = (stage: string, ms: number) => {
		const list = samples.get(stage) ?? [];
		list.push(ms);
		if (list.length > KEPT) list.shift();
		samples.set(stage, list);
	};

	return {
		record({ tokens, timingsMs, suppressed: reason }) {
			total.requests++;
			if (reason) suppressed[reason] = (suppressed[reason] ?? 0) + 1;
			addSample('total', timingsMs.total);
			// A model that stops at once generates nothing, but reads the prompt.
			if (tokens.generated === 0 && timingsMs.prefill === 0) {
				total.cached++;
				return;
			}
			for (const [stage, ms] of Object.entries(timingsMs)) if (stage !== 'total') addSample(stage, ms);
			total.positions += tokens.pseudo + tokens.entities + (tokens.snippets ?? 0) + tokens.suffix + tokens.prefix;
			total.reused += tokens.reused ?? 0;
		},
		latencyMs: () => Object.fromEntries([...samples].map(([stage, values]) => [stage, summarize(values)])),
		kvReuse: () => (total.positions === 0 ? 0 : total.reused / total.positions),
		cacheHits: () => (total.requests === 0 ? 0 : total.cached / total.requests),
		suppressed: () => ({ ...suppressed }),
	};
}

/** Median and 95th percentile (nearest rank) of at least one value. */
export function summarize(values: readonly number[]): LatencyReport {
	const sorted = [...values].sort((a, b) => a - b);
	const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? 0;
	return { p50: at(0.5), p95: at(0.95), n: sorted.length };
}
