import { expect, test } from 'vitest';
import type { NodeId } from '../../server/base/ids.ts';
import { createSnippetSource } from '../../server/retrieval/snippets.ts';
import type { FileRecord } from '../../server/store/types.ts';

/** A source over files of one chunk each; what `read` waits for is up to the test. */
function sourceOf(files: Map<string, string>, beforeReading: (path: string) => Promise<void> = async () => {}) {
	const record = (path: string) => {
		const text = files.get(path);
		const chunk = { id: path as NodeId, startOffset: 0, endOffset: text?.length ?? 0, startLine: 0, endLine: 0 };
		return text === undefined ? undefined : ({ chunks: [chunk] } as unknown as FileRecord);
	};
	const source = createSnippetSource({
		view: { file: record, paths: () => files.keys() },
		async read(path) {
			const text = files.get(path);
			await beforeReading(path);
			return text === undefined ? { kind: 'skipped', reason: 'unreadable' } : { kind: 'text', text };
		},
	});
	const visible = { path: 'open.ts', startLine: 0, endLine: 0 };
	return { ...source, texts: async () => (await source.similar('open the store', 10, visible)).map(({ text }) => text).sort() };
}

test('files are found that the view showed after the first search', async () => {
	const files = new Map([['a.ts', 'store a']]);
	const { texts } = sourceOf(files);
	expect(await texts()).toEqual(['store a']);
	files.set('b.ts', 'store b');
	expect(await texts()).toEqual(['store a', 'store b']);
});

test.each(['all', ['a.ts', 'b.ts']] as const)('what changed or is gone is told by %j', async (changed) => {
	const files = new Map([
		['a.ts', 'store a'],
		['b.ts', 'store b'],
	]);
	const { texts, invalidate } = sourceOf(files);
	expect(await texts()).toEqual(['store a', 'store b']);
	files.set('a.ts', 'store anew');
	files.delete('b.ts');
	invalidate(changed);
	expect(await texts()).toEqual(['store anew']);
});

test('a file that is gone while it is read is not found', async () => {
	const files = new Map([['a.ts', 'store a']]);
	const { texts, invalidate } = sourceOf(files, async () => {
		files.delete('a.ts');
		invalidate(['a.ts']);
	});
	expect(await texts()).toEqual([]);
	expect(await texts()).toEqual([]);
});

test('line ends are those of a prompt, whatever the file has', async () => {
	const { texts, read } = sourceOf(new Map([['a.ts', 'store\r\na\r\n']]));
	const node = { level: 'chunk', path: 'a.ts', startLine: 0, endLine: 2, score: 1 } as const;
	expect(await texts()).toEqual(['store\na\n']);
	expect(await read([{ id: 'a.ts' as NodeId, node }])).toEqual([{ id: 'a.ts', node, text: 'store\na\n' }]);
});
