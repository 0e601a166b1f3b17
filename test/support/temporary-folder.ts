/** Folders for one test, removed when it ends. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';

/** Absolute path of a new folder that holds the files. */
export function temporaryFolder(files: Record<string, string | Uint8Array> = {}): string {
	const folder = realpathSync(mkdtempSync(join(tmpdir(), 'hef-test-')));
	onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
	writeFiles(folder, files);
	return folder;
}

export function writeFiles(folder: string, files: Record<string, string | Uint8Array>): void {
	for (const [path, content] of Object.entries(files)) {
		mkdirSync(dirname(join(folder, path)), { recursive: true });
		writeFileSync(join(folder, path), content);
	}
}
