/** A disk of its own, which a test fills. */
import { spawnSync } from 'node:child_process';

/** Whether this user may mount one. */
export const mayMount = process.platform === 'linux' && spawnSync('unshare', ['-Urm', 'true']).status === 0;
