/** A folder of synthetic files and the services of the built server over it, as a user has them: both workers, a real bundle. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { defaultSettings } from 'hef-shared';
import { silentLogger } from '../../../server/base/logger.ts';
import { type Bundle, loadBundle } from '../../../server/inference/bundle.ts';
import type { Services } from '../../../server/services.ts';
import { createMonorepo, type Monorepo } from '../../support/monorepo.ts';
import { shippedBundleFolder } from '../../support/tiny-bundle.ts';
import type { BenchContext } from '../bars.ts';

/** Threads run the compiled server. */
const { createServices } = (await import(
	new URL('../../../server/dist/services.js', import.meta.url).href
)) as typeof import('../../../server/services.ts');

export const OPEN = { watch: false, exclude: [] };

/** A bundle whose models run. */
export interface Served {
	bundle: Bundle;
	/** For the notes. */
	name: string;
	/** Added to what is measured, so that a bundle has rows of its own. */
	suffix: string;
}

/** The shipped bundle, or the one that the arguments name. */
export async function served({ arguments: { bundle: folder } }: BenchContext): Promise<Served> {
	const bundle = await loadBundle(folder === undefined ? shippedBundleFolder : resolve(folder));
	return folder === undefined
		? { bundle, name: 'shipped bundle', suffix: '' }
		: { bundle, name: bundle.manifest.name, suffix: ` (${bundle.manifest.name})` };
}

/** Models and folders of a monorepo on disk, removed together. */
export interface Site {
	work: string;
	bundle: Bundle;
	folder: string;
	repo: Monorepo;
	cacheFolder(): string;
	start(cacheFolder: string): Promise<Services>;
	remove(): void;
}

export function createSite(bundle: Bundle, files: number, seed: number): Site {
	const work = realpathSync(mkdtempSync(join(tmpdir(), 'hef-bench-')));
	const folder = join(work, 'repo');
	const repo = createMonorepo({ files, seed });
	mkdirSync(folder);
	repo.writeTo(folder);
	let caches = 0;
	return {
		work,
		bundle,
		folder,
		repo,
		cacheFolder: () => join(work, `cache-${++caches}`),
		async start(cacheFolder) {
			const events = { progress() {}, updated() {}, problem() {} };
			return createServices({ bundle, settings: defaultSettings(), cacheFolder, version: 'bench', events, logger: silentLogger });
		},
		remove: () => rmSync(work, { recursive: true, force: true }),
	};
}
