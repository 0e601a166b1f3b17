/**
 * Gathers the repository context of a prompt, by mode: pseudo-tokens and entities (`hef`), projected similar chunks
 * (`llavacode`), raw similar chunks (`snippets`). A bundle without a projector for `hef` gets the text of the nearest chunks instead.
 *
 * What was gathered is *held* while the user types in one line, and through a line change when the query hardly moved:
 * a renewed context sits in front of everything else in the prompt and would cost the whole KV cache. A request near a held
 * place is served from it, marked as stale, and the context renewed when nobody waits ({@link ContextGatherer.gather}).
 */
import type { NodeLevel, RetrievedNode } from 'hef-shared';
import type { NodeId } from '../base/ids.ts';
import { NO_PROJECTOR } from '../inference/manifest.ts';
import type { PromptLayout } from '../inference/prompt-layout.ts';
import type { Embedder, Models, Tokenizer } from '../inference/types.ts';
import { type Retrieved, retrieve, type VisibleWindow } from '../retrieval/retriever.ts';
import type { Snippet, SnippetSource } from '../retrieval/snippets.ts';
import type { WorkspaceView } from '../retrieval/view.ts';
import { selectEntities } from './entities.ts';
import { createHeldContexts, type Held, type Place } from './held-contexts.ts';
import type { NameUses } from './name-uses.ts';
import { createProjections } from './projections.ts';
import type { Context } from './prompt.ts';
import { countNewlines } from './split.ts';
import type { CompletionRequest } from './types.ts';

const SNIPPETS = 10;
const CHUNKS: readonly NodeLevel[] = ['chunk'];
/** Few texts have more; those are read again from farther away. */
const USUAL_CHARS_PER_TOKEN = 5;
const MOST_CHARS_PER_TOKEN = 8;
/** Tokens behind a cut that may differ from those of the whole text. */
const CUT_TOKENS = 32;

export interface GatheredContext extends Context {
	nodes: RetrievedNode[];
	/** What had to be done without. */
	notes: string[];
	/** Asked again, the answer may hold more: the index was not there yet. */
	provisional?: true;
	/** Gathered for a place nearby, or before the index changed. */
	stale?: true;
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
	names?: NameUses | undefined;
	/** Text before the cursor. */
	prefix: string;
	visible: VisibleWindow;
	/** Text of the prompt's own windows. */
	visibleText: string;
}

/** A context, and the vector that found it where one did. */
type Gathered = Pick<Held<GatheredContext>, 'context' | 'query'>;

export interface ContextGatherer {
	/**
	 * @param renew takes the time to renew a stale context. Without, one is renewed only where none is held nearby
	 */
	gather(query: ContextQuery, renew?: boolean): Promise<GatheredContext>;
	/** Whether the query's place has a context that {@link gather} need not renew. */
	isHeld(query: ContextQuery): boolean;
	/** Makes pseudo-tokens of nodes before a request asks for them. False where there is no room for more. */
	projectAhead(nodes: readonly NodeId[], view: WorkspaceView): Promise<boolean>;
	forget(uri: string): void;
}

