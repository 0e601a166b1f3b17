/**
 * Makes the vectors that the store lacks: embeds chunks, fuses inner nodes, and rebuilds what damage took away.
 *
 * Guarantees: nothing that exists is made again; models run on one chunk, or on one small batch of nodes, at a time, and
 * `checkpoint` is awaited before each run; a vector that is not of unit length never leaves.
 */
import { HefError, invariant } from '../base/errors.ts';
import type { NodeId } from '../base/ids.ts';
import type { PlannedNode } from '../hierarchy/types.ts';
import type { Embedder, Fuser, Tokenizer } from '../inference/types.ts';

export interface VectorBuilderOptions {
	stored: { getVector(id: NodeId): Float32Array | undefined; hasVector(id: NodeId): boolean };
	tokenizer(): Promise<Pick<Tokenizer, 'encode'>>;
	embedder(): Promise<Embedder>;
	fuser(): Promise<Fuser>;
	/** A vector that another index has. Default none. */
	borrow?(id: NodeId): Float32Array | undefined;
	/** Children of an inner node, none for a chunk. */
	node(id: NodeId): { children: readonly NodeId[] } | undefined;
	/** Text of a chunk that was indexed before; undefined when the file says something else by now. */
	chunkText(id: NodeId): Promise<string | undefined>;
	/** Awaited before each run of a model; throws to stop. */
	checkpoint(): Promise<void>;
}

/** Nodes in one run of the fuser: about the work of a small chunk. */
const NODES_PER_RUN = 16;
/** Far more than half precision and int8 models explain. */
const NORM_TOLERANCE = 0.05;

export class VectorBuilder {
	readonly #options: VectorBuilderOptions;
	/** Made and not yet taken to the store. */
	readonly #fresh = new Map<NodeId, Float32Array>();
	embedded = 0;
	fused = 0;

	constructor(options: VectorBuilderOptions) {
		this.#options = options;
	}

	get freshCount(): number {
		return this.#fresh.size;
	}

	/** Made, and not yet taken to the store. */
	isFresh(id: NodeId): boolean {
		return this.#fresh.has(id);
	}

	has(id: NodeId): boolean {
		return this.#fresh.has(id) || this.#options.stored.hasVector(id);
	}

	/** Takes a missing vector from another index. Returns whether there was one. */
	borrow(id: NodeId): boolean {
		const vector = this.#options.borrow?.(id);
		if (vector) this.#fresh.set(id, vector);
		return vector !== undefined;
	}

	async embed(id: NodeId, text: string): Promise<void> {
		await this.#options.checkpoint();
		const tokenizer = await this.#options.tokenizer();
		const embedder = await this.#options.embedder();
		const tokens = tokenizer.encode(text).slice(0, embedder.maxTokens);
		const [vector] = await embedder.embed([tokens]);
		this.#fresh.set(id, checked(vector, 'embedder'));
		this.embedded++;
	}

	/** Fuses what is missing of a plan that lists children first. Returns how many nodes there were already. */
	async fuse(plan: Iterable<PlannedNode>): Promise<number> {
		let present = 0;
		for (const nodes of byHeight(plan)) {
			const missing: PlannedNode[] = [];
			for (const node of nodes) {
				if (this.has(node.id) || this.borrow(node.id)) present++;
				else if (await this.#completeChildren(node.children)) missing.push(node);
			}
			// A run is as wide as its largest family: families of one size together waste nothing.
			missing.sort((a, b) => a.children.length - b.children.length);
			for (let at = 0; at < missing.length; at += NODES_PER_RUN) await this.#runFuser(missing.slice(at, at + NODES_PER_RUN));
		}
		return present;
	}

	/** Makes a vector that should exist and does not, with all below it that is missing too. False when its text is gone. */
	async rebuild(id: NodeId): Promise<boolean> {
		if (this.has(id)) return true;
		const children = this.#options.node(id)?.children;
		if (!children) return false;
		if (children.length === 0) {
			const text = await this.#options.chunkText(id);
			if (text === undefined) return false;
			await this.embed(id, text);
			return true;
		}
		if (!(await this.#completeChildren(children))) return false;
		await this.#runFuser([{ id, children }]);
		return true;
	}

	/** The vectors made since the last call. */
	takeFresh(): Map<NodeId, Float32Array> {
		const taken = new Map(this.#fresh);
		this.#fresh.clear();
		return taken;
	}

	async #completeChildren(children: readonly NodeId[]): Promise<boolean> {
		for (const child of children) if (!(await this.rebuild(child))) return false;
		return true;
	}

	async #runFuser(nodes: readonly PlannedNode[]): Promise<void> {
		if (nodes.length === 0) return;
		await this.#options.checkpoint();
		const fuser = await this.#options.fuser();
		const vectors = await fuser.fuse(nodes.map(({ children }) => children.map((child) => this.#vector(child))));
		for (const [i, { id }] of nodes.entries()) this.#fresh.set(id, checked(vectors[i], 'fuser'));
		this.fused += nodes.length;
	}

	#vector(id: NodeId): Float32Array {
		const vector = this.#fresh.get(id) ?? this.#options.stored.getVector(id);
		invariant(vector, `the vector of child ${id} is there before its parent is fused`);
		return vector;
	}
}

/** The plan in groups, none of whose nodes needs another: the lowest first, so that few runs of the fuser make them all. */
function byHeight(plan: Iterable<PlannedNode>): PlannedNode[][] {
	const heights = new Map<NodeId, number>();
	const groups: PlannedNode[][] = [];
	for (const node of plan) {
		const height = Math.max(...node.children.map((child) => (heights.get(child) ?? -1) + 1));
		heights.set(node.id, height);
		groups[height] ??= [];
		groups[height].push(node);
	}
	return groups;
}

/** @throws HefError `inference-failed` unless the vector has length 1 */
function checked(vector: Float32Array | undefined, model: string): Float32Array {
	let sum = 0;
	for (const value of vector ?? []) sum += value * value;
	if (vector && Math.abs(Math.sqrt(sum) - 1) < NORM_TOLERANCE) return vector;
	throw new HefError(
		'inference-failed',
		`The ${model} returned a vector of length ${Math.sqrt(sum)} instead of 1. Check the bundle with "hef-language-server doctor".`,
	);
}
