import { Command, CommanderError } from 'commander'
import { messageOf } from '../model/error.ts'
import { CommandFailed, withExamples, withOutput } from './command.ts'
import type { CliDeps } from './command.ts'
import { doctorCommands } from './doctor-network.ts'
import { doctorCommand } from './doctor.ts'
import { unknownCommands } from './doctor-unknown.ts'
import { hardwareCommands } from './hardware.ts'
import { imageCommands } from './image.ts'
import { leaseCommands } from './lease.ts'
import { objectCommands } from './objects.ts'
import { dataText } from './output.ts'
import { ruleSetCommands } from './ruleset.ts'
import { templateCommands } from './template.ts'
import { timelineCommand } from './timeline.ts'
import { tokenCommands } from './token.ts'
import { workflowCommands } from './workflow.ts'

export type { CliDeps } from './command.ts'

/** All commands of `ironwake`. Parsing throws instead of ending the process; `runProgram` does that part. */
export function buildProgram(deps: CliDeps): Command {
  const program = new Command('ironwake')
    .description('bare-metal provisioning: inventory, network boot, installation')
    .version(deps.version)
    .showHelpAfterError('(--help shows what is possible)')
    .configureOutput({
      writeOut: (text) => void deps.stdout.write(text),
      writeErr: (text) => void deps.stderr.write(text),
    })
    .exitOverride()
    // `doctor` and `doctor network` have options of the same name
    .enablePositionalOptions()
  withExamples(
    program,
    'os build',
    'serve --interface eth1',
    'hardware import hardware.csv',
    'apply -f workflow.yaml',
    'workflow watch',
    'timeline machine-1 --follow',
    'doctor machine-1',
  )
  program.addHelpText('after', notes)
  deps.extend?.(program)
  hardwareCommands(program, deps)
  objectCommands(program, deps)
  templateCommands(program, deps)
  workflowCommands(program, deps)
  ruleSetCommands(program, deps)
  timelineCommand(program, deps)
  leaseCommands(program, deps)
  imageCommands(program, deps)
  tokenCommands(program, deps)
  doctorCommands(program, deps)
  doctorCommand(program, deps)
  unknownCommands(program, deps)
  versionCommand(program, deps)
  inheritSettings(program)
  return program
}

const notes = `
Every command but serve, os, config and doctor network talks to a running server. It finds it by
--kubeconfig, by $KUBECONFIG, or by admin.kubeconfig in the data directory
(--data-dir, $IRONWAKE_DATA_DIR, else ./data).

Exit codes: 0 done, 1 failed, 2 wrongly called, 130 interrupted.`

/** Commands made with `command()` take over settings; those added later by `extend` get them here. */
function inheritSettings(command: Command): void {
  for (const child of command.commands) {
    child.copyInheritedSettings(command)
    inheritSettings(child)
  }
}

function versionCommand(program: Command, deps: CliDeps): void {
  const version = program
    .command('version')
    .description('version of this program')
    .action(async (options: { output: 'text' | 'json' }) => {
      const { version: text } = deps
      deps.stdout.write(options.output === 'json' ? await dataText('json', { version: text }) : `${text}\n`)
    })
  withExamples(withOutput(version, 'text', 'json'), 'version', 'version -o json')
}

/**
 * Runs one command line.
 * @param argv arguments without the program's own name
 * @returns exit code: 0 done, 1 failed, 2 wrongly called, 130 interrupted
 */
export async function runProgram(argv: readonly string[], deps: CliDeps): Promise<number> {
  try {
    await buildProgram(deps).parseAsync([...argv], { from: 'user' })
    return 0
  } catch (error) {
    // Commander has printed its own message by now.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    const exitCode = error instanceof CommandFailed ? error.exitCode : 1
    deps.stderr.write(`${exitCode === 130 ? '' : 'error: '}${messageOf(error)}\n`)
    return exitCode
  }
}
