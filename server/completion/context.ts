/**
 * Gathers the repository context of a prompt, by mode: pseudo-tokens and entities (`hef`), projected similar chunks
 * (`llavacode`), raw similar chunks (`snippets`).
 *
 * What was gathered is *held* while the user types in one line, and through a line change when the query hardly moved:
 * a renewed context sits in front of everything else in the prompt and would cost the whole KV cache.
 */
import type { RetrievedNode } from 'hef-shared';
import { LRUCache } from 'lru-cache';
import type { PromptLayout } from '../inference/manifest.ts';
import type { Embedder, Models, Projector, Tokenizer } from '../inference/types.ts';
import { type Retrieved, retrieve, type VisibleWindow } from '../retrieval/retriever.ts';
import type { SnippetSource } from '../retrieval/snippets.ts';
import type { WorkspaceView } from '../retrieval/view.ts';
import { selectEntities } from './entities.ts';
import type { Context } from './prompt.ts';
import type { CompletionRequest } from './types.ts';

/** Cosine similarity of queries above which a held context survives a change of line. */
const SAME_QUERY = 0.97;
const SNIPPETS = 10;
const PROJECTIONS_KEPT = 4096;

export interface GatheredContext extends Context {
	nodes: RetrievedNode[];
	/** What had to be done without. */
	notes: string[];
	/** Asked again, the answer may hold more: the index was not there yet. */
	provisional?: true;
	timingsMs: { embed: number; retrieve: number; project: number };
}

export interface ContextOptions {
	models: Models;
	layout: PromptLayout;
	now(): number;
}

export interface ContextQuery {
	request: CompletionRequest;
	/** Undefined outside of any workspace folder, and while the folder is being opened. */
	view: WorkspaceView | undefined;
	snippets: SnippetSource | undefined;
	/** Text before the cursor. */
	prefix: string;
	visible: VisibleWindow;
	/** Text of the prompt's own windows. */
	visibleText: string;
}

interface Held {
	place: string;
	generation: number;
	query: Float32Array;
	context: GatheredContext;
}

export interface ContextGatherer {
	gather(query: ContextQuery): Promise<GatheredContext>;
	forget(uri: string): void;
}

