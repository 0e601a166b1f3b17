/**
 * The `snippets` baseline: chunks ranked by Jaccard similarity of their identifier sets with the text before the cursor,
 * as RepoCoder's sparse retriever does. An inverted index keeps a query proportional to the postings of its words.
 */

export interface JaccardHit<Key> {
	key: Key;
	/** |intersection| / |union| of the word sets, 0–1. */
	score: number;
}

export interface JaccardIndex<Key> {
	add(group: string, key: Key, text: string): void;
	/** Forgets everything that was added under the group. */
	removeGroup(group: string): void;
	search(text: string, k: number, filter?: (key: Key) => boolean): JaccardHit<Key>[];
	readonly size: number;
}

interface Entry<Key> {
	key: Key;
	words: readonly number[];
}

export function createJaccardIndex<Key>(): JaccardIndex<Key> {
	const wordIds = new Map<string, number>();
	const postings: Set<Entry<Key>>[] = [];
	const groups = new Map<string, Entry<Key>[]>();
	let size = 0;

	const idsOf = (text: string, grow: boolean): number[] => {
		const ids = new Set<number>();
		for (const [word] of text.matchAll(/[\p{L}_$][\p{L}\p{N}_$]*/gu)) {
			let id = wordIds.get(word);
			if (id === undefined) {
				if (!grow) continue;
				id = postings.length;
				wordIds.set(word, id);
				postings.push(new Set());
			}
			ids.add(id);
		}
		return [...ids];
	};

	return {
		get size() {
			return size;
		},
		add(group, key, text) {
			const entry = { key, words: idsOf(text, true) };
			for (const word of entry.words) postings[word]?.add(entry);
			const entries = groups.get(group);
			if (entries) entries.push(entry);
			else groups.set(group, [entry]);
			size++;
		},
		removeGroup(group) {
			for (const entry of groups.get(group) ?? []) {
				for (const word of entry.words) postings[word]?.delete(entry);
				size--;
			}
			groups.delete(group);
		},
		search(text, k, filter = () => true) {
			const query = idsOf(text, false);
			const unknown = countWords(text) - query.length;
			const shared = new Map<Entry<Key>, number>();
			for (const word of query) for (const entry of postings[word] ?? []) shared.set(entry, (shared.get(entry) ?? 0) + 1);
			const hits: JaccardHit<Key>[] = [];
			for (const [entry, n] of shared) {
				if (filter(entry.key)) hits.push({ key: entry.key, score: n / (query.length + unknown + entry.words.length - n) });
			}
			return hits.sort((a, b) => b.score - a.score).slice(0, k);
		},
	};
}

function countWords(text: string): number {
	return new Set(text.match(/[\p{L}_$][\p{L}\p{N}_$]*/gu)).size;
}
