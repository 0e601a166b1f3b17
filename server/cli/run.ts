/**
 * The command line: finds the command, runs it, and turns what it throws into a message and an exit code.
 * Exit codes: 0 success, 1 the operation failed, 2 usage.
 */
import { HefError, messageOf } from '../base/errors.ts';
import { benchCommand } from './bench.ts';
import { calibrateCommand } from './calibrate.ts';
import { chunksCommand } from './chunks-command.ts';
import { clearCommand } from './clear-command.ts';
import { COMMON_USAGE, type Command, type CommandContext, parseCommandArguments } from './command.ts';
import { completeCommand } from './complete.ts';
import { demoCommand } from './demo.ts';
import { doctorCommand } from './doctor.ts';
import { evalCommand } from './eval.ts';
import { fitCopyCommand } from './fit-copy.ts';
import { importVectorsCommand } from './import-vectors.ts';
import { indexCommand } from './index-command.ts';
import { linesCommand } from './lines-command.ts';
import { statusCommand } from './status.ts';

export const COMMANDS: readonly Command[] = [
	indexCommand,
	statusCommand,
	clearCommand,
	completeCommand,
	benchCommand,
	evalCommand,
	doctorCommand,
	demoCommand,
	chunksCommand,
	importVectorsCommand,
	linesCommand,
	calibrateCommand,
	fitCopyCommand,
];

export function usage(): string {
	const lines = COMMANDS.map(({ name, usage, summary }) => `  ${name} ${usage}\n        ${summary}`);
	return `Usage: hef-language-server --stdio | --socket PORT | --pipe NAME
       hef-language-server COMMAND [OPTIONS]

Commands:
${lines.join('\n')}

${COMMON_USAGE}
`;
}

export async function runCommand(args: readonly string[], context: CommandContext): Promise<number> {
	const [name, ...rest] = args;
	if (name === '--help' || name === '-h' || name === 'help') {
		context.stdout(usage());
		return 0;
	}
	if (name === '--version') {
		context.stdout(`${context.version}\n`);
		return 0;
	}
	const command = COMMANDS.find((candidate) => candidate.name === name);
	if (!command) {
		context.stderr(name === undefined ? `no command given\n\n${usage()}` : `unknown command or flag '${name}'; --help lists all\n`);
		return 2;
	}
	try {
		const parsed = parseCommandArguments(command, rest);
		if (parsed.values.help) {
			context.stdout(`Usage: hef-language-server ${command.name} ${command.usage}\n${command.summary}\n\n${COMMON_USAGE}\n`);
			return 0;
		}
		return await command.run(parsed, context);
	} catch (error) {
		const isUsage = error instanceof HefError && error.code === 'usage';
		context.stderr(
			`hef-language-server ${command.name}: ${error instanceof HefError ? error.message : ((error as Error).stack ?? messageOf(error))}\n`,
		);
		return isUsage ? 2 : 1;
	}
}
