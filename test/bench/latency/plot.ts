/**
 * One SVG of two panels: latency against the number of nodes, and the stages of a request, cold and with KV reuse, each where
 * the one before it ended. Self-contained; light or dark as the reader's system asks.
 */
import type { NodeScaleFigure } from './node-scale.ts';
import type { ReplayFigures, Requests } from './replay.ts';

const WIDTH = 880;
const HEIGHT = 330;
const TOP = 64;
const BOTTOM = 280;
const LEFT_PANEL = { from: 56, to: 396 };
const RIGHT_PANEL = { from: 534, to: 824 };
/** A stage that took less did not take place. */
const NOTHING_MS = 0.005;

const STYLE = `
text { font: 12px system-ui, -apple-system, 'Segoe UI', sans-serif; fill: #57606a; }
.title { font-size: 14px; font-weight: 600; fill: #1f2328; }
.value { font-variant-numeric: tabular-nums; }
.back { fill: #ffffff; }
.grid { stroke: #d8dee4; stroke-width: 1; }
.axis { stroke: #8c959f; stroke-width: 1; }
.line { fill: none; stroke-width: 2.5; stroke-linejoin: round; stroke-linecap: round; }
.cold { --mark: #0969da; }
.reused { --mark: #1a7f37; }
.soft { --mark: #8c959f; }
.cold rect, .cold circle, .reused rect, .reused circle, .soft circle { fill: var(--mark); }
.cold .line, .soft .line { stroke: var(--mark); }
@media (prefers-color-scheme: dark) {
	text { fill: #9198a1; }
	.title { fill: #f0f6fc; }
	.back { fill: #0d1117; }
	.grid { stroke: #21262d; }
	.axis { stroke: #656c76; }
	.cold { --mark: #58a6ff; }
	.reused { --mark: #3fb950; }
	.soft { --mark: #6e7681; }
}`;

export function plot(replay: ReplayFigures, byNodes: readonly NodeScaleFigure[]): string {
	const parts = [
		`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img">`,
		`<title>Latency against the number of nodes, and the stages of a request</title>`,
		`<style>${STYLE}\n</style>`,
		`<rect class="back" width="${WIDTH}" height="${HEIGHT}" rx="8"/>`,
		...nodesPanel(byNodes),
		...stagesPanel(replay),
		'</svg>',
	];
	return `${parts.join('\n')}\n`;
}

function nodesPanel(figures: readonly NodeScaleFigure[]): string[] {
	const { from, to } = LEFT_PANEL;
	const top = niceMaximum(Math.max(...figures.map(({ ms }) => ms.p50)) * 1.25);
	const decades = figures.map(({ nodes }) => Math.log10(nodes));
	const [first, last] = [Math.min(...decades), Math.max(...decades)];
	const x = (nodes: number) => from + 14 + ((to - from - 28) * (Math.log10(nodes) - first)) / Math.max(1e-9, last - first);
	const y = (ms: number) => BOTTOM - ((BOTTOM - TOP) * ms) / top;
	const series = (name: string, label: string, value: (figure: NodeScaleFigure) => number) => {
		const points = figures.map((figure) => [x(figure.nodes), y(value(figure))] as const);
		const path = points.map(([px, py], i) => `${i === 0 ? 'M' : 'L'}${px.toFixed(1)} ${py.toFixed(1)}`).join('');
		const [endX, endY] = points.at(-1) ?? [0, 0];
		return [
			`<g class="${name}"><path class="line" d="${path}"/>`,
			...points.map(([px, py]) => `<circle cx="${px.toFixed(1)}" cy="${py.toFixed(1)}" r="3.5"/>`),
			`</g>${text(endX, endY - 10, label, { anchor: 'end' })}`,
		];
	};
	return [
		text(from - 30, 30, 'Latency against the size of the repository', { style: 'title' }),
		text(from - 30, 48, 'ms, median of cold requests'),
		...ticks(top).flatMap((ms) => [
			`<line class="grid" x1="${from}" x2="${to}" y1="${y(ms)}" y2="${y(ms)}"/>`,
			text(from - 8, y(ms) + 4, String(ms), { anchor: 'end', style: 'value' }),
		]),
		`<line class="axis" x1="${from}" x2="${to}" y1="${BOTTOM}" y2="${BOTTOM}"/>`,
		...figures.map(({ nodes }) => text(x(nodes), BOTTOM + 18, shortCount(nodes), { anchor: 'middle', style: 'value' })),
		text((from + to) / 2, BOTTOM + 38, 'nodes in the hierarchy', { anchor: 'middle' }),
		...series('cold', 'the whole request', ({ ms }) => ms.p50),
		...series('soft', 'search and entity names', ({ retrieveMs }) => retrieveMs),
	];
}

