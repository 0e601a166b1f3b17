/** `bench DIR`: latency by stage and by context mode, cold and while typing, on real cursors of a folder. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { CONTEXT_MODES, type CompletionReport, type ContextMode, type LatencyReport } from 'hef-shared';
import { createCompletionMetrics, summarize } from '../completion/metrics.ts';
import type { CompletionRequest } from '../completion/types.ts';
import type { Services } from '../services.ts';
import { type Command, integerOption, onePositional } from './command.ts';
import { type Cursor, drawCursors } from './cursors.ts';
import { withIndexedFolder } from './index-command.ts';
import { printJson, table } from './output.ts';

/** Keystrokes replayed at each cursor, to measure what KV reuse saves. */
const KEYSTROKES = 4;

interface ModeResult {
	/** Fresh requests: no cache, nothing held. */
	cold: Record<string, LatencyReport>;
	/** Requests after one more typed character each. */
	typing: Record<string, LatencyReport>;
	/** Share of prompt positions taken from the KV cache while typing. */
	kvReuse: number;
}

export const benchCommand: Command = {
	name: 'bench',
	usage: 'DIR [--cursors N] [--json]',
	summary: 'latency by stage and by mode on real cursors of a folder',
	options: { cursors: { type: 'string' } },
	async run({ positionals, values, settings }, context) {
		const folder = resolve(onePositional(benchCommand, positionals, 'folder'));
		const count = integerOption(values, 'cursors', 1, 20);
		return withIndexedFolder(folder, settings, context, async (services) => {
			const cursors = await drawCursors(folder, await services.codeFiles(folder), count);
			const modes: Partial<Record<ContextMode, ModeResult>> = {};
			for (const mode of CONTEXT_MODES) {
				const result = await benchMode(services, folder, cursors, mode);
				if (result) modes[mode] = result;
			}
			const { hnsw, nodes, files } = await services.report(folder);
			const status = await services.status();
			const result = {
				folder,
				files,
				nodes,
				hnsw,
				cursors: cursors.length,
				bundle: status.bundle,
				executionProvider: status.executionProvider,
				modes,
			};
			if (values.json) printJson(context, result);
			else context.stdout(describe(modes));
			return 0;
		});
	},
};

async function benchMode(
	services: Services,
	folder: string,
	cursors: readonly Cursor[],
	mode: ContextMode,
): Promise<ModeResult | undefined> {
	const cold: CompletionReport[] = [];
	const typing: CompletionReport[] = [];
	for (const cursor of cursors) {
		const request = requestAt(folder, cursor, mode);
		const first = await services.complete({ ...request, fresh: true });
		if (mode === 'llavacode' && first?.notes?.some((note) => note.includes('projector'))) return undefined;
		if (first) cold.push(first);
		for (let n = 1; n <= Math.min(KEYSTROKES, cursor.gold.length - 1); n++) {
			const text = cursor.text.slice(0, cursor.offset) + cursor.gold.slice(0, n) + cursor.text.slice(cursor.offset);
			const typed = await services.complete({ ...request, text, offset: cursor.offset + n });
			if (typed) typing.push(typed);
		}
	}
	const metrics = createCompletionMetrics();
	for (const report of typing) metrics.record(report);
	return { cold: byStage(cold), typing: byStage(typing), kvReuse: metrics.kvReuse() };
}

function requestAt(folder: string, { path, text, offset }: Cursor, context: ContextMode): CompletionRequest {
	return {
		uri: `${pathToFileURL(resolve(folder, path)).href}?${context}`,
		folder,
		path,
		text,
		offset,
		context,
		multiLine: 'never',
		explicit: true,
		minConfidence: 0,
	};
}

function byStage(reports: readonly CompletionReport[]): Record<string, LatencyReport> {
	const stages = [...new Set(reports.flatMap(({ timingsMs }) => Object.keys(timingsMs)))];
	const timings = reports.map(({ timingsMs }) => timingsMs as unknown as Record<string, number>);
	return Object.fromEntries(stages.map((stage) => [stage, summarize(timings.map((each) => each[stage] ?? 0))]));
}

function describe(modes: Partial<Record<ContextMode, ModeResult>>): string {
	const rows = Object.entries(modes).flatMap(([mode, { cold, typing, kvReuse }]) => {
		const stages = Object.keys(cold).filter((stage) => stage !== 'total');
		const row = (label: string, latency: Record<string, LatencyReport>, reuse: string) => [
			mode,
			label,
			...stages.map((stage) => latency[stage]?.p50.toFixed(1) ?? ''),
			latency.total?.p50.toFixed(1) ?? '',
			latency.total?.p95.toFixed(1) ?? '',
			reuse,
		];
		return [row('cold', cold, ''), row('typing', typing, `${(100 * kvReuse).toFixed(1)} %`)];
	});
	const stages = Object.keys(Object.values(modes)[0]?.cold ?? {}).filter((stage) => stage !== 'total');
	return `Milliseconds, median (p95 in the column so named)\n${table(['mode', 'request', ...stages, 'total', 'p95', 'KV reuse'], rows)}`;
}