export function createContextGatherer({ models, layout, now }: ContextOptions): ContextGatherer {
	const held = new LRUCache<string, Held>({ max: 16 });
	const projections = new LRUCache<string, Float32Array>({ max: PROJECTIONS_KEPT });
	const nothing = (...notes: string[]): GatheredContext => ({ nodes: [], notes, timingsMs: { embed: 0, retrieve: 0, project: 0 } });

	const hefContext = async (query: ContextQuery, view: WorkspaceView): Promise<GatheredContext> => {
		const { request, visible } = query;
		const place = `${visible.path}\0${request.context}\0${lineOf(query.prefix)}`;
		const last = request.fresh ? undefined : held.get(request.uri);
		if (last && last.place === place) return withoutTimings(last.context);
		const started = now();
		const queryVector = await embedQuery(query.prefix, await models.embedder(), models.tokenizer);
		const embedded = now();
		if (last && last.generation === view.generation && samePath(last.place, place) && dot(last.query, queryVector) >= SAME_QUERY) {
			held.set(request.uri, { ...last, place });
			return { ...withoutTimings(last.context), timingsMs: { embed: embedded - started, retrieve: 0, project: 0 } };
		}
		const found = retrieve(view, queryVector, request.k ?? layout.pseudoTokens.max, visible, request.levels);
		const entities = entitiesOf(query, view, found);
		const retrieved = now();
		const pseudoTokens = await project(found, await models.projector('hef'), 'hef');
		const context: GatheredContext = {
			...(pseudoTokens ? { pseudoTokens } : {}),
			entities,
			nodes: found.map(({ node }) => node),
			notes: [],
			timingsMs: { embed: embedded - started, retrieve: retrieved - embedded, project: now() - retrieved },
		};
		held.set(request.uri, { place, generation: view.generation, query: queryVector, context });
		return context;
	};

	const entitiesOf = ({ request, prefix, visibleText }: ContextQuery, view: WorkspaceView, found: readonly Retrieved[]): string[] => {
		if (!layout.entities || request.without?.includes('entities')) return [];
		return selectEntities({
			nodes: found.map(({ node }) => node),
			visible: visibleText,
			prefix,
			path: request.path,
			files: view,
			tokenizer: models.tokenizer,
			maxTokens: layout.entities.max - layout.entities.before.length,
			separator: layout.entities.separator ?? ' ',
		});
	};

	const project = async (found: readonly Retrieved[], projector: Projector | undefined, name: string): Promise<Context['pseudoTokens']> => {
		if (!projector || found.length === 0) return undefined;
		const keys = found.map(({ id }) => `${name}:${id}`);
		const missing = found.filter((_, i) => !projections.has(keys[i] as string));
		if (missing.length > 0) {
			const rows = await projector.project(missing.map(({ vector }) => vector));
			const width = rows.length / missing.length;
			for (const [i, { id }] of missing.entries()) projections.set(`${name}:${id}`, rows.slice(i * width, (i + 1) * width));
		}
		return { keys, embeddings: concatenate(keys.map((key) => projections.get(key) as Float32Array)) };
	};

	const similarChunks = async (query: ContextQuery, view: WorkspaceView, source: SnippetSource): Promise<GatheredContext> => {
		const started = now();
		const snippets = await source.similar(query.prefix, SNIPPETS, query.visible);
		const context: GatheredContext = { ...nothing(), nodes: snippets.map(({ node }) => node) };
		context.timingsMs.retrieve = now() - started;
		if (query.request.context === 'snippets') return { ...context, snippets: snippets.map(({ text }) => text) };
		const found = snippets.flatMap(({ id, node }) => {
			const vector = view.vector(id);
			return vector ? [{ id, node, vector }] : [];
		});
		const projected = now();
		const pseudoTokens = await project(found, await models.projector('llavacode'), 'llavacode');
		context.timingsMs.project = now() - projected;
		return pseudoTokens ? { ...context, pseudoTokens } : { ...context, notes: ['the bundle has no llavacode projector'] };
	};

	return {
		async gather(query) {
			const { view, snippets, request } = query;
			if (request.context === 'none') return nothing();
			if (request.folder === undefined) return nothing('the file lies in no workspace folder: completed from the open file alone');
			if (!view || view.size === 0) return { ...nothing('the index is not ready: completed from the open file alone'), provisional: true };
			if (request.context === 'hef') return hefContext(query, view);
			return snippets ? similarChunks(query, view, snippets) : nothing();
		},
		forget: (uri) => held.delete(uri),
	};
}

/** Embeds the last tokens that the embedder can read of the text before the cursor: `[dimension]`, L2 norm 1. */
async function embedQuery(prefix: string, embedder: Embedder, tokenizer: Tokenizer): Promise<Float32Array> {
	const ids = tokenizer.encode(prefix.slice(-embedder.maxTokens * 8)).slice(-embedder.maxTokens);
	const [vector] = await embedder.embed([ids]);
	return vector as Float32Array;
}

function withoutTimings(context: GatheredContext): GatheredContext {
	return { ...context, timingsMs: { embed: 0, retrieve: 0, project: 0 } };
}

function lineOf(prefix: string): number {
	let lines = 0;
	for (let at = prefix.indexOf('\n'); at !== -1; at = prefix.indexOf('\n', at + 1)) lines++;
	return lines;
}

function samePath(a: string, b: string): boolean {
	return a.slice(0, a.lastIndexOf('\0')) === b.slice(0, b.lastIndexOf('\0'));
}

function dot(a: Float32Array, b: Float32Array): number {
	let sum = 0;
	for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
	return sum;
}

function concatenate(rows: readonly Float32Array[]): Float32Array {
	const width = rows[0]?.length ?? 0;
	const all = new Float32Array(rows.length * width);
	for (const [i, row] of rows.entries()) all.set(row, i * width);
	return all;
}
