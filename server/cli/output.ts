/** Text output that the commands share: tables, a progress bar, reports in words. */
import type { UpdateReport, WorkspaceReport } from 'hef-shared';
import { roughDuration } from '../base/duration.ts';
import type { IndexProgress } from '../services.ts';
import type { CommandContext } from './command.ts';

export function printJson(context: CommandContext, value: unknown): void {
	context.stdout(`${JSON.stringify(value, null, 2)}\n`);
}

/** Columns aligned; numbers to the right. */
export function table(header: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
	const cells = [header, ...rows].map((row) => row.map(String));
	const widths = header.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
	const isNumber = (text: string) => /^[-–]?\d[\d.,]*\s?%?$/.test(text);
	const line = (row: readonly string[]) =>
		row
			.map((cell, column) => (isNumber(cell) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0)))
			.join('  ')
			.trimEnd();
	const [first, ...others] = cells as [string[], ...string[][]];
	return `${[line(first), widths.map((width) => '-'.repeat(width)).join('  '), ...others.map(line)].join('\n')}\n`;
}

/** The same as a Markdown table. */
export function markdownTable(header: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
	const line = (cells: readonly (string | number)[]) => `| ${cells.join(' | ')} |`;
	return `${[line(header), `|${'---|'.repeat(header.length)}`, ...rows.map(line)].join('\n')}\n`;
}

/** Redraws one line on a terminal; silent elsewhere. */
export function createProgressBar(context: CommandContext): { report(progress: IndexProgress): void; end(): void } {
	let drawn = false;
	return {
		report({ filesDone, filesTotal, remainingMs }) {
			if (!context.interactive || filesTotal === 0) return;
			const width = 30;
			const done = Math.round((width * filesDone) / filesTotal);
			context.stderr(
				`\r[${'#'.repeat(done)}${'.'.repeat(width - done)}] ${filesDone} of ${filesTotal} files${remainingMs === undefined ? '' : `, ${roughDuration(remainingMs)} left`}\u001b[K `,
			);
			drawn = true;
		},
		end() {
			if (drawn) context.stderr('\r\u001b[K');
			drawn = false;
		},
	};
}

function describeUpdate(update: UpdateReport): string {
	return `${update.filesChanged} files changed, ${update.chunksEmbedded} chunks embedded (${update.chunksReused} reused), ${update.nodesFused} nodes fused (${update.nodesReused} reused), ${update.nodesRemoved} removed, ${seconds(update.durationMs)}`;
}

export function describeReport(report: WorkspaceReport): string {
	const { chunk, file, directory, repository } = report.nodesByLevel;
	const skipped = Object.entries(report.skipped).map(([reason, n]) => `${n} ${reason}`);
	const lines = [
		`${report.folder}: ${report.state}${report.message ? ` (${report.message})` : ''}`,
		`  ${report.files} files, ${report.nodes} nodes: ${chunk} chunks, ${file} file, ${directory} directory, ${repository} repository`,
		`  ${report.stale} stale, ${report.pending} pending, ${Math.floor(100 * report.searchable)} % searchable, ${megabytes(report.storeBytes)} on disk`,
		`  vector index: ${report.hnsw.size} vectors, ${report.hnsw.tombstones} tombstones, recall@32 ${report.hnsw.recallAt32?.toFixed(3) ?? 'not measured'}`,
	];
	if (skipped.length > 0) lines.push(`  passed over: ${skipped.join(', ')}`);
	if (report.lastUpdate) lines.push(`  last update (${report.lastUpdate.reason}): ${describeUpdate(report.lastUpdate)}`);
	for (const message of report.notices ?? []) lines.push(`  ${message}`);
	for (const message of report.recovered ?? []) lines.push(`  recovered: ${message}`);
	return `${lines.join('\n')}\n`;
}

export function seconds(ms: number): string {
	return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

export function megabytes(bytes: number): string {
	return `${(bytes / 1e6).toFixed(1)} MB`;
}
