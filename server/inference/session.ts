/**
 * One ONNX Runtime session: the only file that talks to the runtime.
 *
 * Guarantees: a failure of the runtime becomes a {@link HefError} that names the file and the provider.
 * Deliberately lacks cancellation: the runtime has none (`terminate` is ignored), and a run blocks its thread. Callers keep
 * runs short.
 */
import { basename } from 'node:path';
import { env, InferenceSession, listSupportedBackends, Tensor } from 'onnxruntime-node';
import { HefError, messageOf } from '../base/errors.ts';

/** Names of ONNX Runtime's providers that this server uses. */
export type ProviderName = 'cpu' | 'cuda' | 'dml' | 'coreml' | 'webgpu';

/**
 * Most positions that one run of a model with a KV cache should read on a provider.
 *
 * On the CPU a prefill in such pieces costs less than a tenth more, and a cancelled one ends within some 30 ms. WebGPU's flash
 * attention, which takes over at 32 new positions, leaves keys out where the device's subgroups are small (microsoft/onnxruntime
 * issue 26064, pull request 28520): below it the results are the CPU's.
 */
export function pieceSizeOn(provider: ProviderName): number {
	return provider === 'webgpu' ? 31 : 136;
}

export type Feeds = Record<string, Tensor>;
/** Outputs that are wanted: what a tensor is given for is written into it, null asks for a new one. */
export type Fetches = Readonly<Record<string, Tensor | null>>;

export interface ModelSession {
	/** Outputs by name, all of them or those in `fetches`. Their data belongs to the caller. */
	run(feeds: Feeds, fetches?: Fetches): Promise<Readonly<Record<string, Tensor>>>;
	dispose(): Promise<void>;
}

export interface SessionOptions {
	/** Absolute path. Weights in files beside it are found by the runtime and mapped into memory. */
	path: string;
	provider: ProviderName;
	/** Threads of one run, at least 1. */
	threads: number;
}

/** Providers that this build of ONNX Runtime knows, whether or not the machine can run them. */
export function supportedProviders(): string[] {
	return listSupportedBackends().map(({ name }) => name);
}

/** Version of the runtime. */
export const RUNTIME_VERSION: string = env.versions.node ?? '';

/** @throws HefError `inference-failed` when the runtime refuses the file or the provider */
export async function openSession({ path, provider, threads }: SessionOptions): Promise<ModelSession> {
	const session = await InferenceSession.create(path, {
		// Operators that a GPU lacks run on the CPU.
		executionProviders: provider === 'cpu' ? ['cpu'] : [provider, 'cpu'],
		intraOpNumThreads: threads,
		interOpNumThreads: 1,
		executionMode: 'sequential',
		graphOptimizationLevel: 'all',
		logSeverityLevel: 3,
		// A spinning thread takes a core from the editor, and is slower as soon as anything else runs.
		extra: { session: { intra_op: { allow_spinning: '0' } } },
	}).catch((cause: unknown) => {
		throw new HefError('inference-failed', `${basename(path)} cannot be loaded on ${provider}: ${messageOf(cause)}`, { cause });
	});
	return {
		async run(feeds, fetches) {
			try {
				return await (fetches ? session.run(feeds, fetches) : session.run(feeds));
			} catch (cause) {
				throw new HefError('inference-failed', `${basename(path)} failed on ${provider}: ${messageOf(cause)}`, { cause });
			}
		},
		dispose: () => session.release(),
	};
}

/** A tensor over the caller's memory, not a copy. */
export function floats(data: Float32Array, shape: readonly number[]): Tensor {
	return new Tensor('float32', data, shape);
}

export function int32s(values: readonly number[], shape: readonly number[]): Tensor {
	return new Tensor('int32', Int32Array.from(values), shape);
}

export function int64s(values: readonly number[], shape: readonly number[]): Tensor {
	return new Tensor('int64', BigInt64Array.from(values, BigInt), shape);
}

/** Changes the first number of a tensor from {@link int32s} or {@link int64s}: making one for each run takes longer. */
export function setFirst({ data }: Tensor, value: number): void {
	if (data instanceof BigInt64Array) data[0] = BigInt(value);
	else (data as Int32Array)[0] = value;
}

/** `[rows.length, width]` int64. @param rows of ids, 0 or more; shorter ones are filled up with 0 */
export function int64Rows(rows: readonly (readonly number[])[], width: number): Tensor {
	const data = new BigInt64Array(rows.length * width);
	// The lower halves, little-endian as every machine of the runtime is: a BigInt for each id takes as long as a small model.
	const halves = new Int32Array(data.buffer);
	for (const [row, ids] of rows.entries()) {
		for (let i = 0, at = 2 * row * width; i < ids.length; i++, at += 2) halves[at] = ids[i] as number;
	}
	return new Tensor('int64', data, [rows.length, width]);
}

/** The f32 data of an output. */
export function floatsOf(outputs: Readonly<Record<string, Tensor>>, name: string): Float32Array {
	const data = outputs[name]?.data;
	if (data instanceof Float32Array) return data;
	throw new HefError('bundle-invalid', `a model of the bundle has no f32 output '${name}': it was exported for another format version`);
}
