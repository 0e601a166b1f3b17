/** Requests that wait for their files. Every promise settles: when the files are in the store, or when work is given up. */
import type { UpdateReport } from 'hef-shared';
import type { IndexRequest } from './types.ts';

interface Waiting {
	/** Files left; undefined while nobody has looked yet. */
	left: number | undefined;
	resolve(report: UpdateReport): void;
	reject(error: unknown): void;
}

export class Requests {
	readonly #waiting = new Map<symbol, Waiting>();
	#incoming: { id: symbol; request: IndexRequest }[] = [];
	/** Why no request is taken any more. */
	#closed: Error | undefined;

	get hasIncoming(): boolean {
		return this.#incoming.length > 0;
	}

	add(request: IndexRequest): Promise<UpdateReport> {
		const id = Symbol(request.reason);
		const answer = new Promise<UpdateReport>((resolve, reject) => {
			if (this.#closed) return reject(this.#closed);
			this.#incoming.push({ id, request });
			this.#waiting.set(id, { left: undefined, resolve, reject });
		});
		// Whoever asks in passing need not listen; the state tells of failures.
		answer.catch(() => {});
		return answer;
	}

	takeIncoming(): { id: symbol; request: IndexRequest }[] {
		const incoming = this.#incoming;
		this.#incoming = [];
		return incoming;
	}

	/** The request waits for so many files. */
	expect(id: symbol, files: number): void {
		const waiting = this.#waiting.get(id);
		if (waiting) waiting.left = files;
	}

	/** One file is in the store. */
	fileDone(ids: Iterable<symbol>): void {
		for (const id of ids) {
			const waiting = this.#waiting.get(id);
			if (waiting?.left !== undefined) waiting.left--;
		}
	}

	/** Answers the requests that wait for nothing any more. */
	settle(report: UpdateReport): void {
		for (const [id, { left, resolve }] of this.#waiting) {
			if (left === undefined || left > 0) continue;
			this.#waiting.delete(id);
			resolve(report);
		}
	}

	fail(error: unknown): void {
		for (const { reject } of this.#waiting.values()) reject(error);
		this.#waiting.clear();
		this.#incoming = [];
	}

	/** Fails all, also those that are yet to come. */
	close(reason: Error): void {
		this.#closed = reason;
		this.fail(reason);
	}

	failOne(id: symbol, error: unknown): void {
		this.#waiting.get(id)?.reject(error);
		this.#waiting.delete(id);
	}
}