function stagesPanel({ cold, reused }: ReplayFigures): string[] {
	const { from, to } = RIGHT_PANEL;
	const stages = Object.keys(cold.hef.stages) as (keyof Requests['stages'])[];
	const total = (requests: Requests) => stages.reduce((sum, stage) => sum + requests.stages[stage], 0);
	const longest = niceMaximum(Math.max(total(cold.hef), total(reused)));
	const x = (ms: number) => from + ((to - from) * ms) / longest;
	const rowHeight = (BOTTOM - TOP) / stages.length;
	const bars = (requests: Requests, style: string, offset: number) => {
		let start = 0;
		return stages.map((stage, row) => {
			const ms = requests.stages[stage];
			if (ms < NOTHING_MS) return '';
			const at = TOP + row * rowHeight + offset;
			const bar = `<rect x="${x(start).toFixed(1)}" y="${at.toFixed(1)}" width="${Math.max(1.5, x(ms) - from).toFixed(1)}" height="12" rx="2"/>`;
			start += ms;
			return `<g class="${style}">${bar}</g>${text(x(start) + 6, at + 10, ms.toFixed(1), { style: 'value' })}`;
		});
	};
	return [
		text(from - 76, 30, 'Where the time goes', { style: 'title' }),
		text(from - 76, 48, 'ms, median of each stage'),
		legend(from + 96, 'cold', `cold, ${cold.hef.ms.p50.toFixed(0)} ms`),
		legend(from + 190, 'reused', `KV reuse, ${reused.ms.p50.toFixed(0)} ms`),
		...ticks(longest).flatMap((ms) => [
			`<line class="grid" x1="${x(ms)}" x2="${x(ms)}" y1="${TOP}" y2="${BOTTOM}"/>`,
			text(x(ms), BOTTOM + 18, String(ms), { anchor: 'middle', style: 'value' }),
		]),
		`<line class="axis" x1="${from}" x2="${from}" y1="${TOP}" y2="${BOTTOM}"/>`,
		...stages.map((stage, row) => text(from - 10, TOP + (row + 0.5) * rowHeight + 4, stage, { anchor: 'end' })),
		...bars(cold.hef, 'cold', rowHeight / 2 - 13),
		...bars(reused, 'reused', rowHeight / 2 + 1),
		text((from + to) / 2, BOTTOM + 38, 'ms since the keystroke', { anchor: 'middle' }),
	];
}

function legend(x: number, style: string, label: string): string {
	return `<g class="${style}"><rect x="${x}" y="39" width="10" height="10" rx="2"/></g>${text(x + 15, 48, label)}`;
}

function text(x: number, y: number, content: string, { anchor = 'start', style = '' } = {}): string {
	return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}"${style ? ` class="${style}"` : ''}>${content}</text>`;
}

/** The next of 1, 2, 4, 6 or 8 times a power of ten. */
function niceMaximum(value: number): number {
	const power = 10 ** Math.floor(Math.log10(value));
	return ([1, 2, 4, 6, 8, 10].find((step) => step * power >= value) ?? 10) * power;
}

/** Four steps from 0. */
function ticks(top: number): number[] {
	return [0, 1, 2, 3, 4].map((step) => Number(((top * step) / 4).toPrecision(3)));
}

function shortCount(count: number): string {
	return count >= 1000 ? `${Math.round(count / 1000)}k` : String(count);
}
