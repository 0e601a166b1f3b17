/**
 * Finds the hierarchy's nodes that say most about what is written at the cursor.
 *
 * Nodes of all levels compete in one search. Left out are chunks and files whose text stands in the prompt window already;
 * of several nodes of one place (a directory's sibling groups, a file that is one chunk) the best stays.
 * Deliberately lacks: models; the query comes as a vector.
 */
import type { NodeLevel, RetrievedNode } from 'hef-shared';
import type { NodeId } from '../base/ids.ts';
import type { Occurrence } from '../hierarchy/types.ts';
import type { Hit, SearchOptions } from '../vector-index/types.ts';

/** The part of a workspace view that retrieval reads. */
export interface SearchableView {
	search(query: Float32Array, k: number, options?: SearchOptions): Hit[];
	occurrences(id: NodeId): Iterable<Occurrence>;
}

/** Lines of the open file that the prompt shows, zero-based, inclusive. */
export interface VisibleWindow {
	path: string;
	startLine: number;
	endLine: number;
}

export interface Retrieved {
	id: NodeId;
	node: RetrievedNode;
}

/** A node of the open file is left out when this share of its lines is visible. */
const VISIBLE_SHARE = 0.5;

/** @returns at most `k` nodes, best first; of the given levels only, where some are given */
export function retrieve(
	view: SearchableView,
	query: Float32Array,
	k: number,
	visible: VisibleWindow,
	levels?: readonly NodeLevel[],
): Retrieved[] {
	/** Of what the search came upon: most of it is looked at twice. */
	const found = new Map<NodeId, readonly Occurrence[]>();
	const occurrencesOf = (id: NodeId): readonly Occurrence[] => {
		const known = found.get(id) ?? [...view.occurrences(id)];
		found.set(id, known);
		return known;
	};
	const isAsked = (id: NodeId) => !levels || levels.includes(occurrencesOf(id)[0]?.level ?? 'chunk');
	const filter = (id: NodeId) => isAsked(id) && !isVisible(occurrencesOf(id), visible);
	const chosen: Retrieved[] = [];
	const places = new Set<string>();
	// Some hits fall out below, so a few more are asked for.
	for (const hit of view.search(query, k + (k >> 1), { filter })) {
		const [occurrence] = occurrencesOf(hit.id);
		if (!occurrence) continue;
		const place = `${occurrence.path}\0${occurrence.startLine}\0${occurrence.endLine}`;
		if (places.has(place)) continue;
		places.add(place);
		chosen.push({ id: hit.id, node: { ...occurrence, score: hit.score } });
		if (chosen.length === k) break;
	}
	return chosen;
}

function isVisible(occurrences: readonly Occurrence[], visible: VisibleWindow): boolean {
	for (const occurrence of occurrences) {
		if (occurrence.path !== visible.path || (occurrence.level !== 'chunk' && occurrence.level !== 'file')) continue;
		const lines = occurrence.endLine - occurrence.startLine + 1;
		const shared = Math.min(occurrence.endLine, visible.endLine) - Math.max(occurrence.startLine, visible.startLine) + 1;
		if (shared / lines >= VISIBLE_SHARE) return true;
	}
	return false;
}
