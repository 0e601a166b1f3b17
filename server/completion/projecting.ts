/**
 * Projects the nodes of a folder in the background, so that a request finds its pseudo-tokens made (`projections.ts`).
 *
 * Guarantees: a completion never waits for it; work goes on in short turns, each after a pause; memory is bounded for each folder, and
 * for all of them. Deliberately lacks: any say in which nodes a request takes.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { messageOf } from '../base/errors.ts';
import type { NodeId } from '../base/ids.ts';
import { type Logger, silentLogger } from '../base/logger.ts';
import type { WorkspaceView } from '../retrieval/view.ts';

export interface Projecting {
	/** The view shows other nodes. The call returns at once. */
	follow(): void;
	/** Resolves when all is projected that the view showed when it was last followed. */
	settled(): Promise<void>;
	/** Ends the work under way. */
	close(): Promise<void>;
}

export interface ProjectingOptions {
	view: Pick<WorkspaceView, 'nodes' | 'settled'>;
	/** False ends the work. */
	project(nodes: readonly NodeId[]): Promise<boolean>;
	/** Awaited between two turns; resolves when work may go on. */
	pause?(): Promise<void>;
	logger?: Logger;
}

/** Nodes of a folder that are projected ahead, 5 MB at a hidden size of 192. Others cost a request half a millisecond. */
const MOST_NODES = 6000;
/** Nodes of one turn, which takes about a millisecond. */
const TURN_NODES = 32;

export function createProjecting({ view, project, pause, logger = silentLogger }: ProjectingOptions): Projecting {
	let last: Promise<void> = Promise.resolve();
	let closed = false;
	/** Work is to begin that will see whatever the view shows by then. */
	let waits = false;

	const projectAll = async (): Promise<void> => {
		await view.settled();
		waits = false;
		const nodes = closed ? [] : firstOf(view.nodes(), MOST_NODES);
		for (let start = 0; start < nodes.length; start += TURN_NODES) {
			await nextTurn();
			await pause?.();
			if (closed || !(await project(nodes.slice(start, start + TURN_NODES)))) return;
		}
	};

	return {
		follow() {
			if (waits) return;
			waits = true;
			last = last.then(projectAll).catch((error: unknown) => logger.warn(`projecting ahead: ${messageOf(error)}`));
		},
		settled: () => last,
		async close() {
			closed = true;
			await last;
		},
	};
}

function firstOf<T>(items: Iterable<T>, most: number): T[] {
	const first: T[] = [];
	for (const item of items) {
		if (first.length === most) break;
		first.push(item);
	}
	return first;
}