export function createContextGatherer({ models, layout, now }: ContextOptions): ContextGatherer {
	const held = createHeldContexts<GatheredContext>();
	const projections = createProjections();
	const nothing = (...notes: string[]): GatheredContext => ({ nodes: [], notes, timingsMs: { embed: 0, retrieve: 0, project: 0 } });

	/** What is held for the place, if anything: undefined asks for a new context. */
	const heldFor = (place: Place, view: WorkspaceView, renew: boolean): GatheredContext | undefined => {
		const here = held.at(place);
		if (here?.generation === view.generation) return withoutTimings(here.context);
		const near = renew ? undefined : (here ?? held.near(place));
		return near && { ...withoutTimings(near.context), stale: true };
	};

	const hefContext = async (query: ContextQuery, view: WorkspaceView): Promise<Gathered> => {
		const { request, visible } = query;
		const started = now();
		const vector = await embedQuery(query.prefix, await models.embedder(), models.embedderTokenizer);
		const embed = now() - started;
		const same = request.fresh ? undefined : held.similar(placeOf(query), view.generation, vector);
		if (same) return { query: vector, context: { ...withoutTimings(same.context), timingsMs: { embed, retrieve: 0, project: 0 } } };
		const asText = (await models.projector('hef')) === undefined;
		const [k, levels] = asText ? [SNIPPETS, CHUNKS] : [request.k ?? layout.pseudoTokens.max, request.levels];
		const found = retrieve(view, vector, k, visible, levels);
		const entities = entitiesOf(query, view, found);
		const snippets = asText ? await query.snippets?.read(found) : undefined;
		const retrieved = now();
		const pseudoTokens = await project(found, view, 'hef');
		const context: GatheredContext = {
			...(pseudoTokens ? { pseudoTokens } : {}),
			...(snippets ? { snippets: snippets.map(snippetOf) } : {}),
			entities,
			nodes: found.map(({ node }) => node),
			notes: asText ? [NO_PROJECTOR] : [],
			timingsMs: { embed, retrieve: retrieved - started - embed, project: now() - retrieved },
		};
		return { query: vector, context };
	};

	const entitiesOf = (
		{ request, prefix, visibleText, names }: ContextQuery,
		view: WorkspaceView,
		found: readonly Retrieved[],
	): string[] => {
		if (!layout.entities || request.without?.includes('entities')) return [];
		return selectEntities({
			nodes: found.map(({ node }) => node),
			visible: visibleText,
			prefix,
			path: request.path,
			files: view,
			names,
			known: names?.known,
			tokenizer: models.tokenizer,
			maxTokens: layout.entities.max - layout.entities.before.length,
			separator: layout.entities.separator ?? ' ',
		});
	};

	const project = async (found: readonly { id: NodeId }[], view: WorkspaceView, name: 'hef' | 'llavacode') => {
		const projector = await models.projector(name);
		const ids = found.map(({ id }) => id);
		return projector && projections.of(ids, { projector, name, vector: (id) => view.vector(id) });
	};

	const similarChunks = async (query: ContextQuery, view: WorkspaceView, source: SnippetSource): Promise<Gathered> => {
		const started = now();
		const snippets = await source.similar(query.prefix, SNIPPETS, query.visible);
		const context: GatheredContext = { ...nothing(), nodes: snippets.map(({ node }) => node) };
		context.timingsMs.retrieve = now() - started;
		if (query.request.context === 'snippets') return { context: { ...context, snippets: snippets.map(snippetOf) } };
		const projected = now();
		const pseudoTokens = await project(snippets, view, 'llavacode');
		context.timingsMs.project = now() - projected;
		return { context: pseudoTokens ? { ...context, pseudoTokens } : { ...context, notes: ['the bundle has no llavacode projector'] } };
	};

	return {
		async gather(query, renew = false) {
			const { view, snippets, request } = query;
			if (request.context === 'none') return nothing();
			if (request.folder === undefined) return nothing('the file lies in no workspace folder: completed from the open file alone');
			if (!view || view.size === 0) return { ...nothing('the index is not ready: completed from the open file alone'), provisional: true };
			const place = placeOf(query);
			const known = request.fresh ? undefined : heldFor(place, view, renew);
			if (known) return known;
			// What is published meanwhile is taken up with the next renewal.
			const { generation } = view;
			if (request.context !== 'hef' && !snippets) return nothing();
			const gathered =
				request.context === 'hef' ? await hefContext(query, view) : await similarChunks(query, view, snippets as SnippetSource);
			held.add(place, { generation, ...gathered });
			return gathered.context;
		},
		isHeld: (query) => query.view === undefined || held.at(placeOf(query))?.generation === query.view.generation,
		async projectAhead(nodes, view) {
			const projector = await models.projector('hef');
			return projector !== undefined && projections.ahead(nodes, { projector, name: 'hef', vector: (id) => view.vector(id) });
		},
		forget: (uri) => held.forget(uri),
	};
}

/** Embeds the last tokens that the embedder can read of the text before the cursor: `[dimension]`, L2 norm 1. */
function embedQuery(prefix: string, embedder: Embedder, tokenizer: Tokenizer): Promise<Float32Array> {
	return embedder.embedQuery(lastTokens(prefix, embedder.maxTokens, tokenizer));
}

/** The text's last tokens, at least `n` of them where it has as many. What stands far before them is not tokenised. */
export function lastTokens(text: string, n: number, tokenizer: Pick<Tokenizer, 'encode'>): number[] {
	const ids = tokenizer.encode(text.slice(-n * USUAL_CHARS_PER_TOKEN));
	const isCut = text.length > n * USUAL_CHARS_PER_TOKEN;
	return isCut && ids.length < n + CUT_TOKENS ? tokenizer.encode(text.slice(-n * MOST_CHARS_PER_TOKEN)) : ids;
}

function snippetOf({ node, text }: Snippet): { path: string; text: string } {
	return { path: node.path, text };
}

function withoutTimings(context: GatheredContext): GatheredContext {
	return { ...context, timingsMs: { embed: 0, retrieve: 0, project: 0 } };
}

function placeOf({ request, visible, prefix }: ContextQuery): Place {
	return { uri: request.uri, kind: `${visible.path}\0${request.context}`, line: countNewlines(prefix) };
}
