/**
 * Keeps an n-gram index true to the files that were published, in the background of the completion thread.
 *
 * Guarantees: a completion never waits for it and finds what is there so far; work goes on in turns of a few milliseconds,
 * each after a pause; a file whose content did not change is not read again, unless it is to be copied from now and was not before; a
 * file that cannot be read is left out. Of a folder that is larger than the index the files are taken that are nearest to those looked
 * at last (`near-files.ts`), these first; without any, those that changed last. Others stay until a nearer one needs their room, and no
 * work is done for those that would find none. In a folder that the index holds, what is looked at changes nothing.
 * Deliberately lacks: watching; it is told which paths changed.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { messageOf } from '../base/errors.ts';
import { type Logger, silentLogger } from '../base/logger.ts';
import type { FileRecord } from '../store/types.ts';
import type { SourceText } from '../workspace/types.ts';
import type { BlockTokenizer } from './block-tokens.ts';
import { lineTable } from './line-table.ts';
import { byAge, type DatedFile, directoryOf, lastDirectories, nearestFirst, type Ranks, ranksOf } from './near-files.ts';
import { createNgramIndex, type NgramIndex } from './ngram-index.ts';

export interface RepositoryCopies {
	readonly index: NgramIndex;
	/** Reads these files again; the call returns at once. */
	follow(paths: readonly string[] | 'all'): void;
	/** Files that are open, the one looked at last first: their neighbourhood is read before the rest. The call returns at once. */
	prioritise(open: readonly string[]): void;
	/** Resolves when the index holds all that it was told of so far. */
	settled(): Promise<void>;
	/** Ends the work under way at its next pause. */
	close(): Promise<void>;
}

