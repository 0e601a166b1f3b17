/** The server's reports as Markdown for people. Pure: knows neither VS Code nor the connection. */
import type { CompletionReport, ExplainResult, LatencyReport, RetrievedNode, StatusReport, WorkspaceReport } from 'hef-shared';

/** What the reasons of a suppressed suggestion mean to its user. A reason without a sentence is shown as it is. */
const REASONS: Record<string, string> = {
	off: 'Completions are switched off (`hef.enabled`).',
	languageOff: 'Completions are switched off for this language (`hef.languages`).',
	tooLarge: 'This file is larger than 1 MB.',
	notReady: 'The models are not loaded.',
	excluded: 'This file is excluded: a secret, an ignored file, or one of `hef.exclude`.',
	lowConfidence: 'The model was not sure enough (`hef.minConfidence`).',
	emptyDocument: 'The document is empty: there is nothing to go on.',
	empty: 'The model had nothing to add.',
	repeatsSuffix: 'The model repeated the text that follows the cursor.',
	repeatsItself: 'The model repeated itself.',
	middleOfLine: 'The cursor is in the middle of a line; ask by hand to get a suggestion there.',
	inComment: 'The cursor is in a comment (`hef.comments`); ask by hand to get a suggestion there.',
	madeUpCopyright: 'The model wrote a copyright notice that stands in no file of yours.',
	selectedEntryDiffers: 'The model did not continue the entry that is selected in the list.',
};

export function explainText(answer: NonNullable<ExplainResult>): string {
	const { suppressed, items, notes = [], entities = [] } = answer;
	const outcome =
		suppressed === null
			? items.map(
					({ insertText, confidence }, i) =>
						`${i === 0 ? 'Suggested' : 'To choose from besides,'} with confidence ${confidence.toFixed(2)}:\n\n${fenced(insertText)}`,
				)
			: [`Nothing was shown. ${REASONS[suppressed] ?? suppressed}`];
	return sections([
		'# The last suggestion',
		...outcome,
		notes.length > 0 ? notes.map((note) => `- ${note}`).join('\n') : '',
		`Context \`${answer.context}\`, bundle \`${answer.bundle}\`, on \`${answer.executionProvider}\`.`,
		answer.nodes.length > 0 ? `## Retrieved nodes\n\n${nodeTable(answer.nodes)}` : '',
		entities.length > 0 ? `## Entities\n\n${entities.map((name) => `\`${name}\``).join(', ')}` : '',
		`## Cost\n\n${costs(answer)}`,
	]);
}

export function statusText(report: StatusReport): string {
	const { executionProvider: provider, latencyMs = {}, suppressed = {}, memory } = report;
	return sections([
		'# HEF status',
		lines([
			`Server ${report.version}, bundle \`${report.bundle.name || 'none'}\``,
			...(report.bundle.notices ?? []),
			provider && `Runs on \`${provider.name}\`: ${provider.why}`,
			report.kvReuse !== undefined && `Prompt positions reused: ${percent(report.kvReuse)}`,
			report.cacheHits !== undefined && `Answers without running the model: ${percent(report.cacheHits)}`,
			memory && `Memory: ${megabytes(memory.rssBytes)}`,
		]),
		...report.workspaces.map(workspaceSection),
		Object.keys(latencyMs).length > 0 ? `## Latency\n\n${latencyTable(latencyMs)}` : '',
		Object.keys(suppressed).length > 0 ? `## Not shown\n\n${lines(Object.entries(suppressed).map(([why, n]) => `${why}: ${n}`))}` : '',
	]);
}

/** One line for the status bar. */
export function updateText({ folder, state, message, lastUpdate }: WorkspaceReport): string {
	if (!lastUpdate) return `HEF: ${folder}: ${message ?? state}`;
	const { filesChanged, chunksEmbedded, nodesFused, durationMs } = lastUpdate;
	return `HEF: ${filesChanged} files, ${chunksEmbedded} chunks embedded, ${nodesFused} nodes fused in ${(durationMs / 1000).toFixed(1)} s`;
}

function workspaceSection(report: WorkspaceReport): string {
	const { hnsw, nodesByLevel: levels, recovered = [], notices = [], builder } = report;
	const recall = hnsw.recallAt32 === null ? 'not measured' : hnsw.recallAt32.toFixed(3);
	return `## ${report.folder}\n\n${lines([
		`State: ${report.state}${report.message ? ` (${report.message})` : ''}`,
		`${report.files} files, ${report.chunks} chunks, ${report.nodes} nodes; ${percent(report.searchable)} can be searched`,
		`Levels: ${Object.entries(levels)
			.map(([level, n]) => `${n} ${level}`)
			.join(', ')}`,
		`Stale files: ${report.stale}; waiting: ${report.pending}`,
		`On disk: ${megabytes(report.storeBytes)}; HNSW: ${hnsw.size} vectors, ${hnsw.tombstones} tombstones, recall@32 ${recall}`,
		report.lastUpdate && `Last update (${report.lastUpdate.reason}): ${updateText(report).replace('HEF: ', '')}`,
		Object.keys(report.skipped).length > 0 &&
			`Skipped: ${Object.entries(report.skipped)
				.map(([why, n]) => `${n} ${why}`)
				.join(', ')}`,
		builder && !builder.own && `Kept up to date by process ${builder.pid}`,
		...notices,
		...recovered.map((what) => `Repaired: ${what}`),
	])}`;
}

function nodeTable(nodes: readonly RetrievedNode[]): string {
	const rows = nodes.map(({ score, level, path, startLine, endLine }) => {
		const place = level === 'directory' || level === 'repository' ? path || '/' : `${path}:${startLine + 1}-${endLine + 1}`;
		return `| ${score.toFixed(3)} | ${level} | ${place} |`;
	});
	return ['| Score | Level | Where |', '|---|---|---|', ...rows].join('\n');
}

function latencyTable(stages: Record<string, LatencyReport>): string {
	const rows = Object.entries(stages).map(([stage, { p50, p95, n }]) => `| ${stage} | ${p50.toFixed(1)} | ${p95.toFixed(1)} | ${n} |`);
	return ['| Stage | p50 ms | p95 ms | n |', '|---|---|---|---|', ...rows].join('\n');
}

function costs({ tokens, timingsMs }: CompletionReport): string {
	const counts = Object.entries(tokens).map(([part, n]) => `${n} ${part}`);
	const times = Object.entries(timingsMs).map(([stage, ms]) => `${stage} ${ms.toFixed(1)} ms`);
	return lines([`Tokens: ${counts.join(', ')}`, `Time: ${times.join(', ')}`]);
}

/** Longer than any fence inside. */
function fenced(text: string): string {
	const longest = Math.max(2, ...(text.match(/`+/g) ?? []).map(({ length }) => length));
	const fence = '`'.repeat(longest + 1);
	return `${fence}\n${text}\n${fence}`;
}

function sections(parts: readonly string[]): string {
	return `${parts.filter(Boolean).join('\n\n')}\n`;
}

function lines(items: readonly (string | false | undefined | null)[]): string {
	return items
		.filter(Boolean)
		.map((item) => `- ${item}`)
		.join('\n');
}

function percent(share: number): string {
	return `${Math.round(100 * share)} %`;
}

function megabytes(bytes: number): string {
	return `${(bytes / 1e6).toFixed(1)} MB`;
}
