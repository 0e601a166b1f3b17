/** A program in a real terminal (tmux): keys in, screen out. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { atEnd, type Playground } from './support.ts';

export interface Terminal {
	/** Named keys (`Escape`, `Enter`, `Tab`, `C-n`, `M-]`) or literal text. */
	keys(...keys: string[]): Promise<void>;
	/** With colours as escape sequences when asked. */
	screen(options?: { colours: boolean }): string;
}

const NAMED = /^(Escape|Enter|Tab|[CM]-.)$/;

export function openTerminal({ home, folder, env }: Playground, command: readonly string[]): Terminal {
	const tmux = (...args: string[]) =>
		execFileSync('tmux', ['-S', join(home, 'tmux'), ...args], { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
	tmux('-f', '/dev/null', 'new-session', '-d', '-x', '90', '-y', '24', '-c', folder, ...command);
	atEnd(() => {
		try {
			tmux('kill-server');
		} catch {
			// The editor has quit, and its terminal with it.
		}
	});
	return {
		async keys(...keys) {
			for (const key of keys) {
				tmux('send-keys', ...(NAMED.test(key) ? [key] : ['-l', key]));
				// A terminal reads Escape and a letter soon after as one key.
				await new Promise((resolve) => setTimeout(resolve, key === 'Escape' ? 700 : 60));
			}
		},
		screen: ({ colours } = { colours: false }) => tmux('capture-pane', '-p', ...(colours ? ['-e'] : [])),
	};
}
