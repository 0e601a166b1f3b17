/** Emacs in batch mode: lsp-mode with its own inline completion, eglot with the completion list. */
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect } from 'vitest';
import { accepted, EDITORS, editorTest, findProgram, playground, snippet, TYPED } from './support.ts';

const emacs = findProgram('emacs');
/** Where setup.sh unpacks lsp-mode and what it needs. */
const LSP_MODE_PATH = join(EDITORS, 'lsp-mode', 'usr', 'share', 'emacs', 'site-lisp', 'elpa-src');

function check(script: string, config: string): void {
	const ground = playground();
	const configFile = join(ground.home, 'config.el');
	writeFileSync(configFile, config);
	const scriptFile = fileURLToPath(new URL(`emacs/${script}`, import.meta.url));
	const args = ['--batch', '-Q', '-l', scriptFile, configFile, ground.file, TYPED];
	const { status, stdout, stderr } = spawnSync(emacs as string, args, {
		env: { ...ground.env, LSP_MODE_PATH },
		encoding: 'utf8',
		timeout: 120_000,
	});
	expect(status, stderr).toBe(0);
	const text = accepted(ground.read());
	expect(text).not.toBe('');
	expect(stdout.replaceAll(/\s/g, '')).toContain(text.split('\n')[0]?.replaceAll(/\s/g, ''));
}

describe('Emacs', () => {
	const noEmacs = emacs ? undefined : 'Emacs is not installed';
	editorTest('lsp-mode', noEmacs ?? (existsSync(LSP_MODE_PATH) ? undefined : 'lsp-mode 10 is not installed'), async () =>
		check('lsp-mode.el', snippet('Emacs', 'elisp', 0)),
	);

	const hasEglot = emacs && spawnSync(emacs, ['--batch', '-Q', '--eval', eglotProbe()]).status === 0;
	editorTest('eglot', noEmacs ?? (hasEglot ? undefined : 'eglot is not installed'), async () =>
		check('eglot.el', snippet('Emacs', 'elisp', 1)),
	);
});

/** Ends with 0 when eglot can be loaded. */
function eglotProbe(): string {
	return `(progn (dolist (f (file-expand-wildcards "/usr/share/emacs/site-lisp/elpa/*")) (add-to-list 'load-path f)) (kill-emacs (if (require 'eglot nil t) 0 1)))`;
}
