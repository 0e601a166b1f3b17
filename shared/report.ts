/** The JSON documents that `status`, `index`, `complete` and `eval` print and that the LSP messages carry. */

/** Where a completion takes its repository context from. All modes run on the same generator. */
export const CONTEXT_MODES = ['none', 'snippets', 'hef', 'llavacode'] as const;
export type ContextMode = (typeof CONTEXT_MODES)[number];
/** Besides these, the baseline `copy`: what the n-gram copy model writes alone, with no model run and no analogous lines. For evaluation. */
export const COMPLETION_MODES = [...CONTEXT_MODES, 'copy'] as const;
export type CompletionMode = (typeof COMPLETION_MODES)[number];

/** Levels of the hierarchy, finest first. Sibling groups inside a container carry the container's level. */
export const NODE_LEVELS = ['chunk', 'file', 'directory', 'repository'] as const;
export type NodeLevel = (typeof NODE_LEVELS)[number];

export type WorkspaceState = 'indexing' | 'ready' | 'paused' | 'error' | 'off';

/** What one update of the index did. */
export interface UpdateReport {
	/** What asked for it: `start`, `save`, `watch`, `command`, … */
	reason: string;
	filesChanged: number;
	chunksEmbedded: number;
	chunksReused: number;
	nodesFused: number;
	nodesReused: number;
	nodesRemoved: number;
	durationMs: number;
}

export interface HnswReport {
	size: number;
	tombstones: number;
	/** Recall@32 against exact search on a sample of stored vectors; null while it was not measured. */
	recallAt32: number | null;
}

/** State of one workspace folder's index: what `index --json` prints, and one entry of `status`. */
export interface WorkspaceReport {
	folder: string;
	state: WorkspaceState;
	/** Why the state is `error`, `paused` or `off`, or what is going on. */
	message?: string;
	files: number;
	/** Part of the folder's source files that retrieval can search, 0–1. */
	searchable: number;
	chunks: number;
	nodes: number;
	nodesByLevel: Record<NodeLevel, number>;
	/** Files on disk whose content differs from what is indexed. */
	stale: number;
	/** Files waiting to be indexed. */
	pending: number;
	storeBytes: number;
	hnsw: HnswReport;
	lastUpdate: UpdateReport | null;
	/** Files passed over, by reason (`binary`, `tooLarge`, `notUtf8`, `unreadable`). */
	skipped: Record<string, number>;
	/** The process that keeps the index up to date, when several have the folder open. Only a running server knows. */
	builder?: { pid: number; own: boolean };
	/** What holds now and should be known: a cache that cannot be used, changes that are found by polling. */
	notices?: string[];
	/** What the last start had to repair, if anything. */
	recovered?: string[];
}

export interface BundleReport {
	id: string;
	name: string;
	/** What the bundle does without: a projector, weights that were fitted to it. */
	notices?: string[];
}

export interface ExecutionProviderReport {
	/** `cpu`, `cuda`, `dml`, `coreml`, `webgpu`. */
	name: string;
	/** Why this one, and why those before it were passed over. */
	why: string;
}

export interface LatencyReport {
	p50: number;
	p95: number;
	n: number;
}

export interface StatusReport {
	version: string;
	bundle: BundleReport;
	executionProvider?: ExecutionProviderReport;
	workspaces: WorkspaceReport[];
	/** By stage: `tokenize`, `embed`, `retrieve`, `project`, `prefill`, `decode`, `total`. Only a running server knows. */
	latencyMs?: Record<string, LatencyReport>;
	/** Share of prompt positions served from the KV cache. Only a running server knows. */
	kvReuse?: number;
	/** Share of requests answered without running the generator. Only a running server knows. */
	cacheHits?: number;
	/** Requests that showed nothing, by reason. Only a running server knows. */
	suppressed?: Record<string, number>;
	memory?: { rssBytes: number };
}

/** Zero-based, UTF-16, as LSP counts. */
export interface Position {
	line: number;
	character: number;
}
export interface Range {
	start: Position;
	end: Position;
}

export interface CompletionItem {
	insertText: string;
	range: Range;
	/** Calibrated probability that the text is what the user wants, 0–1. */
	confidence: number;
}

/** One retrieved node that stood behind a suggestion. */
export interface RetrievedNode {
	level: NodeLevel;
	path: string;
	/** Zero-based, inclusive; both 0 for directories. */
	startLine: number;
	endLine: number;
	/** Cosine similarity to the query. Higher is better. */
	score: number;
}

export interface TokenCounts {
	pseudo: number;
	entities: number;
	snippets?: number;
	suffix: number;
	prefix: number;
	generated: number;
	/** Prompt positions taken from the KV cache. */
	reused?: number;
	/** Positions that the generator read for this answer: those of the prompt that were not kept, and those of decoding, whatever came of them. */
	read?: number;
}

export interface StageTimings {
	tokenize: number;
	embed: number;
	retrieve: number;
	project: number;
	prefill: number;
	decode: number;
	total: number;
}

/** One token of a text that should come, where the copy model predicts something or analogous lines do: what their weights are fitted from. */
export interface CopyStep {
	/** What the weight of the copy model is computed from; absent where it predicts nothing. */
	features?: Record<string, number>;
	/** Probability of the token under the generator and under the copy model, 0–1. */
	modelProbability: number;
	copyProbability: number;
	/** The same of analogous lines. */
	analogy?: { features: Record<string, number>; probability: number };
}

/** What `complete --json` prints, and what `hef.explain` answers for the last request. */
export interface CompletionReport {
	items: CompletionItem[];
	/** Why nothing is shown; null when something is. */
	suppressed: string | null;
	nodes: RetrievedNode[];
	/** The entity names the prompt held. */
	entities?: string[];
	tokens: TokenCounts;
	timingsMs: StageTimings;
	bundle: string;
	executionProvider: string;
	context: CompletionMode;
	/** What the answer had to do without, e.g. `index not ready`. */
	notes?: string[];
	/** Evaluation only: natural log-probability of the text that should come, and what the confidence was computed from. */
	evidence?: { gold: { logProb: number; nTokens: number }; features: Record<string, number>; copying?: CopyStep[] };
}
