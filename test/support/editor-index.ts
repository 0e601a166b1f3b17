/** One editor's side of a folder's index, on fake models that count what they are asked. Without the test runner, for child processes. */
import { systemClock } from '../../server/base/clock.ts';
import type { SpaceId } from '../../server/base/ids.ts';
import { silentLogger } from '../../server/base/logger.ts';
import { createHierarchy } from '../../server/hierarchy/hierarchy.ts';
import { openFolderIndex } from '../../server/indexing/folder-index.ts';
import { createIndexer } from '../../server/indexing/indexer.ts';
import type { FolderIndex, FolderIndexOptions } from '../../server/indexing/types.ts';
import type { Store } from '../../server/store/types.ts';
import { createWorkspace } from '../../server/workspace/workspace.ts';
import { createFakeChunker, createFakeEmbedder, createFakeFuser, fakeTokenizer } from './fakes.ts';

export const DIMENSION = 16;
export const SPACE = 'space' as SpaceId;

export interface Editor {
	index: FolderIndex;
	/** Texts embedded by this one. */
	embedded: string[];
	published: (string[] | 'all')[];
	problems: string[];
	moved: string[];
	/** Compares the folder with the disk. */
	refresh(reason?: string): ReturnType<FolderIndex['request']>;
}

export interface EditorOptions extends Partial<FolderIndexOptions> {
	folder: string;
	cacheFolder: string;
	onEmbed?: (text: string) => void;
	/** Stands between the indexer and its store. */
	wrapStore?: (store: Store) => Store;
}

export async function openEditorIndex({ onEmbed, wrapStore = (store) => store, ...options }: EditorOptions): Promise<Editor> {
	const spaceId = options.spaceId ?? SPACE;
	const embedder = createFakeEmbedder({ dimension: DIMENSION, ...(onEmbed ? { onRun: onEmbed } : {}) });
	const fuser = createFakeFuser();
	const workspace = await createWorkspace(options.folder, { useGlobalGitExcludes: false });
	const [published, problems, moved]: [(string[] | 'all')[], string[], string[]] = [[], [], []];
	const index = await openFolderIndex({
		workspace,
		mayBuildAside: true,
		spaceId,
		dimension: DIMENSION,
		createHierarchy: () => createHierarchy({ spaceId }),
		createIndexer: (store, parts) =>
			createIndexer({
				workspace,
				store: wrapStore(store),
				hierarchy: createHierarchy({ spaceId }),
				chunker: createFakeChunker(),
				tokenizer: async () => fakeTokenizer,
				spaceId,
				embedder: async () => embedder,
				fuser: async () => fuser,
				gate: { idle: async () => {} },
				clock: options.clock ?? systemClock,
				logger: silentLogger,
				...parts,
			}),
		clock: systemClock,
		logger: silentLogger,
		events: {
			progress: () => {},
			updated: () => {},
			published: (paths) => published.push(paths),
			moved: (path) => moved.push(path),
			problem: (message) => problems.push(message),
		},
		...options,
	});
	return {
		index,
		embedded: embedder.texts,
		published,
		problems,
		moved,
		refresh: (reason = 'start') => index.request({ paths: 'all', reason }),
	};
}
