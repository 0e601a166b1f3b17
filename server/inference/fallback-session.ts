/**
 * A session that survives its execution provider: when loading or a run fails elsewhere than on the CPU, the model is opened on
 * the CPU and the same call repeated. All state between runs lies in host memory (`kv-cache.ts`), so nothing is lost.
 */
import { messageOf } from '../base/errors.ts';
import type { ModelSession, ProviderName } from './session.ts';

/** The provider in use, shared by the models of a bundle: when one falls back, the others follow at their next run. */
export interface ProviderState {
	readonly name: ProviderName;
	/** Moves to the CPU and keeps the reason. */
	fallBack(reason: string): void;
}

export interface FallbackOptions {
	state: ProviderState;
	open(provider: ProviderName): Promise<ModelSession>;
}

/** @throws HefError `inference-failed` when the CPU fails too */
export async function openWithFallback({ state, open }: FallbackOptions): Promise<ModelSession> {
	let provider = state.name;
	let session: ModelSession;

	const openOnCpu = async (): Promise<void> => {
		session = await open('cpu');
		// Where that fails the next run tries again.
		provider = 'cpu';
	};
	const moveToCpu = async (): Promise<void> => {
		const broken = session;
		await openOnCpu();
		// A provider in trouble may fail at this too, and nothing depends on it.
		await broken.dispose().catch(() => {});
	};

	try {
		session = await open(provider);
	} catch (error) {
		if (provider === 'cpu') throw error;
		state.fallBack(messageOf(error));
		await openOnCpu();
	}
	return {
		async run(feeds, fetches) {
			if (provider !== 'cpu' && state.name === 'cpu') await moveToCpu();
			try {
				return await session.run(feeds, fetches);
			} catch (error) {
				if (provider === 'cpu') throw error;
				state.fallBack(messageOf(error));
				await moveToCpu();
				return session.run(feeds, fetches);
			}
		},
		dispose: () => session.dispose(),
	};
}
