/**
 * The completion engine over the files of a folder as they lie there, with no index: generator and copy model alone. For
 * fitting and measuring what needs no vectors, in minutes less.
 *
 * Deliberately lacks: threads and services. One folder at a time; it holds models, so it is no part of a server.
 */
import { neverCancelled } from '../base/cancellation.ts';
import { invariant } from '../base/errors.ts';
import { createBlockTokenizer } from '../copying/block-tokens.ts';
import { lineTable } from '../copying/line-table.ts';
import { createNgramIndex, type NgramIndex } from '../copying/ngram-index.ts';
import type { Bundle } from '../inference/bundle.ts';
import type { Models } from '../inference/types.ts';
import type { Workspace } from '../workspace/types.ts';
import { createCompletionEngine } from './engine.ts';
import type { CompletionRequest } from './types.ts';

export interface BareEngine {
	/** Reads every file of the folder, in place of the folder before. */
	read(workspace: Workspace): Promise<void>;
	complete(request: Omit<CompletionRequest, 'folder'>): ReturnType<ReturnType<typeof createCompletionEngine>['complete']>;
	dispose(): Promise<void>;
}

export function createBareEngine({ bundle, models }: { bundle: Bundle; models: Models }): BareEngine {
	const tokenizer = createBlockTokenizer(models.tokenizer);
	let index: NgramIndex | undefined;
	let folder = '';
	const engine = createCompletionEngine({ bundle, models, workspace: () => ({ copies: index }), now: () => performance.now() });
	return {
		async read(workspace) {
			index = createNgramIndex();
			folder = workspace.folder;
			for (const { path } of await workspace.list()) {
				const source = await workspace.read(path);
				if (source.kind !== 'text') continue;
				const tokens = tokenizer.encode(source.text.replaceAll('\r\n', '\n'));
				for (const _ of index.put(path, tokens, toItsEnd(lineTable(tokens, tokenizer))));
			}
		},
		complete(request) {
			invariant(request.context === 'none' || request.context === 'copy', 'other modes need an index');
			return engine.complete({ ...request, folder }, neverCancelled);
		},
		dispose: () => models.dispose(),
	};
}

function toItsEnd<T>(work: Generator<void, T>): T {
	for (;;) {
		const { done, value } = work.next();
		if (done) return value;
	}
}
