/** Where the cache lies when no setting says otherwise. */
import { homedir } from 'node:os';
import { join } from 'node:path';

/** The operating system's place for caches, in a folder of ours. */
export function defaultCacheFolder(): string {
	if (process.platform === 'win32')
		return join(process.env.LOCALAPPDATA ?? join(homedir(), 'AppData', 'Local'), 'hef-language-server', 'cache');
	if (process.platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'hef-language-server');
	return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'hef-language-server');
}
