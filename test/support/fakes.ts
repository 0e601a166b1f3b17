/** Stand-ins for the indexer's neighbours: deterministic, in memory, and counting what they are asked. */
import { type Clock, systemClock } from '../../server/base/clock.ts';
import { hashText } from '../../server/base/ids.ts';
import type { Chunk, Chunker } from '../../server/chunking/types.ts';
import type { Embedder, Fuser, Tokenizer } from '../../server/inference/types.ts';
import type { SourceText, Workspace } from '../../server/workspace/types.ts';
import { createRandom } from './random.ts';
import { unit } from './vectors.ts';

/** One token for each UTF-16 code unit. */
export const fakeTokenizer: Pick<Tokenizer, 'encode' | 'count'> = {
	encode: (text) => Array.from(text, (character) => character.codePointAt(0) as number),
	count: (text) => text.length,
};

/** Chunks of two lines, and an entity for each line `def name`; `chunked` lists the paths that were chunked. */
export function createFakeChunker(): Chunker & { chunked: string[] } {
	const chunked: string[] = [];
	return {
		chunked,
		async chunk(path, text) {
			chunked.push(path);
			const lines = text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
			const chunks: Chunk[] = [];
			let offset = 0;
			for (let line = 0; line < lines.length; line += 2) {
				const piece = lines.slice(line, line + 2);
				const endOffset = offset + piece.join('').length;
				chunks.push({ startOffset: offset, endOffset, startLine: line, endLine: line + piece.length - 1 });
				offset = endOffset;
			}
			const entities = lines.flatMap((content, line) => {
				const name = /^def (\w+)/.exec(content)?.[1];
				return name ? [{ name, kind: 'function' as const, line }] : [];
			});
			return { chunks, entities, method: 'syntax' };
		},
	};
}

/** A vector that depends on the tokens alone. `texts` lists what was embedded. */
export function createFakeEmbedder(options: { dimension: number; onRun?: (text: string) => void }): Embedder & { texts: string[] } {
	const texts: string[] = [];
	const embedOne = (ids: readonly number[]): Float32Array => {
		const text = String.fromCodePoint(...ids);
		options.onRun?.(text);
		texts.push(text);
		const random = createRandom(Number.parseInt(hashText(text).slice(0, 8), 16));
		return unit(Float32Array.from({ length: options.dimension }, () => random.normal()));
	};
	return {
		dimension: options.dimension,
		maxTokens: 512,
		texts,
		embed: async (inputs) => inputs.map(embedOne),
		embedQuery: async (ids) => embedOne(ids),
	};
}

/** The weighted mean of the children, so that order matters. */
export function createFakeFuser(): Fuser & { fused: number } {
	const fuser = {
		arity: 8,
		fused: 0,
		async fuse(families: readonly (readonly Float32Array[])[]) {
			fuser.fused += families.length;
			return families.map((children) =>
				unit(
					Float32Array.from(children[0] as Float32Array, (_, i) =>
						children.reduce((sum, child, at) => sum + (child[i] as number) * (1 + at / 10), 0),
					),
				),
			);
		},
	};
	return fuser;
}

export interface FakeWorkspace extends Workspace {
	/** Changes a file without telling anyone. */
	write(path: string, text: string): void;
	/** Changes a file without changing its time; same length, same size. */
	replace(path: string, text: string): void;
	writeBinary(path: string): void;
	remove(path: string): void;
	/** Paths read since the start. */
	reads: string[];
}

/** Files in memory; each write gets a later time. */
export function createFakeWorkspace(files: Record<string, string> = {}): FakeWorkspace {
	const contents = new Map<string, { source: SourceText; mtimeMs: number }>();
	let time = 1_000_000;
	const reads: string[] = [];
	const workspace: FakeWorkspace = {
		folder: '/fake',
		reads,
		write(path, text) {
			time += 10_000;
			contents.set(path, { source: { kind: 'text', text }, mtimeMs: time });
		},
		replace(path, text) {
			contents.set(path, { source: { kind: 'text', text }, mtimeMs: contents.get(path)?.mtimeMs ?? time });
		},
		writeBinary(path) {
			time += 10_000;
			contents.set(path, { source: { kind: 'skipped', reason: 'binary' }, mtimeMs: time });
		},
		remove: (path) => void contents.delete(path),
		async list() {
			const paths = [...contents.keys()].sort();
			return Promise.all(paths.map(async (path) => (await workspace.stat(path)) ?? { path, sizeBytes: 0, mtimeMs: 0 }));
		},
		async stat(path) {
			const content = contents.get(path);
			if (!content) return undefined;
			const sizeBytes = content.source.kind === 'text' ? Buffer.byteLength(content.source.text) : 99;
			return { path, sizeBytes, mtimeMs: content.mtimeMs };
		},
		async read(path) {
			reads.push(path);
			return contents.get(path)?.source ?? { kind: 'skipped', reason: 'unreadable' };
		},
		includes: (path) => contents.has(path),
		watch: async () => async () => {},
	};
	for (const [path, text] of Object.entries(files)) workspace.write(path, text);
	return workspace;
}

/** A clock that moves only when told; everything due runs then. */
export function createManualClock(start = 2_000_000_000): Clock & { advance(ms: number): void } {
	let now = start;
	let timers: { at: number; callback: () => void }[] = [];
	return {
		now: () => now,
		elapsed: () => now,
		schedule(ms, callback) {
			const timer = { at: now + ms, callback };
			timers.push(timer);
			return () => {
				timers = timers.filter((other) => other !== timer);
			};
		},
		advance(ms) {
			now += ms;
			const due = timers.filter(({ at }) => at <= now);
			timers = timers.filter(({ at }) => at > now);
			for (const { callback } of due) callback();
		},
	};
}

/** The clock of the machine, and a way to wait until somebody waits. */
export function createWatchedClock(): Clock & { scheduled(ms: number, times?: number): Promise<void> } {
	const watchers = new Set<{ ms: number; times: number; resolve: () => void }>();
	return {
		...systemClock,
		schedule(ms, callback) {
			for (const watcher of watchers) {
				if (watcher.ms !== ms || --watcher.times > 0) continue;
				watchers.delete(watcher);
				watcher.resolve();
			}
			return systemClock.schedule(ms, callback);
		},
		/** Resolves when a callback after just so long was asked for that many times from now on. */
		scheduled: (ms, times = 1) => new Promise((resolve) => watchers.add({ ms, times, resolve })),
	};
}
