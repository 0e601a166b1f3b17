/**
 * Keeps an n-gram index true to the files that were published, in the background of the completion thread.
 *
 * Guarantees: a completion never waits for it and finds what is there so far; work goes on in turns of a few milliseconds,
 * each after a pause; a file whose content did not change is not read again; a file that cannot be read is left out. Of a folder
 * that is larger than the index the files are taken that changed last, and no work is done for those that would make room at once.
 * Deliberately lacks: watching; it is told which paths changed.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { messageOf } from '../base/errors.ts';
import { type Logger, silentLogger } from '../base/logger.ts';
import type { FileRecord } from '../store/types.ts';
import type { SourceText } from '../workspace/types.ts';
import type { BlockTokenizer } from './block-tokens.ts';
import { lineTable } from './line-table.ts';
import { createNgramIndex, type NgramIndex } from './ngram-index.ts';

export interface RepositoryCopies {
	readonly index: NgramIndex;
	/** Reads these files again; the call returns at once. */
	follow(paths: readonly string[] | 'all'): void;
	/** Resolves when the index holds all that it was told of so far. */
	settled(): Promise<void>;
	/** Ends the work under way at its next pause. */
	close(): Promise<void>;
}

export interface RepositoryCopiesOptions {
	/** What is indexed, as the store says. */
	view: {
		file(path: string): FileRecord | undefined;
		paths(): Iterable<string> /** Resolves when it shows what was published. */;
		settled(): Promise<void>;
	};
	read(path: string): Promise<SourceText>;
	/** Asked for when the first text is to be read. Without, texts are observed and not copied from. */
	tokenizer: (() => Promise<BlockTokenizer>) | undefined;
	/** Told each text that was read, and undefined for a file that is gone. */
	observe?(path: string, text: string | undefined): void;
	/** Awaited between two turns; resolves when work may go on. */
	pause?(): Promise<void>;
	index?: NgramIndex;
	logger?: Logger;
}

/** Longest turn of work. */
const TURN_MS = 3;
/** Records that are read in one turn. */
const FILES_PER_TURN = 64;
/** Source has 3 to 4 bytes a token: the files that are taken fill the index, or nearly so. */
const BYTES_PER_TOKEN = 3;

export function createRepositoryCopies({
	view,
	read,
	tokenizer,
	observe,
	pause,
	index = createNgramIndex(),
	logger = silentLogger,
}: RepositoryCopiesOptions): RepositoryCopies {
	/** Content hash of what the index holds, by path. */
	const held = new Map<string, string>();
	let last: Promise<void> = Promise.resolve();
	let closed = false;

	const rest = async (): Promise<void> => {
		await nextTurn();
		await pause?.();
	};

	/** Runs work in turns; undefined when it was ended early. */
	const inTurns = async <T>(work: Generator<void, T>): Promise<T | undefined> => {
		let began = performance.now();
		for (let step = work.next(); ; step = work.next()) {
			if (step.done) return step.value;
			if (performance.now() - began < TURN_MS) continue;
			await rest();
			if (closed) return undefined;
			began = performance.now();
		}
	};

	const load = async (path: string, isCopied: boolean, blocks: BlockTokenizer | undefined): Promise<void> => {
		const record = view.file(path);
		const hash = record && record.skipped === undefined ? record.contentHash : undefined;
		if (hash !== undefined && held.get(path) === hash) return;
		if (hash === undefined && !held.has(path)) return;
		const source = hash === undefined ? undefined : await read(path);
		const text = source?.kind === 'text' ? source.text.replaceAll('\r\n', '\n') : undefined;
		observe?.(path, text);
		if (blocks) {
			const tokens = text === undefined || !isCopied ? undefined : await inTurns(blocks.encodeInTurns(text));
			const lines = tokens && (await inTurns(lineTable(tokens, blocks)));
			if (closed) return;
			await inTurns(index.put(path, tokens, lines));
		}
		if (hash === undefined) held.delete(path);
		else held.set(path, hash);
	};

	/** What changed last comes last, because the index forgets what came first; and whether there will be room for it. */
	const inOrder = async (paths: ReadonlySet<string>): Promise<(readonly [path: string, isCopied: boolean])[]> => {
		const files: { path: string; sizeBytes: number; changedMs: number }[] = [];
		for (const path of paths) {
			const { mtimeMs = 0, sizeBytes = 0 } = view.file(path) ?? {};
			// A time of 0 stands for one that was too new to be trusted.
			files.push({ path, sizeBytes, changedMs: mtimeMs || Number.POSITIVE_INFINITY });
			if (files.length % FILES_PER_TURN === 0) await rest();
			if (closed) return [];
		}
		files.sort((a, b) => (a.changedMs === b.changedMs ? 0 : a.changedMs - b.changedMs));
		let bytes = 0;
		const ordered: (readonly [path: string, isCopied: boolean])[] = [];
		for (const { path, sizeBytes } of files.reverse()) {
			bytes += sizeBytes;
			ordered.push([path, bytes <= index.maxTokens * BYTES_PER_TOKEN]);
		}
		return ordered.reverse();
	};

	const loadAll = async (paths: readonly string[] | 'all'): Promise<void> => {
		await view.settled();
		const blocks = closed ? undefined : await tokenizer?.();
		const wanted = paths === 'all' ? await inOrder(new Set([...held.keys(), ...view.paths()])) : paths.map((path) => [path, true] as const);
		for (const [path, isCopied] of wanted) {
			await rest();
			if (closed) return;
			await load(path, isCopied, blocks).catch((error: unknown) => logger.warn(`copying from ${path}: ${messageOf(error)}`));
		}
	};

	return {
		index,
		follow(paths) {
			last = last.then(() => loadAll(paths)).catch((error: unknown) => logger.warn(`copying: ${messageOf(error)}`));
		},
		settled: () => last,
		async close() {
			closed = true;
			await last;
		},
	};
}
