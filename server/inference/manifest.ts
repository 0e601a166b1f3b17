/**
 * The manifest of a model bundle: its types, and the check that a JSON value is one.
 *
 * Guarantees: what {@link parseManifest} accepts has every field with its type and sense, and dimensions that agree with
 * each other; of what it refuses, every problem is named at once, by the field's path.
 * Deliberately lacks: any look at the disk (`bundle.ts`). Fields that are not known are left alone, so that a bundle may say
 * more than this server reads.
 */
import {
	ANALOGY_FEATURES,
	type AnalogyWeights,
	COPY_FEATURES,
	type CopyWeights,
	DEFAULT_ANALOGY_WEIGHTS,
	DEFAULT_COPY_WEIGHTS,
} from './copy-weights.ts';
import { type Fields, fieldsOf } from './manifest-fields.ts';
import { layoutProblems, markIds, type PromptLayout, readLayout } from './prompt-layout.ts';

const FORMAT_VERSION = 1;
/** Names a projector can have, and with it the context mode that uses it. */
const PROJECTOR_NAMES = ['hef', 'llavacode'] as const;
export type ProjectorName = (typeof PROJECTOR_NAMES)[number];

/**
 * What the confidence of a suggestion is computed from: natural logarithms of its tokens' probabilities, the number of tokens,
 * two facts about the cursor that are 0 or 1, and the share of the tokens that came from the copy model, 0–1.
 */
export const CONFIDENCE_FEATURES = [
	'sumLogProb',
	'meanLogProb',
	'minLogProb',
	'firstLogProb',
	'nTokens',
	'lineStart',
	'midWord',
	'copied',
] as const;
export type ConfidenceFeatures = Readonly<Record<(typeof CONFIDENCE_FEATURES)[number], number>>;

/** Weights of the logistic model that turns these features into a confidence; a weight that is absent is 0. */
export type ConfidenceWeights = { intercept: number } & Partial<ConfidenceFeatures>;

/** For a bundle that was not calibrated: half sure of a line whose tokens together have probability 1/e. */
export const UNCALIBRATED: ConfidenceWeights = { intercept: 1.5, sumLogProb: 1.5 };

/** What serving does instead where a bundle has no projector for `hef`. */
export const NO_PROJECTOR = 'the bundle has no hef projector: the nearest chunks stand in the prompt as text, without pseudo-tokens';

export interface FileEntry {
	/** 64 hex digits. */
	sha256: string;
	sizeBytes: number;
}

export interface TokenizerEntry {
	file: string;
	/** Ids are below it. */
	vocabSize: number;
}

interface ModelEntry {
	file: string;
	/** Of the weights: `fp32`, `fp16`, `int8`, …; for people, the server does not read it. */
	precision: string;
}

export interface ProjectorEntry extends ModelEntry {
	inputDimension: number;
	outputDimension: number;
}

/** Ids around a query before it is embedded, an instruction for instance; not counted in `maxTokens`. */
export interface QueryMarks {
	before: readonly number[];
	append: readonly number[];
}

export interface Manifest {
	name: string;
	description: string;
	licence: string;
	/** Every file of the bundle but the manifest, by name. */
	files: Readonly<Record<string, FileEntry>>;
	tokenizer: TokenizerEntry;
	/**
	 * `append`: ids put after every chunk before it is embedded; not counted in `maxTokens`. `query`: what stands around a query.
	 * `tokenizer`: what cuts and reads chunks and queries, the bundle's own where the manifest names no other.
	 */
	embedder: ModelEntry & { dimension: number; maxTokens: number; append: readonly number[]; query: QueryMarks; tokenizer: TokenizerEntry };
	fuser: ModelEntry & { dimension: number; arity: number };
	projectors: Readonly<Partial<Record<ProjectorName, ProjectorEntry>>>;
	tokenEmbedding: ModelEntry;
	generator: ModelEntry & {
		hiddenSize: number;
		layers: number;
		kvHeads: number;
		headDim: number;
		vocabSize: number;
		maxPositions: number;
		stopTokens: readonly number[];
	};
	prompt: PromptLayout;
	confidence: ConfidenceWeights;
	copy: CopyWeights;
	analogy: AnalogyWeights;
}

