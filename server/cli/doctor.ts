/** `doctor`: checks everything a completion needs on this machine, and says what to do about each problem. */
import { constants } from 'node:fs';
import { access, readFile } from 'node:fs/promises';
import { availableParallelism, platform, totalmem } from 'node:os';
import { messageOf } from '../base/errors.ts';
import { makeFolder } from '../base/make-folder.ts';
import { bundleNotices } from '../inference/manifest.ts';
import type { Command, CommandContext, ParsedArguments } from './command.ts';
import { megabytes, printJson, seconds } from './output.ts';

interface Check {
	name: string;
	status: 'ok' | 'warning' | 'problem';
	detail: string;
	/** What to do, where there is something to do. */
	advice?: string;
}

/** Watched folders that a large repository needs on Linux. */
const COMFORTABLE_WATCHES = 65_536;

export const doctorCommand: Command = {
	name: 'doctor',
	usage: '[--json]',
	summary: 'check runtime, providers, bundle and limits; say what to do about problems',
	mostPositionals: 0,
	options: {},
	async run({ values, settings }, context) {
		const checks: Check[] = [nodeCheck(), machineCheck(), await cacheCheck(context.cacheFolder(settings)), ...(await watcherChecks())];
		const bundleChecked = await bundleChecks(settings, context);
		checks.push(...bundleChecked);
		if (bundleChecked[0]?.status !== 'problem') checks.push(...(await generationChecks(settings, context)));
		const healthy = checks.every(({ status }) => status !== 'problem');
		if (values.json) printJson(context, { healthy, checks });
		else context.stdout(checks.map(describe).join(''));
		return healthy ? 0 : 1;
	},
};

function describe({ name, status, detail, advice }: Check): string {
	const mark = { ok: '✓', warning: '!', problem: '✗' }[status];
	return `${mark} ${name}: ${detail}\n${advice ? `    → ${advice}\n` : ''}`;
}

function nodeCheck(): Check {
	const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
	const enough = major > 20 || (major === 20 && minor >= 19);
	const detail = `Node ${process.versions.node} on ${platform()} ${process.arch}`;
	return enough
		? { name: 'runtime', status: 'ok', detail }
		: { name: 'runtime', status: 'problem', detail, advice: 'install Node 20.19 or newer' };
}

function machineCheck(): Check {
	return { name: 'machine', status: 'ok', detail: `${availableParallelism()} threads, ${megabytes(totalmem())} memory` };
}

async function cacheCheck(folder: string): Promise<Check> {
	try {
		makeFolder(folder);
		await access(folder, constants.R_OK | constants.W_OK);
		return { name: 'cache folder', status: 'ok', detail: folder };
	} catch (error) {
		return {
			name: 'cache folder',
			status: 'problem',
			detail: messageOf(error),
			advice: 'give --cache DIR (setting hef.cacheFolder) a folder that you may write',
		};
	}
}

async function watcherChecks(): Promise<Check[]> {
	if (platform() !== 'linux') return [];
	const limit = Number(await readFile('/proc/sys/fs/inotify/max_user_watches', 'utf8').catch(() => '0'));
	const detail = `${limit} inotify watches`;
	if (limit >= COMFORTABLE_WATCHES) return [{ name: 'file watcher', status: 'ok', detail }];
	const advice = 'for large repositories: sysctl fs.inotify.max_user_watches=524288 (the server falls back to polling)';
	return [{ name: 'file watcher', status: 'warning', detail, advice }];
}

/** The bundle itself, then what it does without. */
async function bundleChecks(settings: ParsedArguments['settings'], context: CommandContext): Promise<Check[]> {
	const name = 'bundle';
	try {
		const { manifest, folder } = await context.loadBundle(settings);
		const size = Object.values(manifest.files).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
		const detail = `${manifest.name} in ${folder}, ${megabytes(size)}, all checksums agree`;
		return [{ name, status: 'ok', detail }, ...bundleNotices(manifest).map((notice): Check => ({ name, status: 'warning', ...notice }))];
	} catch (error) {
		return [{ name, status: 'problem', detail: messageOf(error), advice: 'see models/README.md for how a bundle is made' }];
	}
}

/** Loads the models and completes one line. */
async function generationChecks(settings: ParsedArguments['settings'], context: CommandContext): Promise<Check[]> {
	const quiet = { progress() {}, updated() {}, problem() {} };
	const services = await context.createServices(settings, quiet);
	try {
		const provider = await services.warmUp();
		const text = 'export function add(a: number, b: number): number {\n\treturn ';
		const report = await services.complete({
			uri: 'hef:doctor',
			path: 'doctor.ts',
			text,
			offset: text.length,
			context: 'none',
			multiLine: 'never',
			explicit: true,
			minConfidence: 0,
		});
		const generated = report?.tokens.generated ?? 0;
		const detail = `${generated} tokens in ${seconds(report?.timingsMs.total ?? 0)}: ${JSON.stringify(report?.items[0]?.insertText ?? report?.suppressed)}`;
		return [
			{ name: 'execution provider', status: 'ok', detail: `${provider.name} (${provider.why}), loaded in ${seconds(provider.loadMs)}` },
			generated > 0
				? { name: 'test generation', status: 'ok', detail }
				: { name: 'test generation', status: 'problem', detail, advice: 'run again with --execution-provider cpu --verbose' },
		];
	} catch (error) {
		return [
			{ name: 'test generation', status: 'problem', detail: messageOf(error), advice: 'run again with --execution-provider cpu --verbose' },
		];
	} finally {
		await services.dispose();
	}
}
