/** Where the server is, and how to start it. Knows nothing of VS Code, so that a test can ask it. */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { expandHome } from 'hef-shared';

const PROGRAM = join('server', 'bin', 'hef-language-server.js');

export interface ProgramOptions {
	extensionFolder: string;
	/** The setting `hef.serverPath`; empty for the server that comes with the extension. */
	serverPath: string;
	exists?: (path: string) => boolean;
}

/**
 * The server's program: the one set by the user, else the one inside the extension, else that of the checkout around it.
 *
 * @throws Error that says what to do when there is none
 */
export function findProgram({ extensionFolder, serverPath, exists = existsSync }: ProgramOptions): string {
	if (serverPath) {
		if (!isAbsolute(serverPath)) throw new Error(`hef.serverPath must be an absolute path, got '${serverPath}'`);
		if (!exists(serverPath)) throw new Error(`hef.serverPath: there is no file ${serverPath}`);
		return serverPath;
	}
	const places = [join(extensionFolder, PROGRAM), join(extensionFolder, '..', PROGRAM)];
	const found = places.find(exists);
	if (!found) throw new Error(`the extension has no server at ${places.join(' or ')}; build it, or set hef.serverPath`);
	return found;
}

/**
 * The server's environment. The editor's binary is Electron, and plain Node with this; glibc gives back what unloaded models took
 * (docs/performance.md); Node's compiled code lies with the index.
 *
 * @param cacheFolder the setting `hef.cacheFolder`; empty for the server's default
 */
export function environmentOf(env: NodeJS.ProcessEnv, cacheFolder: string): NodeJS.ProcessEnv {
	const folder = expandHome(cacheFolder, homedir());
	// A relative path is refused by the server too.
	const compiled = isAbsolute(folder) && !env.NODE_COMPILE_CACHE ? { NODE_COMPILE_CACHE: join(folder, 'compiled') } : {};
	return { MALLOC_TRIM_THRESHOLD_: '131072', ...env, ...compiled, ELECTRON_RUN_AS_NODE: '1' };
}
