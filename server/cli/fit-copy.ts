/**
 * `fit-copy`: fits how much the copy model and analogous lines count beside this bundle's generator, and writes the weights into its manifest.
 * The generator reads each line token by token, with and without the text after it; no index is built. The lines must not be
 * those that the bundle is measured on.
 */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { CopyStep } from 'hef-shared';
import type { BareEngine } from '../completion/bare-engine.ts';
import type { Workspace } from '../workspace/types.ts';
import { type Command, integerOption } from './command.ts';
import { dataAndRepos } from './eval.ts';
import { type CopyFit, fitCopyWeights, type GroupedStep } from './evaluation/copy-fitting.ts';
import { cursorOf, type Example, readExamples, sample } from './evaluation/examples.ts';
import { printJson } from './output.ts';

export const fitCopyCommand: Command = {
	name: 'fit-copy',
	usage: '--data FILE.jsonl --repos DIR [--limit N] [--write] [--json]',
	summary: 'fits the weights of the copy model and of analogous lines to lines, and with --write stores it in the bundle',
	mostPositionals: 0,
	options: { data: { type: 'string' }, repos: { type: 'string' }, limit: { type: 'string' }, write: { type: 'boolean' } },
	async run({ values, settings }, context) {
		const { data, repos } = dataAndRepos(values, fitCopyCommand);
		const examples = sample(await readExamples(data), integerOption(values, 'limit', 1, Number.MAX_SAFE_INTEGER));
		const { engine, openWorkspace } = await context.openBareEngine(settings);
		const steps: GroupedStep[] = [];
		try {
			for (const repo of new Set(examples.map((example) => example.repo))) {
				const workspace = await openWorkspace(join(repos, repo));
				await engine.read(workspace);
				for (const [i, example] of examples.filter((each) => each.repo === repo).entries()) {
					// Every third cursor stands inside of its line.
					for (const step of await stepsOf(engine, workspace, example, i % 3 === 2)) steps.push({ ...step, group: repo });
				}
				context.stderr(`${repo}: ${steps.length} tokens so far\n`);
			}
		} finally {
			await engine.dispose();
		}
		const { folder, manifest } = await context.loadBundle(settings);
		const fit = fitCopyWeights(steps, manifest);
		if (values.write) await writeWeights(folder, fit, basename(data));
		if (values.json) printJson(context, fit);
		else context.stdout(describe(fit));
		return 0;
	},
};

async function stepsOf(engine: BareEngine, workspace: Workspace, example: Example, mid: boolean): Promise<CopyStep[]> {
	const source = await workspace.read(example.path);
	if (source.kind !== 'text') return [];
	const { prefix, suffix, gold } = cursorOf(example, source.text.replaceAll('\r\n', '\n'), mid);
	const steps: CopyStep[] = [];
	for (const without of [[], ['suffix'] as const]) {
		const report = await engine.complete({
			...{ uri: `fit:${example.id}`, path: example.path, text: prefix + suffix, offset: prefix.length },
			...{ context: 'none', multiLine: 'never', explicit: true, minConfidence: 0, fresh: true },
			...{ without, gold, traceCopying: true },
		});
		steps.push(...(report?.evidence?.copying ?? []));
	}
	return steps;
}

/** Replaces the manifest's `copy` and `analogy`; the bundle's id does not depend on it. */
async function writeWeights(folder: string, { weights, steps, repositories, logProb }: CopyFit, data: string): Promise<void> {
	const path = join(folder, 'manifest.json');
	const manifest = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
	manifest.copy = { ...weights.copy, fitted: { data, tokens: steps, repositories, logProb } };
	manifest.analogy = weights.analogy;
	await writeFile(`${path}.new`, `${JSON.stringify(manifest, null, 2)}\n`);
	await rename(`${path}.new`, path);
}

function describe({ weights, steps, repositories, logProb }: CopyFit): string {
	return `${steps} tokens of ${repositories} repositories where there is something to copy; mean log-probability of a token (nats):
  generator alone                           ${logProb.model.toFixed(3)}
  with the bundle's weights                 ${logProb.before.toFixed(3)}
  with new weights, each repository judged by weights fitted without it:
    the copy model                          ${logProb.copyCrossValidated.toFixed(3)}
    and analogous lines                     ${logProb.crossValidated.toFixed(3)}
weights: ${JSON.stringify(weights)}
`;
}
