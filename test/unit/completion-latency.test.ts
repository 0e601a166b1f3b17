/** What the bars of latency rest on, counted instead of timed: runs of the models and the positions that they read. */
import { basename } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { neverCancelled } from '../../server/base/cancellation.ts';
import { type CompletionEngine, createCompletionEngine } from '../../server/completion/engine.ts';
import type { CompletionRequest } from '../../server/completion/types.ts';
import { loadBundle } from '../../server/inference/bundle.ts';
import { openSession } from '../../server/inference/session.ts';
import type { Models } from '../../server/inference/types.ts';
import { openModels, shippedBundleFolder } from '../support/tiny-bundle.ts';

const CODE = `export function areaOf(width: number, height: number): number {\n\treturn width * height;\n}\n\n`.repeat(12);
const START = `${CODE}for (let i = 0; i < shapes.length; `;

let models: Models;
let engine: CompletionEngine;
/** Positions that each run of the generator read, and the other models that ran. */
let positions: number[] = [];
let others: string[] = [];
let afterRun = () => {};

beforeAll(async () => {
	models = await openModels(shippedBundleFolder, {
		async open(options) {
			const session = await openSession(options);
			return {
				...session,
				async run(feeds, outputs) {
					const read = feeds.inputs_embeds?.dims[1];
					if (read !== undefined) positions.push(read);
					else if (!options.path.endsWith('token-embedding.onnx')) others.push(basename(options.path));
					const result = await session.run(feeds, outputs);
					afterRun();
					return result;
				},
			};
		},
	});
	// Without the copy model every token is a run of its own.
	engine = createCompletionEngine({
		bundle: await loadBundle(shippedBundleFolder),
		models,
		copy: false,
		workspace: () => undefined,
		now: () => 0,
	});
});
afterAll(() => models.dispose());

function request(text: string, changes: Partial<CompletionRequest> = {}): CompletionRequest {
	const where = { uri: 'file:///a.ts', path: 'a.ts', text, offset: text.length };
	return { ...where, context: 'hef', multiLine: 'never', explicit: true, minConfidence: 0, ...changes };
}

function positionsRead(): number {
	return positions.reduce((sum, read) => sum + read, 0);
}

async function ask(text: string, changes?: Partial<CompletionRequest>) {
	positions = [];
	others = [];
	return engine.complete(request(text, changes), neverCancelled);
}

test('a keystroke reads its own positions, and as many as it generates', async () => {
	const cold = await ask(START);
	expect(positionsRead()).toBeGreaterThan(200);
	expect(cold?.tokens).toMatchObject({ reused: 0, read: positionsRead() });
	const typed = await ask(`${START}q`);
	const { generated = 0 } = typed?.tokens ?? {};
	expect(generated).toBeGreaterThan(0);
	// The token under the cursor is read again, since its end has moved.
	expect(positionsRead()).toBeLessThanOrEqual(generated + 8);
	expect(typed?.tokens.read).toBe(positionsRead());
	expect(others).toEqual([]);
});

test('what an earlier request read is not run again: the whole answer, or up to where a key leads elsewhere', async () => {
	const { start, suggested } = await someSuggestion();
	const first = await ask(start, { uri: 'file:///known-1.ts' });
	const again = await ask(start, { uri: 'file:///known-2.ts' });
	expect(positions).toEqual([]);
	expect(again?.items).toEqual(first?.items);
	expect(again?.tokens).toMatchObject({ generated: first?.tokens.generated, read: 0 });
	const anew = await ask(start, { uri: 'file:///known-3.ts', without: ['known'] });
	expect(positions.length).toBeGreaterThan(0);
	expect(anew?.items.map(({ insertText }) => insertText)).toEqual([suggested]);
});

test('text that agrees with the suggestion runs no model, also after a step back', async () => {
	const { start, suggested } = await someSuggestion();
	for (const n of [1, 2, 3, 2, 1, 0]) {
		const next = await ask(start + suggested.slice(0, n), { uri: 'file:///through.ts' });
		expect(next?.items[0]?.insertText).toBe(suggested.slice(n));
		expect([...positions, ...others]).toEqual([]);
	}
});

/** A place where whatever bundle ships has something to say. */
async function someSuggestion(): Promise<{ start: string; suggested: string }> {
	for (const line of [
		'for (let i = 0; i < shapes.length; ',
		'export function areaOf(width: number, ',
		'\treturn wid',
		'const area = areaOf(',
	]) {
		const answer = await ask(CODE + line, { uri: 'file:///through.ts' });
		const suggested = answer?.items[0]?.insertText ?? '';
		if (suggested.length > 3) return { start: CODE + line, suggested };
	}
	throw new Error('the shipped bundle suggests nothing at any of the places');
}

test('a cancelled request runs nothing after the step under way', async () => {
	for (const stopAfter of [1, 3, 5]) {
		positions = [];
		const cancellation = { aborted: false };
		afterRun = () => {
			if (positions.length >= stopAfter) cancellation.aborted = true;
		};
		const answer = await engine.complete(request(`${START}// ${stopAfter}\n\treturn `, { fresh: true }), cancellation);
		afterRun = () => {};
		expect(answer).toBeUndefined();
		expect(positions.length).toBe(stopAfter);
	}
});

test('a fresh request makes everything anew, also what the one before it tokenised', async () => {
	const encode = vi.spyOn(models.tokenizer, 'encode');
	const texts = async (changes: Partial<CompletionRequest>) => {
		encode.mockClear();
		await ask(START, { uri: 'file:///fresh.ts', ...changes });
		return encode.mock.calls.length;
	};
	const first = await texts({ fresh: true });
	expect(await texts({ fresh: true })).toBe(first);
	encode.mockRestore();
});
