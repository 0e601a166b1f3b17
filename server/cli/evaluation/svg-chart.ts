/**
 * Line charts as one self-contained SVG that reads on light and dark backgrounds. Deliberately lacks: anything but lines with
 * error bars on two linear axes.
 */

export interface Series {
	name: string;
	/** Number of its colour, counted from 0; charts that show the same thing use the same. */
	colour: number;
	points: readonly { x: number; y: number; low?: number; high?: number }[];
}

export interface Chart {
	title: string;
	xLabel: string;
	yLabel: string;
	/** Where the horizontal axis is labelled; the first and last are its ends. */
	xTicks: readonly { at: number; label: string }[];
	/** The vertical axis begins at 0 and is labelled in percent. */
	series: readonly Series[];
}

const WIDTH = 640;
const HEIGHT = 360;
const LEGEND_ROW = 20;
const MARGIN = { left: 64, right: 24, top: 44, bottom: 84 };
const COLOURS = ['#3b82c4', '#d9822b', '#3a9e6e', '#b65fb8', '#c75450', '#7c7c7c', '#9a8b2f', '#2aa0a4'];
const STYLE = `text{font:13px system-ui,sans-serif;fill:#4a5260}.title{font-weight:600;font-size:14px}.grid{stroke:#8a93a0;stroke-opacity:.3}
.line{fill:none;stroke-width:2}@media(prefers-color-scheme:dark){text{fill:#b6bec9}}`;

/** The charts below each other. */
export function svgDocument(charts: readonly Chart[]): string {
	let height = 0;
	const bodies = charts.map((chart) => {
		const { items, rows } = legend(chart.series);
		const body = `<g transform="translate(0 ${height})">\n${[drawChart(chart), ...items].join('\n')}\n</g>`;
		height += HEIGHT + LEGEND_ROW * (rows - 1);
		return body;
	});
	const size = `width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}"`;
	return `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img">\n<style>${STYLE}</style>\n${bodies.join('\n')}\n</svg>\n`;
}

function drawChart({ title, xLabel, yLabel, xTicks, series }: Chart): string {
	const ys = series.flatMap(({ points }) => points.map(({ y, high }) => Math.max(y, high ?? y)));
	const step = niceStep(Math.max(0.01, ...ys));
	const yMax = step * Math.ceil(Math.max(0.01, ...ys) / step - 1e-9);
	const [xMin, xMax] = [xTicks[0]?.at ?? 0, xTicks.at(-1)?.at ?? 1];
	const plot = { width: WIDTH - MARGIN.left - MARGIN.right, height: HEIGHT - MARGIN.top - MARGIN.bottom };
	const x = (value: number) => round(MARGIN.left + (plot.width * (value - xMin)) / (xMax - xMin || 1));
	const y = (value: number) => round(MARGIN.top + plot.height * (1 - value / yMax));
	const bottom = y(0);
	const yTicks = Array.from({ length: Math.round(yMax / step) + 1 }, (_, i) => i * step);
	return [
		text(title, MARGIN.left, 22, 'start', 'title'),
		...yTicks.map((at) => `<line class="grid" x1="${x(xMin)}" x2="${x(xMax)}" y1="${y(at)}" y2="${y(at)}"/>`),
		...yTicks.map((at) => text(`${round(100 * at)} %`, MARGIN.left - 8, y(at) + 4, 'end')),
		...xTicks.map(({ at, label }) => text(label, x(at), bottom + 18, 'middle')),
		text(xLabel, MARGIN.left + plot.width / 2, bottom + 38, 'middle'),
		`<g transform="rotate(-90 16 ${MARGIN.top + plot.height / 2})">${text(yLabel, 16, MARGIN.top + plot.height / 2, 'middle')}</g>`,
		...series.map((each) => drawSeries(each, x, y)),
	].join('\n');
}

function drawSeries(series: Series, x: (value: number) => number, y: (value: number) => number): string {
	const { points } = series;
	const colour = colourOf(series);
	const path = points.map((point, i) => `${i === 0 ? 'M' : 'L'}${x(point.x)} ${y(point.y)}`).join('');
	const bars = points.flatMap(({ x: at, low, high }) =>
		low === undefined || high === undefined ? [] : [`M${x(at)} ${y(low)}V${y(high)}`],
	);
	const dots = points.map((point) => `<circle cx="${x(point.x)}" cy="${y(point.y)}" r="3" fill="${colour}"/>`);
	const strokes = [`<path class="line" stroke="${colour}" d="${path}"/>`];
	if (bars.length > 0) strokes.push(`<path class="line" stroke="${colour}" stroke-opacity=".5" d="${bars.join('')}"/>`);
	return points.length === 0 ? '' : [...strokes, ...dots].join('');
}

/** Names below the chart, in as many rows as they need. */
function legend(series: readonly Series[]): { items: string[]; rows: number } {
	let left = MARGIN.left;
	let row = 0;
	const items = series.map((each) => {
		const width = 34 + 7.5 * each.name.length;
		if (left + width > WIDTH && left > MARGIN.left) {
			left = MARGIN.left;
			row++;
		}
		const [at, top] = [left, HEIGHT - 22 + LEGEND_ROW * row];
		left += width;
		return `<rect x="${at}" y="${top - 9}" width="14" height="4" fill="${colourOf(each)}"/>${text(each.name, at + 19, top, 'start')}`;
	});
	return { items, rows: row + 1 };
}

function colourOf({ colour }: Series): string {
	return COLOURS[colour % COLOURS.length] as string;
}

/** 1, 2 or 5 times a power of ten, so that about five steps reach `max`. */
function niceStep(max: number): number {
	const raw = max / 5;
	const power = 10 ** Math.floor(Math.log10(raw));
	return power * ([1, 2, 5, 10].find((factor) => factor * power >= raw - 1e-12) ?? 10);
}

function text(content: string, x: number, y: number, anchor: 'start' | 'middle' | 'end', className?: string): string {
	const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
	return `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}"${className ? ` class="${className}"` : ''}>${escaped}</text>`;
}

function round(value: number): number {
	return Math.round(value * 100) / 100;
}
