/** Where the cache lies when no setting says otherwise. */
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Node's compiled code of the server, in the cache's folder. */
export const COMPILED_FOLDER = 'compiled';

/** The operating system's place for caches, in a folder of ours. */
export function defaultCacheFolder(): string {
	if (process.platform === 'win32')
		return join(process.env.LOCALAPPDATA ?? join(homedir(), 'AppData', 'Local'), 'hef-language-server', 'cache');
	if (process.platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'hef-language-server');
	return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'hef-language-server');
}
