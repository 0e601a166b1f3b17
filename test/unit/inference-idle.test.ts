import { expect, test } from 'vitest';
import { neverCancelled } from '../../server/base/cancellation.ts';
import { openIdleSession } from '../../server/inference/idle-session.ts';
import { type ModelSession, openSession } from '../../server/inference/session.ts';
import { createManualClock } from '../support/fakes.ts';
import { openModels, tinyBundleFolder, tokens } from '../support/tiny-bundle.ts';

/** Sessions that only say what becomes of them. */
function fakeSessions() {
	const log: string[] = [];
	let failures = 0;
	let gate: Promise<void> | undefined;
	const open = async (): Promise<ModelSession> => {
		if (failures-- > 0) throw new Error('no memory');
		log.push('open');
		return {
			async run() {
				await gate;
				log.push('run');
				return {};
			},
			async dispose() {
				log.push('dispose');
			},
		};
	};
	return {
		log,
		open,
		failNext: (n: number) => {
			failures = n;
		},
		hold(until: Promise<void> | undefined) {
			gate = until;
		},
	};
}

const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

test('a session is given back when it has not run for the time, and opened again by the next run', async () => {
	const clock = createManualClock();
	const { log, open } = fakeSessions();
	const session = await openIdleSession({ open, unloadAfterMs: 1000, clock });
	clock.advance(600);
	await session.run({});
	clock.advance(600);
	await settle();
	expect(log).toEqual(['open', 'run']);
	clock.advance(400);
	await settle();
	expect(log).toEqual(['open', 'run', 'dispose']);
	await session.run({});
	clock.advance(1000);
	await settle();
	expect(log).toEqual(['open', 'run', 'dispose', 'open', 'run', 'dispose']);
	await session.dispose();
	expect(log).toHaveLength(6);
});

test('a session that runs is not given back', async () => {
	const clock = createManualClock();
	const { log, open, hold } = fakeSessions();
	let end = () => {};
	hold(
		new Promise<void>((resolve) => {
			end = resolve;
		}),
	);
	const session = await openIdleSession({ open, unloadAfterMs: 1000, clock });
	const run = session.run({});
	clock.advance(5000);
	await settle();
	expect(log).toEqual(['open']);
	end();
	await run;
	clock.advance(1000);
	await settle();
	expect(log).toEqual(['open', 'run', 'dispose']);
});

test('0 keeps it for ever', async () => {
	const clock = createManualClock();
	const { log, open } = fakeSessions();
	const session = await openIdleSession({ open, unloadAfterMs: 0, clock });
	clock.advance(1e9);
	await settle();
	expect(log).toEqual(['open']);
	await session.dispose();
	expect(log).toEqual(['open', 'dispose']);
});

test('a failure to open again is the failure of that run alone', async () => {
	const clock = createManualClock();
	const { log, open, failNext } = fakeSessions();
	const session = await openIdleSession({ open, unloadAfterMs: 1000, clock });
	clock.advance(1000);
	await settle();
	failNext(1);
	await expect(session.run({})).rejects.toThrow('no memory');
	await session.run({});
	expect(log).toEqual(['open', 'dispose', 'open', 'run']);
});

test('real models come back as they were, with the KV cache that was computed before', async () => {
	const clock = createManualClock();
	let nOpen = 0;
	let nOpened = 0;
	const models = await openModels(tinyBundleFolder, {
		unloadAfterMs: 1000,
		clock,
		open: async (options) => {
			const session = await openSession(options);
			nOpen++;
			nOpened++;
			return {
				...session,
				async dispose() {
					nOpen--;
					await session.dispose();
				},
			};
		},
	});
	const generator = await models.generator();
	const prompt = [tokens([20, 30, 40, 50, 60])];
	const before = await generator.prefill(prompt, neverCancelled);
	clock.advance(1000);
	await expect.poll(() => nOpen).toBe(0);
	generator.truncate(4);
	const after = await generator.prefill(prompt, neverCancelled);
	expect(after?.reused).toBe(4);
	// The generator twice; the rows of the token embedding are kept, so its model is not needed again.
	expect(nOpened).toBe(3);
	for (const [i, logit] of (after?.logits ?? []).entries()) expect(logit).toBeCloseTo(before?.logits[i] as number, 3);
	await models.dispose();
	expect(nOpen).toBe(0);
});
