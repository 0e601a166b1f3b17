/** Work-done progress while a folder is indexed, for clients that show it. */
import { basename } from 'node:path';
import type { ClientCapabilities, Connection, WorkDoneProgressServerReporter } from 'vscode-languageserver';
import { roughDuration } from '../base/duration.ts';
import type { IndexProgress } from '../services.ts';

export interface ProgressReporter {
	report(progress: IndexProgress): void;
	end(folder: string): void;
}

/** `12 of 340 files, about 2 min left`. */
export function progressText({
	filesDone,
	filesTotal,
	remainingMs,
}: Pick<IndexProgress, 'filesDone' | 'filesTotal'> & { remainingMs: number | undefined }): string {
	const left = remainingMs === undefined ? '' : `, ${roughDuration(remainingMs)} left`;
	return `${filesDone} of ${filesTotal} files${left}`;
}

/** Fewer files than this are indexed before anyone could read a message. */
const WORTH_SHOWING = 20;

export function createProgressReporter(connection: Connection, capabilities: ClientCapabilities): ProgressReporter {
	if (!capabilities.window?.workDoneProgress) return { report() {}, end() {} };
	const running = new Map<string, Promise<WorkDoneProgressServerReporter>>();
	return {
		report({ folder, filesDone, filesTotal, remainingMs }) {
			if (filesTotal < WORTH_SHOWING) return;
			let reporter = running.get(folder);
			if (!reporter) {
				reporter = connection.window.createWorkDoneProgress().then((created) => {
					created.begin(`HEF: indexing ${basename(folder)}`, 0, undefined, false);
					return created;
				});
				// A client that refuses the token simply shows nothing.
				reporter.catch(() => {});
				running.set(folder, reporter);
			}
			const percentage = Math.floor((100 * filesDone) / filesTotal);
			void reporter.then((open) => open.report(percentage, progressText({ filesDone, filesTotal, remainingMs }))).catch(() => {});
		},
		end(folder) {
			const reporter = running.get(folder);
			running.delete(folder);
			void reporter?.then((open) => open.done()).catch(() => {});
		},
	};
}
