/**
 * Content addresses. Equal content under equal recipes has equal ids, on every machine; ids carry no location.
 *
 * Deliberately lacks: any knowledge of where content lies.
 */
import { hash } from 'node:crypto';

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

/** 32 hex digits over a file's text. */
export type ContentHash = Branded<'ContentHash'>;
/** 32 hex digits that name a vector: a chunk's or an inner node's. */
export type NodeId = Branded<'NodeId'>;
/** Names a vector space: hash of the models and rules that make vectors. Vectors of different spaces are never compared. */
export type SpaceId = Branded<'SpaceId'>;

/** First 16 bytes of SHA-256 as hex: collision-free for any repository, half the size in memory. */
export function hashText(text: string): string {
	// A copy: a part of all 64 digits would keep them in memory. A digest as a buffer takes twice as long.
	return Buffer.from(hash('sha256', text, 'hex'), 'latin1').toString('latin1', 0, 32);
}

export function contentHash(text: string): ContentHash {
	return hashText(text) as ContentHash;
}

/** Id of a chunk: what was embedded, by what. */
export function chunkId(space: SpaceId, text: string): NodeId {
	return hashText(`chunk\0${space}\0${text}`) as NodeId;
}

/**
 * Where the vector lies that was tuned for a node under one bundle's projector and generator. It is for projection alone, never
 * for search, and another bundle never finds it.
 */
export function tunedId(bundleId: string, node: NodeId): NodeId {
	return hashText(`tuned\0${bundleId}\0${node}`) as NodeId;
}

/** Id of an inner node: its children in order. */
export function innerNodeId(space: SpaceId, children: readonly NodeId[]): NodeId {
	return hashText(`node\0${space}\0${children.join('\0')}`) as NodeId;
}
