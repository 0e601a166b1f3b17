/** ONNX Runtime sessions with the settings that this server wants, and errors that say which model failed. */
import * as ort from 'onnxruntime-node';
import { HefError, messageOf } from '../base/errors.ts';

export interface SessionOptions {
	/** Threads inside one operator. */
	threads: number;
	executionProvider: string;
}

/** A loaded model. Runs on its caller's thread, which it blocks: never on the LSP thread. */
export interface Session {
	run(feeds: Record<string, ort.Tensor>): Promise<Record<string, ort.Tensor>>;
	release(): Promise<void>;
}

/** Throws HefError `inference-failed` when the file is no model that the provider can load. */
export async function openSession(file: string, { threads, executionProvider }: SessionOptions): Promise<Session> {
	const executionProviders = executionProvider === 'cpu' ? ['cpu'] : [executionProvider, 'cpu'];
	let session: ort.InferenceSession;
	try {
		session = await ort.InferenceSession.create(file, {
			executionProviders,
			intraOpNumThreads: threads,
			interOpNumThreads: 1,
			graphOptimizationLevel: 'all',
			logSeverityLevel: 3,
			// Threads that spin between operators starve an editor; off costs nothing when the machine is idle.
			extra: { session: { intra_op: { allow_spinning: '0' }, inter_op: { allow_spinning: '0' } } },
		});
	} catch (error) {
		throw new HefError('inference-failed', `cannot load ${file} on ${executionProvider}: ${messageOf(error)}`, { cause: error });
	}
	return {
		async run(feeds) {
			try {
				return (await session.run(feeds)) as Record<string, ort.Tensor>;
			} catch (error) {
				throw new HefError('inference-failed', `${file} failed on ${executionProvider}: ${messageOf(error)}`, { cause: error });
			}
		},
		release: () => session.release(),
	};
}

export function floats(data: Float32Array, dims: readonly number[]): ort.Tensor {
	return new ort.Tensor('float32', data, dims);
}

export function int32(values: readonly number[], dims: readonly number[]): ort.Tensor {
	return new ort.Tensor('int32', Int32Array.from(values), dims);
}

export function int64(values: readonly number[], dims: readonly number[]): ort.Tensor {
	return new ort.Tensor('int64', BigInt64Array.from(values, BigInt), dims);
}

/** The f32 data of an output. */
export function floatData(outputs: Record<string, ort.Tensor>, name: string): Float32Array {
	const tensor = outputs[name];
	if (!(tensor?.data instanceof Float32Array)) throw new HefError('inference-failed', `a model has no f32 output '${name}'; is the bundle of this format?`);
	return tensor.data;
}
