/** The server that the VS Code extension brings runs from its own files, away from the checkout and its packages. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { CompletionReport, WorkspaceReport } from 'hef-shared';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../support/temporary-folder.ts';

const SCRIPT = new URL('../../client-vscode/scripts/server-files.mjs', import.meta.url).href;
const SHAPES = 'export function areaOf(width: number, height: number): number {\n\treturn width * height;\n}\n';

/** Where ONNX Runtime reports home it first leaves its number in the user's cache; it never does where one of these is set. */
const QUIETENS = /^(?:ORT_|CI$|TF_BUILD|GITHUB_|JENKINS|GITLAB|BUILD|TRAVIS|CIRCLECI|XDG_)/;

test('indexes a folder and completes in it, and its runtime does not report home', async () => {
	const { serverFiles } = (await import(SCRIPT)) as { serverFiles(): [path: string, content: Buffer][] };
	const extension = temporaryFolder(Object.fromEntries(serverFiles()));
	const folder = temporaryFolder({ 'shapes.ts': SHAPES, 'main.ts': "import { areaOf } from './shapes.ts';\n\nconst area = areaOf(" });
	const home = temporaryFolder();
	const plain = Object.fromEntries(Object.entries(process.env).filter(([name]) => !QUIETENS.test(name)));
	const env = { ...plain, HOME: home, XDG_CACHE_HOME: home };
	const run = <T>(...args: string[]): T => {
		const program = join(extension, 'server', 'bin', 'hef-language-server.js');
		const common = ['--cache', join(extension, 'cache'), '--execution-provider', 'cpu', '--json'];
		return JSON.parse(execFileSync(process.execPath, [program, ...args, ...common], { encoding: 'utf8', stdio: 'pipe', env })) as T;
	};

	const report = run<WorkspaceReport>('index', folder);
	expect(report).toMatchObject({ state: 'ready', files: 2 });
	expect(report.hnsw.size).toBe(report.nodes);

	const answer = run<CompletionReport>('complete', join(folder, 'main.ts'), '--line', '2', '--column', '20');
	expect(answer.bundle).toBe('hef-nano');
	expect(answer.tokens.generated).toBeGreaterThan(0);
	expect(existsSync(join(home, 'Microsoft'))).toBe(false);
}, 180_000);