/** The manifest that a JSON value is, or everything that keeps it from being one. */
export function parseManifest(value: unknown): { manifest: Manifest; problems: [] } | { manifest?: never; problems: string[] } {
	const problems: string[] = [];
	const root = fieldsOf(value, '', problems);
	const version = root.raw('formatVersion');
	if (version !== FORMAT_VERSION) {
		problems.push(`formatVersion: this server reads version ${FORMAT_VERSION}, got ${JSON.stringify(version)}`);
		return { problems };
	}
	const manifest: Manifest = {
		name: root.text('name'),
		description: root.optionalText('description') ?? '',
		licence: root.text('licence'),
		files: readFiles(root),
		tokenizer: readPart(root, 'tokenizer', readTokenizer),
		embedder: readPart(root, 'embedder', (part) => ({
			...readModel(part),
			dimension: part.count('dimension'),
			maxTokens: part.count('maxTokens'),
			append: part.ids('append'),
			query: readQueryMarks(part),
			tokenizer: readTokenizer(part.raw('tokenizer') === undefined ? root.object('tokenizer') : part.object('tokenizer')),
		})),
		fuser: readPart(root, 'fuser', (part) => ({ ...readModel(part), dimension: part.count('dimension'), arity: part.count('arity', 2) })),
		projectors: readProjectors(root),
		tokenEmbedding: readPart(root, 'tokenEmbedding', readModel),
		generator: readPart(root, 'generator', readGenerator),
		prompt: readPart(root, 'prompt', readLayout),
		confidence: readWeights(root, 'confidence', CONFIDENCE_FEATURES) ?? UNCALIBRATED,
		copy: readWeights(root, 'copy', COPY_FEATURES) ?? DEFAULT_COPY_WEIGHTS,
		analogy: readWeights(root, 'analogy', ANALOGY_FEATURES) ?? DEFAULT_ANALOGY_WEIGHTS,
	};
	// A relation between fields that are themselves wrong would only repeat the problem.
	if (problems.length === 0) checkAgreement(manifest, problems);
	return problems.length === 0 ? { manifest, problems: [] } : { problems };
}

/** What a bundle does without, and what to do about it; for people. */
export function bundleNotices({ projectors, confidence, copy }: Manifest): { detail: string; advice: string }[] {
	const fit = 'on repositories of your own (models/README.md, "Making a bundle")';
	return [
		...(projectors.hef
			? []
			: [{ detail: NO_PROJECTOR, advice: 'training makes one (models/README.md, recipe qwen); completions work without' }]),
		...(confidence === UNCALIBRATED
			? [{ detail: 'the confidence of suggestions was not fitted to this bundle', advice: `run hef-language-server calibrate ${fit}` }]
			: []),
		...(copy === DEFAULT_COPY_WEIGHTS
			? [{ detail: 'the weight of the copy model was not fitted to this bundle', advice: `run hef-language-server fit-copy ${fit}` }]
			: []),
	];
}

/** Every file of the bundle that a model or the tokenizer needs, with the field that names it. */
export function referencedFiles(manifest: Manifest): { field: string; file: string }[] {
	const { tokenizer, embedder, fuser, tokenEmbedding, generator } = manifest;
	const models = Object.entries({ tokenizer, 'embedder.tokenizer': embedder.tokenizer, embedder, fuser, tokenEmbedding, generator });
	const projectors = Object.entries(manifest.projectors).map(([name, entry]) => [`projectors.${name}`, entry] as const);
	return [...models, ...projectors].map(([field, { file }]) => ({ field: `${field}.file`, file }));
}

function readPart<T>(root: Fields, name: string, read: (part: Fields) => T): T {
	return read(root.object(name));
}

function readTokenizer(part: Fields): TokenizerEntry {
	return { file: part.text('file'), vocabSize: part.count('vocabSize') };
}

function readModel(part: Fields): ModelEntry {
	return { file: part.text('file'), precision: part.text('precision') };
}