export interface RepositoryCopiesOptions {
	/** What is indexed, as the store says. */
	view: {
		file(path: string): FileRecord | undefined;
		paths(): Iterable<string>;
		/** Resolves when it shows what was published. */
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

/** What becomes of a file. */
interface Fate {
	isCopied: boolean;
	/** Whether it is to be read although it was before. */
	isLacking: boolean;
	/** Which others may make room for it. */
	mayGo(other: string): boolean;
}

const WHILE_ALL_FIT: Fate = { isCopied: true, isLacking: false, mayGo: () => false };

export function createRepositoryCopies({
	view,
	read,
	tokenizer,
	observe,
	pause,
	index = createNgramIndex(),
	logger = silentLogger,
}: RepositoryCopiesOptions): RepositoryCopies {
	/** Content hash of what was read, by path. */
	const held = new Map<string, string>();
	/** What there is to read, by path; sorted by age when the {@link ranks} are made. */
	let files = new Map<string, DatedFile>();
	let isTooLarge = false;
	/** {@link lastDirectories} */
	let lookedAt: readonly string[] = [];
	/** The same ones in any order; another array only when there are others. */
	let directories = lookedAt;
	/** Those whose neighbourhood was read. */
	let served = directories;
	/** How near the files are to the directories; undefined when there are others. */
	let ranks: Ranks | undefined;
	let last: Promise<void> = Promise.resolve();
	let closed = false;

	const rest = async (): Promise<void> => {
		await nextTurn();
		await pause?.();
	};

	/** Notes why a file is left out. */
	const failed = (path: string) => (error: unknown) => {
		logger.warn(`copying from ${path}: ${messageOf(error)}`);
		return true;
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

	/** False where no room was made for it. */
	const load = async (path: string, { isCopied, isLacking, mayGo }: Fate, blocks: BlockTokenizer | undefined): Promise<boolean> => {
		const record = view.file(path);
		const hash = record && record.skipped === undefined ? record.contentHash : undefined;
		const isRead = hash !== undefined && held.get(path) === hash;
		if (isRead && !isLacking) return true;
		if (hash === undefined && !held.has(path)) return true;
		const source = hash === undefined ? undefined : await read(path);
		const text = source?.kind === 'text' ? source.text.replaceAll('\r\n', '\n') : undefined;
		if (!isRead) observe?.(path, text);
		let hasRoom: boolean | undefined;
		if (blocks) {
			const tokens = text === undefined || !isCopied ? undefined : await inTurns(blocks.encodeInTurns(text));
			const lines = tokens && (await inTurns(lineTable(tokens, blocks)));
			if (closed) return true;
			hasRoom = await inTurns(index.put(path, tokens, lines, mayGo));
		}
		if (hash === undefined) held.delete(path);
		else held.set(path, hash);
		return hasRoom ?? true;
	};

	/** Looks up what is stored of these files. Of all, what changed last comes last, because the index searches it first. */
	const look = async (paths: readonly string[] | 'all'): Promise<Set<string>> => {
		const waiting = new Set(paths === 'all' ? [...held.keys(), ...view.paths()] : paths);
		const found: DatedFile[] = [];
		if (paths === 'all') ranks = undefined;
		let n = 0;
		for (const path of waiting) {
			const record = view.file(path);
			if (record && record.skipped === undefined) {
				const { mtimeMs = 0, sizeBytes = 0 } = record;
				// A time of 0 stands for one that was too new to be trusted.
				const file = { path, directory: directoryOf(path), sizeBytes, changedMs: mtimeMs || Number.POSITIVE_INFINITY };
				if (!files.has(path)) ranks = undefined;
				files.set(path, file);
				found.push(file);
			} else files.delete(path);
			if (++n % FILES_PER_TURN === 0) await rest();
			if (closed) return waiting;
		}
		let bytes = 0;
		for (const { sizeBytes } of files.values()) bytes += sizeBytes;
		isTooLarge ||= bytes > index.maxTokens * BYTES_PER_TOKEN;
		if (paths !== 'all') return waiting;
		for (const { path } of found.sort((a, b) => (a.changedMs === b.changedMs ? 0 : a.changedMs - b.changedMs))) {
			waiting.delete(path);
			waiting.add(path);
		}
		return waiting;
	};

	/** Reads what waits in its order, as long as there is room. */
	const readAll = async (waiting: Set<string>, blocks: BlockTokenizer | undefined): Promise<void> => {
		for (const path of waiting) {
			await rest();
			if (closed) return;
			const hasRoom = await load(path, WHILE_ALL_FIT, blocks).catch(failed(path));
			if (!hasRoom) {
				isTooLarge = true;
				return;
			}
			waiting.delete(path);
		}
	};

	/** Undefined when closed. */
	const ranksNow = async (): Promise<Ranks | undefined> => {
		if (ranks) return ranks;
		const near = directories;
		const sorted = [...files.values()].sort(byAge);
		files = new Map(sorted.map((file) => [file.path, file]));
		const nearest = await inTurns(nearestFirst(sorted, near));
		const made = nearest && (await inTurns(ranksOf(nearest, index.maxTokens * BYTES_PER_TOKEN)));
		if (near === directories) ranks = made;
		return made;
	};

	/** Reads what waits, and what is near and lacking, the nearest first, as long as the same directories count. */
	const readNearest = async (waiting: Set<string>, blocks: BlockTokenizer): Promise<void> => {
		const near = directories;
		const ranked = await ranksNow();
		if (!ranked || near !== directories) return;
		const rank = (path: string) => ranked.of.get(path) ?? ranked.of.size;
		let { nFitting } = ranked;
		const others = [...waiting].sort((a, b) => rank(a) - rank(b));
		index.arrange((path) => -rank(path));
		for (const path of near === served ? others : new Set([...ranked.of.keys(), ...others])) {
			const isCopied = rank(path) < nFitting;
			const isLacking = isCopied && !index.has(path);
			if (!isLacking && !waiting.has(path)) continue;
			await rest();
			if (closed || near !== directories) return;
			const mayGo = (other: string) => rank(other) > rank(path);
			const hasRoom = await load(path, { isCopied, isLacking, mayGo }, blocks).catch(failed(path));
			if (!hasRoom) nFitting = 0;
			waiting.delete(path);
		}
		index.arrange((path) => -rank(path));
		served = near;
	};

	const loadAll = async (paths: readonly string[] | 'all'): Promise<void> => {
		await view.settled();
		const blocks = closed ? undefined : await tokenizer?.();
		const waiting = await look(paths);
		while (!closed && (waiting.size > 0 || (blocks && isTooLarge && directories !== served)))
			await (blocks && isTooLarge ? readNearest(waiting, blocks) : readAll(waiting, blocks));
	};

	const queue = (paths: readonly string[] | 'all'): void => {
		last = last.then(() => loadAll(paths)).catch((error: unknown) => logger.warn(`copying: ${messageOf(error)}`));
	};

	return {
		index,
		follow: queue,
		prioritise(open) {
			lookedAt = lastDirectories(open, lookedAt);
			if (lookedAt.length === directories.length && lookedAt.every((directory) => directories.includes(directory))) return;
			directories = lookedAt;
			ranks = undefined;
			if (tokenizer && isTooLarge) queue([]);
		},
		settled: () => last,
		async close() {
			closed = true;
			await last;
		},
	};
}
