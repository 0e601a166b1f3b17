/**
 * How long a request waits before anything is computed. A wait pays only where the answer would come too late: while answers
 * take longer than the pauses between keystrokes, each would be superseded before it is there.
 *
 * Guarantees: no wait for a request by hand, at the start of a line, after an accepted suggestion, for an editor that waits by
 * itself, and with the setting at 0. Deliberately lacks: timers, and what is known without a model, which never waits.
 */

export interface DebouncePolicy {
	/** The user changed a document. */
	typed(uri: string): void;
	/** The user took a suggestion. */
	accepted(uri: string): void;
	/** A model computed an answer in so many milliseconds. */
	answered(ms: number): void;
	/** Milliseconds to wait. */
	waitFor(request: DebouncedRequest): number;
}

export interface DebouncedRequest {
	uri: string;
	explicit: boolean;
	/** The line up to the cursor, and behind it. */
	before: string;
	after: string;
}

export interface DebounceOptions {
	/** Longest wait, asked each time. */
	maxMs(): number;
	/** The editor waits after a keystroke by itself. */
	editorWaits: boolean;
	/** Milliseconds. */
	now(): number;
}

/** Editors whose inline completion has a delay of its own (by `clientInfo.name`): Neovim 200 ms, VS Code and its kin 50 ms. */
const WAITING_EDITORS = /^(?:neovim|visual studio code|vscodium|code - oss|code-server|cursor|windsurf)/i;
/** A longer pause is no typing. */
const PAUSE_MS = 2000;
const SAMPLES = 10;
/** Of the mean pause: most in the middle of a word, least behind the last character of a line. */
const LONGEST_RATE = 3;
const SHORTEST_RATE = 1.5;

export function editorWaits(clientName: string | undefined): boolean {
	return clientName !== undefined && WAITING_EDITORS.test(clientName);
}

export function createDebouncePolicy({ maxMs, editorWaits: waits, now }: DebounceOptions): DebouncePolicy {
	const pauses: number[] = [];
	const answers: number[] = [];
	const acceptedIn = new Set<string>();
	let last: { uri: string; at: number } | undefined;

	return {
		typed(uri) {
			const at = now();
			if (last?.uri === uri && at - last.at < PAUSE_MS) keepLast(pauses, at - last.at);
			last = { uri, at };
		},
		accepted: (uri) => void acceptedIn.add(uri),
		answered: (ms) => keepLast(answers, ms),
		waitFor({ uri, explicit, before, after }) {
			const afterAccept = acceptedIn.delete(uri);
			if (explicit || waits || afterAccept || before.trim() === '' || pauses.length === 0 || answers.length === 0) return 0;
			const [pause, answer] = [mean(pauses), mean(answers)];
			if (answer <= pause) return 0;
			return Math.max(0, Math.min(maxMs(), rateAt(before, after) * pause - answer));
		},
	};
}

/** Behind a word a suggestion is worth more than in it, and at the end of the line more than before other text. */
function rateAt(before: string, after: string): number {
	const score = (/\w$/.test(before) ? 0 : 0.5) + (after.trim() === '' ? 0.5 : 0);
	return LONGEST_RATE - (LONGEST_RATE - SHORTEST_RATE) * score;
}

function keepLast(values: number[], value: number): void {
	values.push(value);
	if (values.length > SAMPLES) values.shift();
}

function mean(values: readonly number[]): number {
	return values.reduce((sum, value) => sum + value, 0) / values.length;
}
