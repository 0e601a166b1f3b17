/**
 * The settings under `hef.` (and, without the prefix, in `initializationOptions`): one schema that the server validates
 * against and that the VS Code manifest must equal (a test compares them).
 */
import { CONTEXT_MODES, type ContextMode } from './report.ts';

export const EXECUTION_PROVIDERS = ['auto', 'cpu', 'cuda', 'dml', 'coreml', 'webgpu'] as const;
export type ExecutionProviderSetting = (typeof EXECUTION_PROVIDERS)[number];
const TRACE_LEVELS = ['off', 'messages', 'verbose'] as const;
export type TraceLevel = (typeof TRACE_LEVELS)[number];
const MULTI_LINE_MODES = ['auto', 'always', 'never'] as const;
export type MultiLineMode = (typeof MULTI_LINE_MODES)[number];

export interface Settings {
	enabled: boolean;
	context: ContextMode;
	bundle: string;
	executionProvider: ExecutionProviderSetting;
	cacheFolder: string;
	cacheBudgetBytes: number;
	maxThreads: number;
	throttleOnBattery: boolean;
	unloadAfterMinutes: number;
	minConfidence: number;
	alternatives: number;
	multiLine: MultiLineMode;
	comments: boolean;
	copy: boolean;
	debounce: number;
	exclude: string[];
	languages: Record<string, boolean>;
	trace: TraceLevel;
}

interface SettingSchema {
	type: 'boolean' | 'string' | 'number' | 'integer' | 'array' | 'object';
	enum?: readonly string[];
	items?: { type: 'string' };
	additionalProperties?: { type: 'boolean' };
	minimum?: number;
	maximum?: number;
	pattern?: string;
	/** What a value is that the pattern takes. */
	patternErrorMessage?: string;
	default: unknown;
	description: string;
}

/** JSON Schema of every setting, in the order in which editors show them. */
export const SETTINGS_SCHEMA = {
	enabled: { type: 'boolean', default: true, description: 'Offer completions. When off, no model runs and nothing is indexed.' },
	context: {
		type: 'string',
		enum: CONTEXT_MODES,
		default: 'hef',
		description:
			'Repository context of a completion: none, snippets (raw text of similar chunks), hef (pseudo-tokens from the hierarchy), llavacode (projected chunks; needs a bundle with that projector).',
	},
	bundle: {
		type: 'string',
		pattern: '^((?!\\.\\.?$)[^/\\\\]*|(~|[A-Za-z]:)?[/\\\\].*)$',
		patternErrorMessage: 'expected the name of a bundle that ships with the server, an absolute path, or one that begins with ~/',
		default: '',
		description:
			'Folder of the model bundle: an absolute path, ~ is your home folder; or the name of one that ships with the server. Empty: the default bundle.',
	},
	executionProvider: {
		type: 'string',
		enum: EXECUTION_PROVIDERS,
		default: 'auto',
		description: 'Where models run. auto takes the first that works, and the CPU last.',
	},
	cacheFolder: {
		type: 'string',
		pattern: '^(~|(~?|[A-Za-z]:)[/\\\\].*)?$',
		patternErrorMessage: 'expected an absolute path, or one that begins with ~/',
		default: '',
		description: "Folder of the index: an absolute path, ~ is your home folder. Empty: the user's cache folder.",
	},
	cacheBudgetBytes: {
		type: 'integer',
		minimum: 0,
		default: 2_000_000_000,
		description:
			'Size that the indexes of all workspaces may take on disk. Those that were not used for longest go first, never an open one.',
	},
	maxThreads: {
		type: 'integer',
		minimum: 0,
		maximum: 64,
		default: 0,
		description: 'Threads of a model run. 0: half of the cores, at least 2 and at most 4. Indexing never uses more than one.',
	},
	throttleOnBattery: {
		type: 'boolean',
		default: true,
		description: 'Index at a third of the pace while the machine runs on its battery (where the system tells: Linux).',
	},
	unloadAfterMinutes: {
		type: 'number',
		minimum: 0,
		maximum: 10_080,
		default: 30,
		description: 'Models that have not run for so many minutes give their memory back; the next request loads them again. 0: never.',
	},
	minConfidence: {
		type: 'number',
		minimum: 0,
		maximum: 1,
		default: 0.25,
		description: 'Suggestions below this confidence are not shown.',
	},
	alternatives: {
		type: 'integer',
		minimum: 1,
		maximum: 10,
		default: 3,
		description:
			'Suggestions to choose from, at most, when you ask by hand; editors leaf through them. Suggestions while you type are one at a time. 1: no choice.',
	},
	multiLine: {
		type: 'string',
		enum: MULTI_LINE_MODES,
		default: 'auto',
		description: 'Whole blocks: auto (where a block begins, or when invoked by hand), always, never.',
	},
	comments: { type: 'boolean', default: false, description: 'Complete inside comments too. A request by hand does so anyway.' },
	copy: {
		type: 'boolean',
		default: true,
		description:
			'Let suggestions repeat what the open file and the workspace already say: an n-gram copy model, and lines that stand between like lines, with the names replaced, are mixed with the generator. When off, the generator writes alone.',
	},
	debounce: {
		type: 'number',
		minimum: 0,
		maximum: 2000,
		default: 200,
		description:
			'Longest wait after a keystroke, in milliseconds. The server waits only while answers take longer than the pauses between keystrokes, never at the start of a line, after an accepted suggestion or for a request by hand, and not for editors that wait by themselves. 0: never.',
	},
	exclude: {
		type: 'array',
		items: { type: 'string' },
		default: [],
		description: 'Globs (as in .gitignore) neither indexed nor completed, beside the built-in list.',
	},
	languages: {
		type: 'object',
		additionalProperties: { type: 'boolean' },
		default: {},
		description: 'Completions on or off by language id, e.g. {"markdown": false}.',
	},
	trace: { type: 'string', enum: TRACE_LEVELS, default: 'off', description: 'How much the server writes to its log.' },
} as const satisfies Record<keyof Settings, SettingSchema>;