/** Queries are embedded as chunks are where the manifest says nothing else. */
function readQueryMarks(embedder: Fields): QueryMarks {
	if (embedder.raw('query') === undefined) return { before: [], append: embedder.ids('append') };
	const marks = embedder.object('query');
	return { before: marks.ids('before'), append: marks.ids('append') };
}

function readFiles(root: Fields): Record<string, FileEntry> {
	const files: Record<string, FileEntry> = {};
	const list = root.object('files');
	for (const name of list.names()) {
		if (name.includes('/') || name.includes('\\') || name === '..') list.problem(name, 'a file lies directly in the bundle folder');
		const entry = list.object(name);
		files[name] = { sha256: entry.sha256('sha256'), sizeBytes: entry.count('sizeBytes', 0) };
	}
	return files;
}

function readProjectors(root: Fields): Manifest['projectors'] {
	if (root.raw('projectors') === undefined) return {};
	const list = root.object('projectors');
	const known = PROJECTOR_NAMES.filter((name) => list.raw(name) !== undefined);
	return Object.fromEntries(
		known.map((name) => {
			const part = list.object(name);
			return [name, { ...readModel(part), inputDimension: part.count('inputDimension'), outputDimension: part.count('outputDimension') }];
		}),
	);
}

function readGenerator(part: Fields): Manifest['generator'] {
	return {
		...readModel(part),
		hiddenSize: part.count('hiddenSize'),
		layers: part.count('layers'),
		kvHeads: part.count('kvHeads'),
		headDim: part.count('headDim'),
		vocabSize: part.count('vocabSize'),
		maxPositions: part.count('maxPositions'),
		stopTokens: part.ids('stopTokens'),
	};
}

/** Of a logistic model; a bundle for which it was not fitted carries none. */
function readWeights<Name extends string>(root: Fields, field: string, names: readonly Name[]) {
	const part = root.raw(field) === undefined ? undefined : root.object(field);
	if (part?.raw('intercept') === undefined) return undefined;
	const given = names.filter((name) => part.raw(name) !== undefined);
	const weights = Object.fromEntries(given.map((name) => [name, part.number(name)])) as Partial<Record<Name, number>>;
	return { intercept: part.number('intercept'), ...weights };
}

function checkAgreement(manifest: Manifest, problems: string[]): void {
	const { tokenizer, embedder, fuser, generator, prompt } = manifest;
	const equal = (a: string, aValue: number, b: string, bValue: number) => {
		if (aValue !== bValue) problems.push(`${a} is ${aValue}, but ${b} is ${bValue}: they must be equal`);
	};
	equal('fuser.dimension', fuser.dimension, 'embedder.dimension', embedder.dimension);
	for (const [name, projector] of Object.entries(manifest.projectors)) {
		equal(`projectors.${name}.inputDimension`, projector.inputDimension, 'embedder.dimension', embedder.dimension);
		equal(`projectors.${name}.outputDimension`, projector.outputDimension, 'generator.hiddenSize', generator.hiddenSize);
	}
	if (tokenizer.vocabSize > generator.vocabSize) {
		problems.push(`tokenizer.vocabSize ${tokenizer.vocabSize} is more than generator.vocabSize ${generator.vocabSize}`);
	}
	const outside = (ids: Record<string, readonly number[]>, field: string, vocabSize: number) => {
		for (const [name, list] of Object.entries(ids)) {
			const wrong = list.filter((id) => id >= vocabSize);
			if (wrong.length > 0) problems.push(`${name}: ${wrong.join(', ')} lies outside of ${field} ${vocabSize}`);
		}
	};
	outside({ 'generator.stopTokens': generator.stopTokens, ...markIds(prompt) }, 'generator.vocabSize', generator.vocabSize);
	const { append, query } = embedder;
	const marks = { 'embedder.append': append, 'embedder.query.before': query.before, 'embedder.query.append': query.append };
	outside(marks, "the embedder's vocabulary,", embedder.tokenizer.vocabSize);
	problems.push(...layoutProblems(prompt, generator.maxPositions));
}