/** Every setting at its default. */
export function defaultSettings(): Settings {
	const entries = Object.entries(SETTINGS_SCHEMA).map(([key, schema]) => [key, structuredClone(schema.default)]);
	return Object.fromEntries(entries) as Settings;
}

/** What editors send beside the settings: an initialization option, a setting of the VS Code client, a section inside itself. */
const NOT_OURS: readonly string[] = ['statusNotifications', 'serverPath', 'hef'];

/**
 * Settings from what an editor sent, and a sentence for each value that was refused and each name that is not known. A refused
 * or missing value takes its default, so a typing error in one setting costs that setting alone.
 * @param options.home the user's home folder, which a leading `~` of a path stands for
 * @param options.nameOf what the user calls a setting; default: `hef.` and its key
 */
export function parseSettings(
	input: unknown,
	{ home, nameOf = (key: string) => `hef.${key}` }: { home: string; nameOf?: (key: string) => string },
): { settings: Settings; problems: string[] } {
	const settings = defaultSettings();
	const problems: string[] = [];
	if (input === null || input === undefined) return { settings, problems };
	if (typeof input !== 'object') return { settings, problems: [`settings: expected an object, got ${typeof input}`] };
	for (const [key, value] of Object.entries(input)) {
		if (value === undefined || value === null || NOT_OURS.includes(key)) continue;
		if (!Object.hasOwn(SETTINGS_SCHEMA, key)) {
			const near = nearestName(key);
			problems.push(`${nameOf(key)}: there is no such setting${near === undefined ? '' : `; did you mean ${nameOf(near)}?`}`);
			continue;
		}
		const problem = checkValue((SETTINGS_SCHEMA as Record<string, SettingSchema>)[key] as SettingSchema, value);
		if (problem) problems.push(`${nameOf(key)}: ${problem}, got ${JSON.stringify(value)}`);
		else Object.assign(settings, { [key]: value });
	}
	settings.bundle = expandHome(settings.bundle, home);
	settings.cacheFolder = expandHome(settings.cacheFolder, home);
	return { settings, problems };
}

/** A path as people write it in a settings file, with `~` for the home folder. */
export function expandHome(path: string, home: string): string {
	return /^~(?=[/\\]|$)/.test(path) ? home + path.slice(1) : path;
}

/** The setting whose name takes the fewest edits, at most for half of the letters. */
function nearestName(key: string): string | undefined {
	const nearest = Object.keys(SETTINGS_SCHEMA)
		.map((name) => ({ name, edits: editDistance(name.toLowerCase(), key.toLowerCase()) }))
		.reduce((best, candidate) => (candidate.edits < best.edits ? candidate : best));
	return nearest.edits <= key.length / 2 ? nearest.name : undefined;
}

function editDistance(a: string, b: string): number {
	let row = Array.from({ length: b.length + 1 }, (_, i) => i);
	for (let i = 0; i < a.length; i++) {
		const next = [i + 1];
		for (let j = 0; j < b.length; j++) {
			const changed = (row[j] as number) + (a[i] === b[j] ? 0 : 1);
			next.push(Math.min(changed, (row[j + 1] as number) + 1, (next[j] as number) + 1));
		}
		row = next;
	}
	return row[b.length] as number;
}

function checkValue(schema: SettingSchema, value: unknown): string | undefined {
	switch (schema.type) {
		case 'array':
			return Array.isArray(value) && value.every((item) => typeof item === 'string') ? undefined : 'expected a list of strings';
		case 'object':
			return typeof value === 'object' && !Array.isArray(value) && Object.values(value as object).every((v) => typeof v === 'boolean')
				? undefined
				: 'expected an object of booleans';
		case 'integer':
		case 'number': {
			if (typeof value !== 'number' || !Number.isFinite(value)) return `expected a ${schema.type === 'integer' ? 'whole ' : ''}number`;
			if (schema.type === 'integer' && !Number.isSafeInteger(value)) return 'expected a whole number';
			if (schema.minimum !== undefined && value < schema.minimum) return `expected at least ${schema.minimum}`;
			if (schema.maximum !== undefined && value > schema.maximum) return `expected at most ${schema.maximum}`;
			return undefined;
		}
		default:
			if (typeof value !== schema.type) return `expected a ${schema.type}`;
			if (schema.pattern !== undefined && !new RegExp(schema.pattern).test(value as string)) return schema.patternErrorMessage;
			return schema.enum && !schema.enum.includes(value as string) ? `expected one of ${schema.enum.join(', ')}` : undefined;
	}
}
